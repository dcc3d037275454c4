/* What the results say: numbers that are numbers, runs, devices, rows, and how quantities are written. */
"use strict";

const MISSING = "\u2013";
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const SECONDS = new Map([["ns", 1e-9], ["us", 1e-6], ["ms", 1e-3], ["s", 1]]);
const PREFIXES = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"],
    [1e-6, "\u00b5"], [1e-9, "n"]];

/* ---- values: null is what is absent ---------------------------------------------------------------------------- */

function number(value) {
    return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function positive(value) {
    const known = number(value);
    return known !== null && known > 0 ? known : null;
}

/* Control characters, and those that turn the direction of what follows, are made visible. */
function text(value) {
    return typeof value === "string" && value !== "" ? value.replace(UNSEEN, "\ufffd") : null;
}

function list(value) {
    return Array.isArray(value) ? value : [];
}

function ratio(above, below) {
    return above === null || positive(below) === null ? null : number(above / below);
}

function product(a, b) {
    return a === null || b === null ? null : number(a * b);
}

/* ---- quantities as text ---------------------------------------------------------------------------------------- */

/* Thousands apart, from five digits on. */
function apart(digits) {
    return /^-?\d{5,}$/.test(digits) ? digits.replace(/\B(?=(\d{3})+$)/g, "\u202f") : digits;
}

/* Three significant digits, no exponent between a millionth and a trillion. */
function decimal(value, digits = 3) {
    if (value === null)
        return MISSING;
    const rounded = Number(value.toPrecision(digits));
    const size = Math.abs(rounded);
    if (size !== 0 && (size < 1e-6 || size >= 1e12))
        return rounded.toExponential(digits - 1);
    const whole = size === 0 ? digits : Math.floor(Math.log10(size) + 1e-12) + 1;
    const written = rounded.toFixed(Math.max(0, digits - whole));
    return apart(written);
}

/* A count, all of its digits. */
function whole(value) {
    return value === null ? MISSING : apart(String(Math.round(value)));
}

/* With a prefix, such as 1.23 ms. */
function scaled(value, unit, digits = 3) {
    if (value === null)
        return MISSING;
    if (value === 0)
        return `0\u00a0${unit}`;
    const size = Math.abs(Number(value.toPrecision(digits)));
    const [factor, prefix] = PREFIXES.find(([least]) => size >= least) || PREFIXES[PREFIXES.length - 1];
    return `${decimal(value / factor, digits)}\u00a0${prefix}${unit}`;
}

/* For the ticks of axes: no zeros at the end. */
function tickText(value, unit = "") {
    return scaled(value, unit).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "").trim();
}

function seconds(value) {
    return scaled(value, "s");
}

function percent(value) {
    return value === null ? MISSING : `${decimal(value)}\u00a0%`;
}

function times(value) {
    return value === null ? MISSING : `${decimal(value)}\u00d7`;
}

/* "16", or "32/8" where the parts differ; trailing equal parts are left out. */
function parts(values) {
    const known = values.filter((value) => value !== null);
    while (known.length > 1 && known[known.length - 1] === known[known.length - 2])
        known.pop();
    return known.length ? known.join("/") : null;
}

/* 2026-11-21T16:40:00+00:00 as 2026-11-21 16:40 +00:00; other texts as they are. */
function dateText(value) {
    const found = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::[\d.]+)?(.*)$/.exec(text(value) || "");
    if (!found)
        return text(value);
    const zone = found[3] === "Z" || found[3] === "+00:00" ? "UTC" : found[3];
    return `${found[1]} ${found[2]} ${zone}`.trim();
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Times of a row in seconds: the device's own where there are any, else wall time. */
function readTimes(bench) {
    const unit = SECONDS.get(bench.time_unit) || 1e-9;
    const onDevice = positive(bench.device_time) !== null;
    const inSeconds = (value) => product(number(value), unit);
    const of = (name) => inSeconds(bench[`${onDevice ? "device" : "wall"}_${name}`]);
    return {
        clock: onDevice ? "device" : "wall",
        wall: inSeconds(bench.real_time),
        median: inSeconds(onDevice ? bench.device_time : bench.real_time),
        min: of("min"),
        p10: of("p10"),
        p90: of("p90"),
    };
}

function shapeText(bench) {
    const heads = parts([number(bench.heads_q), number(bench.heads_k), number(bench.heads_v)]);
    const dims = parts([number(bench.dim_qk), number(bench.dim_v)]);
    const lengths = number(bench.seq_q) === null ? null : `${bench.seq_q} \u00d7 ${number(bench.seq_k) ?? MISSING}`;
    const batch = number(bench.batch) > 1 ? `batch ${bench.batch}` : null;
    const said = [batch, heads && `${heads} heads`, lengths, dims && `dim ${dims}`].filter(Boolean);
    return said.length ? said.join(", ") : null;
}

