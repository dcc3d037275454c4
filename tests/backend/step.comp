#version 450
// target[i] = source[i] * factor + addend, `rounds` times over, for i < count.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint factor = 1;
layout(std430, set = 0, binding = 0) readonly buffer Source { uint source[]; };
layout(std430, set = 0, binding = 1) buffer Target { uint target[]; };
layout(push_constant) uniform Parameters { uint count; uint addend; uint rounds; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= count)
        return;
    uint value = source[i];
    for (uint round = 0; round < rounds; round++)
        value = value * factor + addend;
    target[i] = value;
}
