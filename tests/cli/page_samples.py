"""Results as `fovea bench --json` writes them, made up: for tests of the page."""
import random

HOSTILE = "</script><b>bold</b><!-- <script>alert(1)</script> \u202e\u2028 & \"q\" 'a' \\ ${x}"
OPTIONAL_CONTEXT = ("date", "host_name", "num_cpus", "mhz_per_cpu", "library_build_type", "suite", "load_avg", "interrupted",
                    "library_version", "fovea_commit", "cpu_scaling_enabled", "failures")
NEEDED_ROW = ("name", "operator", "case", "device", "real_time", "time_unit")

# Rates of devices of very different sizes: fma_f32, fma_f16, exp2, shared, copy; time stamps or not.
SIZES = {
    "cpu": (210e9, 205e9, 9e9, 300e9, 14e9, False),
    "gpu": (53e12, 104e12, 7.4e12, 21e12, 850e9, True),
    "phone": (1.9e12, 3.7e12, 410e9, 900e9, 42e9, True),
}
NAMES = {
    "cpu": ("AMD EPYC 7B13 64-Core Processor", "cpu", 0, "Fovea's own threads"),
    "gpu": ("AMD Radeon RX 7900 XTX (RADV NAVI31)", "discrete", 0x1002, "radv"),
    "phone": ("Mali-G715", "integrated", 0x13b5, "Mali-G715"),
}


def device(identity, size, name=None):
    fma_f32, fma_f16, exp2, shared, copy, _ = SIZES[size]
    own_name, kind, vendor, driver = NAMES[size]
    rates = {"fma_f32": fma_f32, "fma_f16": fma_f16, "fma_bf16": fma_f32 * 0.98, "exp2": exp2, "shared": shared,
             "copy": copy, "dispatch_s": 4.1e-6, "barrier_s": 1.9e-6, "submit_s": 31e-6}
    return {"id": identity, "name": name or own_name, "kind": kind, "vendor_id": vendor, "device_id": 29772,
            "driver": driver, "driver_id": 3, "driver_info": "Mesa 25.0.7", "driver_version": 104857607,
            "api_version": "1.3.296", "tier": "subgroup", "rates": rates}


def case_name(shape):
    kind, length, dim, dtype, mask = shape
    return f"{kind}_{length}_d{dim}_{dtype}" + ("" if mask == "none" else f"_{mask}")


