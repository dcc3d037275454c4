/* The first result: four tokens attend to each other. */
#include <fovea/fovea.h>

#include <stdio.h>
#include <stdlib.h>

static void check(fovea_status status, const char *call)
{
    if (status == FOVEA_OK)
        return;
    fprintf(stderr, "%s: %s\n", call, fovea_status_name(status));
    exit(1);
}

int main(void)
{
    const float tokens[4][2] = {{4, 0}, {0, 4}, {3, 1}, {-4, -4}}; /* each is query, key and value */
    float result[4][2];
    const fovea_tensor view = {FOVEA_F32, 4, {1, 1, 4, 2}}; /* rank 4: batch, heads, tokens, dim */
    const fovea_softmax_params params = {.q = view, .k = view, .v = view, .o = view};
    fovea_device *device;
    fovea_buffer *memory; /* the tokens, then the result */
    fovea_op *softmax;
    check(fovea_device_open(NULL, &device), "open");
    check(fovea_buffer_create(device, sizeof tokens + sizeof result, &memory), "buffer");
    check(fovea_buffer_upload(memory, 0, tokens, sizeof tokens), "upload");
    check(fovea_softmax_create(device, &params, &softmax), "softmax");
    const fovea_op_args args = {{{memory, 0}, {memory, 0}, {memory, 0}, {memory, sizeof tokens}}, 4, 4};
    check(fovea_op_run(softmax, &args), "run");
    check(fovea_buffer_download(memory, sizeof tokens, result, sizeof result), "download");
    for (int i = 0; i < 4; i++)
        printf("(%2g, %2g) -> (%6.3f, %6.3f)\n", tokens[i][0], tokens[i][1], result[i][0], result[i][1]);
    fovea_op_destroy(softmax);
    fovea_buffer_destroy(memory);
    fovea_device_destroy(device);
    return 0;
}