function readRow(bench, device) {
    const row = readTimes(bench);
    const flops = positive(bench.flops);
    row.bench = bench;
    row.device = device;
    row.operator = text(bench.operator) || MISSING;
    row.kind = text(bench.kind) || "other";
    row.name = text(bench.case) || text(bench.name) || MISSING;
    row.key = JSON.stringify([row.operator, row.name]);
    row.dtype = text(bench.dtype) || "unknown";
    row.heads = parts([number(bench.heads_q), number(bench.heads_k), number(bench.heads_v)]);
    row.dims = parts([number(bench.dim_qk), number(bench.dim_v)]);
    row.shape = shapeText(bench);
    row.flops = flops;
    row.rate = positive(bench.flops_per_second) ?? ratio(flops, row.median);
    row.intensity = ratio(flops, positive(bench.bytes));
    row.spread = ratio(row.p90 === null || row.p10 === null ? null : row.p90 - row.p10, row.median);
    return row;
}

/* One line on a row, for a mark in a plot. */
function describe(row) {
    const said = [row.name, row.device.label, row.shape, text(row.bench.dtype), `${seconds(row.median)} ${row.clock}`];
    if (row.rate !== null)
        said.push(scaled(row.rate, "FLOP/s"));
    if (row.intensity !== null)
        said.push(`${decimal(row.intensity)} FLOP/B`);
    return said.filter(Boolean).join(", ");
}

/* ---- runs and devices ------------------------------------------------------------------------------------------ */

function addDevice(run, info) {
    const device = {run, info, id: text(info.id) || MISSING, rates: new Map(), rows: []};
    for (const [name, value] of Object.entries(info.rates || {})) {
        if (number(value) !== null && value >= 0) /* a cost may be too small to be seen */
            device.rates.set(name, value);
    }
    run.devices.push(device);
    return device;
}

/* One result file. A row of a device that the context does not list gets a device without a name. */
function readRun({name, result}) {
    const run = {name: text(name), context: result.context, devices: [], rows: []};
    list(run.context.devices).forEach((info) => addDevice(run, info));
    const without = list(run.context.failures);
    run.leftOut = without.filter((one) => /^left out\b/.test(one.message));
    run.failures = without.filter((one) => !run.leftOut.includes(one));
    for (const bench of result.benchmarks) {
        const id = text(bench.device) || MISSING;
        const device = run.devices.find((known) => known.id === id) || addDevice(run, {id});
        device.rows.push(readRow(bench, device));
    }
    return run;
}

/* An id is a place in the list of one machine: it tells devices of one run apart, and no others. */
function idAmong(device, namesakes) {
    return distinct(namesakes.map((one) => one.run)).length < namesakes.length ? device.id : null;
}

function commitOf(device) {
    const commit = text(device.run.context.fovea_commit);
    return commit === "unknown" ? null : commit;
}

/* Gives each device a label that no other has, made of its name and of what tells it from its namesakes. */
function labelDevices(devices) {
    const marks = [(d) => text(d.run.context.host_name), (d) => text(d.info.driver_info), idAmong, commitOf,
        (d) => d.run.name, (d) => `number ${devices.indexOf(d) + 1}`];
    const namesakes = (device) => devices.filter((other) => other.label === device.label);
    devices.forEach((device) => { device.label = text(device.info.name) || device.id; });
    for (const mark of marks) {
        const added = devices.map((device) => {
            const same = namesakes(device);
            const values = same.map((one) => mark(one, same));
            return distinct(values).length > 1 && !values.includes(null) ? mark(device, same) : null;
        });
        devices.forEach((device, i) => { device.label += added[i] === null ? "" : ` (${added[i]})`; });
    }
    devices.forEach((device, i) => { device.tag = i < 26 ? String.fromCharCode(65 + i) : String(i + 1); });
}

/* Lists of values by key, in the order in which keys appear first. */
function groupBy(values, keyOf) {
    const groups = new Map();
    for (const value of values) {
        const key = keyOf(value);
        groups.set(key, [...(groups.get(key) || []), value]);
    }
    return groups;
}

function distinct(values) {
    return [...new Set(values)];
}

function readModel(results) {
    const runs = results.map(readRun);
    const devices = runs.flatMap((run) => run.devices);
    labelDevices(devices);
    const measured = devices.filter((device) => device.rows.length);
    return {runs, devices, measured, rows: devices.flatMap((device) => device.rows)};
}