def work(shape):
    """Heads, queries, FLOPs, bytes, exponentials of a case."""
    kind, length, dim, dtype, mask = shape
    heads, queries = (16, length) if kind == "prefill" else (32, 1)
    pairs = heads * (queries * (length + 1) // 2 if mask == "causal" else queries * length)
    store = 4 if dtype == "f32" else 2
    return heads, queries, 4 * dim * pairs, heads * dim * store * (2 * queries + 2 * length), pairs


def row(shape, identity, size, seed=0):
    kind, length, dim, dtype, mask = shape
    rates = dict(zip(("fma_f32", "fma_f16", "exp2", "shared", "copy", "stamps"), SIZES[size]))
    heads, queries, flops, moved, exponentials = work(shape)
    chance = random.Random(f"{shape}{size}{seed}")
    peak = rates["fma_f16" if dtype == "f16" else "fma_f32"]
    limits = {"fma": flops / peak, "exp2": exponentials / rates["exp2"], "copy": moved / rates["copy"]}
    bound = max(limits, key=limits.get)
    share = chance.uniform(0.35, 0.9) * length / (length + 300)
    time = limits[bound] / share * 1e6
    name = f"softmax/{case_name(shape)}/{identity}"
    spread = chance.uniform(0.01, 0.12)
    made = {"name": name, "run_name": name, "run_type": "iteration", "repetitions": 1, "repetition_index": 0, "threads": 1,
            "iterations": chance.randrange(3, 400), "time_unit": "us", "operator": "softmax", "case": case_name(shape),
            "device": identity, "kind": kind, "batch": 1, "heads_q": heads, "heads_k": heads if kind == "prefill" else 8,
            "heads_v": heads if kind == "prefill" else 8, "seq_q": queries, "seq_k": length, "dim_qk": dim, "dim_v": dim,
            "dtype": dtype, "mask": mask, "flops": flops, "bytes": moved, "exponentials": exponentials,
            "flops_per_second": flops / time * 1e6, "bytes_per_second": moved / time * 1e6,
            "percent_of_peak": 100 * flops / time * 1e6 / peak, "attainable_flops_per_second": flops / limits[bound],
            "percent_of_attainable": 100 * share, "bound": bound, "kernel": "softmax_direct", "kernel_tier": "subgroup",
            "tile": "64x64" if kind == "prefill" else "8x128", "tile_index": 0, "splits": 1 if kind == "prefill" else 8,
            "dispatches": 1, "max_error": chance.uniform(1e-8, 4e-7), "of_bound": chance.uniform(0.01, 0.6),
            "rows_checked": 24}
    prefixes = {"device": time, "wall": time + 40} if rates["stamps"] else {"wall": time}
    for prefix, median in prefixes.items():
        made.update({f"{prefix}_min": median * (1 - spread / 2), f"{prefix}_p10": median * (1 - spread / 3),
                     f"{prefix}_p90": median * (1 + spread)})
    made.update({"real_time": prefixes["wall"], "cpu_time": prefixes["wall"]})
    if rates["stamps"]:
        made.update({"device_time": time, "registers": 96, "spills": 0})
    return made


def shapes(count):
    """The first of a fixed list of cases, kinds and lengths first."""
    every = [(kind, length, dim, dtype, mask) for mask in ("none", "causal") for dim in (64, 128, 256, 512)
             for dtype in ("f32", "f16", "bf16") for kind in ("prefill", "decode")
             for length in (1024, 4096, 16384, 65536, 131072)]
    return every[:count]


def result(devices, count, failures=(), host="bench-7", commit="4f9c2ab"):
    """`devices` are (id, size) or (id, size, name)."""
    rows = [row(shape, *one[:2], seed=commit) for one in devices for shape in shapes(count)]
    return {
        "context": {
            "date": "2026-11-21T16:40:00+00:00", "host_name": host, "executable": "fovea", "num_cpus": 16,
            "mhz_per_cpu": 2600, "cpu_scaling_enabled": False, "caches": [], "load_avg": [0.1, 0.2, 0.3],
            "library_build_type": "release", "library_version": "0.1.0", "json_schema_version": 1, "fovea_commit": commit,
            "suite": "quick", "interrupted": False, "devices": [device(*one) for one in devices],
            "failures": [{"name": name, "message": message} for name, message in failures]},
        "benchmarks": rows}


def with_sparse(base):
    """Adds to every prefill case a sparse one that takes two fifths of its time."""
    added = []
    for dense in (one for one in base["benchmarks"] if one["kind"] == "prefill"):
        sparse = dict(dense, operator="neighborhood", case="near_" + dense["case"], dense_case=dense["case"])
        sparse["name"] = sparse["run_name"] = f"neighborhood/{sparse['case']}/{sparse['device']}"
        sparse["flops"] = dense["flops"] // 4
        for key in [key for key in sparse if key in ("real_time", "device_time") or key[-4:] in ("_min", "_p10", "_p90")]:
            sparse[key] = dense[key] * 0.4
        sparse["flops_per_second"] = dense["flops_per_second"] * 0.625
        added.append(sparse)
    base["benchmarks"] += added
    return base


def stripped(base):
    """Without every field that may be absent."""
    context = {key: value for key, value in base["context"].items() if key not in OPTIONAL_CONTEXT}
    context["devices"] = [{"id": one["id"]} for one in context["devices"]]
    return {"context": context, "benchmarks": [{key: one[key] for key in NEEDED_ROW} for one in base["benchmarks"]]}


def hostile(text=HOSTILE):
    """The same text wherever a text may stand."""
    base = result([("cpu", "cpu", text), ("vulkan:0", "gpu", text)], 12, [(text, text)], host=text, commit=text)
    for one in base["context"]["devices"]:
        one.update(driver=text, driver_info=text, tier=text, kind=text, api_version=text)
    for one in base["benchmarks"]:
        one.update(kernel=text, tile=text, bound=text, kernel_tier=text, case=text + one["case"], name=text, kind=text,
                   operator=text, dtype=text, mask=text)
    base["context"]["date"] = text
    return base


def samples():
    """Name to results: what pages are made of."""
    three = [("cpu", "cpu"), ("vulkan:0", "gpu"), ("vulkan:1", "phone")]
    failures = [("softmax/decode_d64_f16/vulkan:0", "row 3 is 5 times its bound off"),
                ("softmax/x/cpu", "the device was lost"),
                ("softmax/y/cpu", "left out: a run may take longer than 5 s (--longest)")]
    broken = result([("cpu", "cpu")], 8, failures)
    broken["context"].update(interrupted=True, cpu_scaling_enabled=True)
    return {
        "one device": [result([("vulkan:0", "gpu")], 20)],
        "three devices": [with_sparse(result(three, 20))],
        "three files": [result([one], 10, host=host, commit=host[:3] + "123") for one, host in
                        zip(three, ("epyc-1", "desk-2", "phone-3"))],
        "one device twice": [result([("cpu", "cpu")], 6, commit="before0"), result([("cpu", "cpu")], 6, commit="after00")],
        "failures": [broken],
        "hostile": [hostile()],
        "long names": [hostile("long_name_" * 40), result(three, 4)],
        "empty": [result([("cpu", "cpu")], 0)],
        "no device": [result([], 0)],
        "fields missing": [stripped(result(three, 6))],
        "1 row": [result([("cpu", "cpu")], 1)],
        "200 rows": [result([("vulkan:0", "gpu")], 200)],
    }
