/* The page: what stands in each section. Texts of the results are set as text, never as markup. */

const VENDORS = new Map([
    [0x1002, "AMD"], [0x1010, "Imagination"], [0x106b, "Apple"], [0x10de, "NVIDIA"], [0x13b5, "Arm"],
    [0x144d, "Samsung"], [0x14e4, "Broadcom"], [0x1ae0, "Google"], [0x5143, "Qualcomm"], [0x8086, "Intel"],
    [0x10005, "Mesa"],
]);

const RATES = [
    ["fma_f32", "Multiply-add f32", "FLOP/s"], ["fma_f16", "Multiply-add f16", "FLOP/s"],
    ["fma_bf16", "Multiply-add bf16", "FLOP/s"], ["matrix_f16", "Matrix f16", "FLOP/s"],
    ["matrix_bf16", "Matrix bf16", "FLOP/s"], ["exp2", "Exponentials (exp2)", "exp/s"],
    ["shared", "Shared memory", "B/s"], ["copy", "Copy", "B/s"],
    ["dispatch_s", "Dispatch", "s"], ["barrier_s", "Barrier", "s"], ["submit_s", "Submit and wait", "s"],
];

function section(id) {
    return document.getElementById(id);
}

/* Shows a section if there is something for it. */
function fill(id, nodes) {
    const present = nodes.filter((node) => node !== null);
    section(id).append(...present);
    section(id).hidden = present.length === 0;
}

function grid(nodes) {
    const present = nodes.filter((node) => node !== null);
    return present.length ? element("div", {className: "panels"}, ...present) : null;
}

/* ---- head ------------------------------------------------------------------------------------------------------ */

function counted(count, one) {
    return `${count} ${one}${count === 1 ? "" : "s"}`;
}

function runSummary({context}) {
    const [version, commit, suite, host] = ["library_version", "fovea_commit", "suite", "host_name"]
        .map((name) => text(context[name]));
    const said = [version && `Version ${version}`, commit && `commit ${commit}`, suite && `${suite} suite`,
        host && `host ${host}`, dateText(context.date)];
    return said.filter(Boolean).join(" \u00b7 ");
}

function showSummary(model) {
    const counts = [counted(model.devices.length, "device"), counted(model.rows.length, "result")].join(" \u00b7 ");
    const single = model.runs.length === 1;
    const head = single ? runSummary(model.runs[0]) : `${model.runs.length} runs`;
    section("summary").textContent = [head, counts].filter(Boolean).join(" \u00b7 ");
    const labels = model.measured.map((device) => device.label).slice(0, 3);
    document.title = ["Fovea benchmark", ...labels].join(" \u00b7 ");
}

function warningsOf(run) {
    const said = [];
    if (run.context.interrupted === true)
        said.push("interrupted: the suite was not run to its end.");
    if (!run.devices.some((device) => device.rows.length))
        said.push("no case was measured.");
    if (run.context.cpu_scaling_enabled === true)
        said.push("the CPU\u2019s frequency scaling was on; times may vary with its clock.");
    if (text(run.context.library_build_type) === "debug")
        said.push("the library was built for debugging; its times say nothing.");
    return said.map((words) => `${run.name || "This run"}: ${words}`);
}

function showWarnings(model) {
    section("warnings").append(...model.runs.flatMap(warningsOf).map((words) => element("li", {}, words)));
}

/* Cases without a result: `which` is the runs' list of them, `id` their section. */
function showWithout(model, id, which, say) {
    const cases = model.runs.flatMap((run) => run[which].map((one) => ({run, one})));
    const columns = [
        {title: "Case", header: true, value: ({one}) => text(one.name) || MISSING},
        {title: "Reason", value: ({one}) => text(one.message)},
        {title: "Run", value: ({run}) => (model.runs.length > 1 ? run.name : null)},
    ];
    if (cases.length)
        fill(id, [rowTable(say(counted(cases.length, "case")), new Map([[null, cases]]), columns).box]);
}

/* ---- machines and devices -------------------------------------------------------------------------------------- */

function ofContext(title, name) {
    return {title, show: ({context}) => text(context[name])};
}

function processors({context}) {
    const [count, clock] = [positive(context.num_cpus), positive(context.mhz_per_cpu)];
    return [count && counted(count, "thread"), clock && `${whole(clock)} MHz`].filter(Boolean).join(", ") || null;
}

function loads(context) {
    return list(context.load_avg).map((load) => decimal(number(load))).join(" ") || null;
}

const COMPLETED = new Map([[true, "no, interrupted"], [false, "yes"]]);

const RUN_FACTS = [
    ofContext("Library version", "library_version"), ofContext("Commit", "fovea_commit"),
    ofContext("Build", "library_build_type"), ofContext("Suite", "suite"),
    {title: "Date", show: ({context}) => dateText(context.date)},
    ofContext("Host", "host_name"), {title: "CPU", show: processors},
    {title: "Load before", show: ({context}) => loads(context)},
    {title: "Failures", show: (run) => String(run.failures.length)},
    {title: "Left out", show: (run) => String(run.leftOut.length)},
    {title: "Completed", show: ({context}) => COMPLETED.get(context.interrupted) ?? null},
];

function hex(value) {
    return value === null ? null : `0x${value.toString(16)}`;
}

function vendor({info}) {
    const id = positive(info.vendor_id);
    return VENDORS.has(id) ? `${hex(id)} (${VENDORS.get(id)})` : hex(id);
}

function ofInfo(title, name) {
    return {title, show: ({info}) => text(info[name])};
}

const DEVICE_FACTS = [
    ofInfo("Name", "name"), ofInfo("Id", "id"), ofInfo("Kind", "kind"), {title: "Vendor", show: vendor},
    {title: "Device id", show: ({info}) => hex(positive(info.device_id))}, ofInfo("Driver", "driver"),
    ofInfo("Driver info", "driver_info"),
    {title: "Driver version", show: ({info}) => positive(info.driver_version)?.toString() ?? null},
    ofInfo("API version", "api_version"), ofInfo("Tier", "tier"),
    {title: "Run", show: ({run}) => run.name},
    {title: "Cases", show: (device) => String(device.rows.length)},
];

/* The rates that this page knows, then those that it does not. */
function rateFacts(devices) {
    const known = RATES.map(([name]) => name);
    const all = distinct(devices.flatMap((device) => [...device.rates.keys()]));
    const others = all.filter((name) => !known.includes(name));
    return [...RATES, ...others.map((name) => [name, name, ""])].map(([name, title, unit]) => ({
        title,
        show: (device) => (device.rates.has(name) ? scaled(device.rates.get(name), unit) : null),
    }));
}

function deviceTitle(device, model) {
    return model.devices.length > 1 ? `${device.tag}: ${device.label}` : device.label;
}

function showMachines(model) {
    const devices = model.devices.map((device) => ({title: deviceTitle(device, model), of: device}));
    const runs = model.runs.map((run, i) => ({title: run.name || `Run ${i + 1}`, of: run}));
    const rated = devices.filter(({of}) => of.rates.size);
    const tables = [factTable("Runs", "", runs, RUN_FACTS)];
    if (devices.length)
        tables.unshift(factTable("Devices", "", devices, DEVICE_FACTS));
    if (rated.length)
        tables.push(factTable("Measured peaks and costs", "", rated, rateFacts(model.devices)));
    fill("machines", [element("div", {className: "side"}, ...tables)]);
}

/* ---- devices compared ------------------------------------------------------------------------------------------ */

/* How many times as fast as the first device, by clocks of one sort; null where either has no time. */
function speedup(one, device, first) {
    const [row, base] = [one.of.get(device), one.of.get(first)];
    const clock = row && base && row.clock === base.clock ? "median" : "wall";
    return row && base ? ratio(base[clock], row[clock]) : null;
}

function geometricMean(values) {
    return values.length ? Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length) : null;
}

function ratioColumns(devices, cases) {
    const [first, ...others] = devices;
    const median = (device) =>
        measure(`${device.tag} median`, device.label, (one) => one.of.get(device)?.median ?? null, seconds);
    const speed = (device) => {
        const value = (one) => speedup(one, device, first);
        const mean = () => times(geometricMean(cases.map(value).filter((known) => known > 0)));
        const help = `${device.label}, times as fast as ${first.label}`;
        return {...measure(`${device.tag} speed`, help, value, times), foot: mean};
    };
    return [{title: "Case", header: true, value: ({first: row}) => row.name, foot: () => "Geometric mean"},
        median(first), ...others.flatMap((device) => [median(device), speed(device)])];
}

function ratioTable(model, cases) {
    const devices = model.measured.filter((device) => cases.some((one) => one.of.has(device)));
    const columns = ratioColumns(devices, cases);
    const groups = groupBy(cases, ({first}) => `${first.operator}, ${first.kind}`);
    const made = rowTable(`Median times, and speed against ${devices[0].tag}, ${devices[0].label}`, groups, columns);
    const foot = columns.map((column) => {
        const words = column.foot ? column.foot() : "";
        return column.header ? heading("row", words) : element("td", {className: "number"}, words);
    });
    made.table.append(element("tfoot", {}, element("tr", {}, ...foot)));
    return made.box;
}

function showComparison(model) {
    const cases = model.measured.length > 1 ? sharedCases(model) : [];
    if (!cases.length)
        return;
    const keys = distinct(model.rows.map((row) => row.key)).length;
    const note = `${cases.length} of ${counted(keys, "case")} ran on more than one device.`;
    fill("comparison", [cases.length < keys ? element("p", {}, note) : null, grid(deviceFigures(model, cases)),
        ratioTable(model, cases)]);
}

/* ---- results --------------------------------------------------------------------------------------------------- */

/* Wall time where it is not the time of the other columns. */
function separateWall(row) {
    return row.clock === "device" ? row.wall : null;
}

function exponent(value) {
    return value === null ? MISSING : value.toExponential(1);
}

function words(title, name, help = "") {
    return {title, help, value: (row) => text(row.bench[name])};
}

function measure(title, help, value, show) {
    return {title, help, numeric: true, value, show: (row) => show(value(row))};
}

function share(title, help, name) {
    return {...measure(title, help, (row) => number(row.bench[name]), (value) => decimal(value)), share: true};
}

const RESULT_COLUMNS = [
    {title: "Case", header: true, value: (row) => row.name},
    measure("Median", "Median time", (row) => row.median, seconds),
    measure("GFLOP/s", "FLOPs / median time", (row) => product(row.rate, 1e-9), decimal),
    share("% of peak", "Of the multiply-add rate for this type", "percent_of_peak"),
    share("% of attainable", "Of what the tightest of all measured rates allows", "percent_of_attainable"),
    words("Bound", "bound", "Which rate that is"),
    {title: "Shape", value: (row) => row.shape},
    words("Type", "dtype"), words("Mask", "mask"),
    measure("Min", "Smallest time", (row) => row.min, seconds),
    {title: "p10 \u2013 p90", help: "10th and 90th percentile of the times", numeric: true, value: (row) => row.p10,
        show: (row) => (row.p10 === null ? MISSING : `${seconds(row.p10)} \u2013 ${seconds(row.p90)}`)},
    measure("Spread", "(p90 - p10) / median", (row) => product(row.spread, 100), percent),
    measure("n", "Timed runs", (row) => number(row.bench.iterations), whole),
    measure("Wall", "Median wall time, submission and waiting included", separateWall, seconds),
    words("Kernel", "kernel"), words("Tier", "kernel_tier"),
    words("Tile", "tile", "Queries x keys of a tile"),
    measure("Splits", "Parts that the keys were split into", (row) => number(row.bench.splits), whole),
    measure("Registers", "Per invocation", (row) => number(row.bench.registers), whole),
    measure("Spills", "Registers spilled to memory", (row) => number(row.bench.spills), whole),
    measure("Max error", "Largest absolute error", (row) => number(row.bench.max_error), exponent),
    measure("Error / bound", "Largest error as a share of its bound", (row) => number(row.bench.of_bound), decimal),
];

function clockOf(rows) {
    if (rows.every((row) => row.clock === "wall"))
        return "wall times";
    const mixed = rows.some((row) => row.clock === "wall");
    return `times by the device\u2019s clock${mixed ? " where there is a Wall time, else wall times" : ""}`;
}

function resultTables(device) {
    return [...groupBy(device.rows, (row) => row.operator)].map(([operator, rows]) => {
        const caption = `${operator} on ${device.label}: ${clockOf(rows)}`;
        return rowTable(caption, groupBy(rows, (row) => row.kind), RESULT_COLUMNS).box;
    });
}

function showResults(model) {
    fill("results", model.measured.flatMap(resultTables));
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

function showContents() {
    const visible = [...document.querySelectorAll("main > section")].filter((one) => !one.hidden);
    section("contents").append(...visible.map((one) =>
        element("li", {}, element("a", {href: `#${one.id}`}, one.querySelector("h2").textContent))));
}

function showPage() {
    const model = readModel(JSON.parse(section("data").textContent));
    showSummary(model);
    showWarnings(model);
    showWithout(model, "failures", "failures", (cases) => `${cases} failed, without a result`);
    showMachines(model);
    showComparison(model);
    fill("roofline", [grid(model.measured.map((device) => rooflineFigure(device, model)))]);
    fill("lengths", [grid(model.measured.flatMap((device) => lengthFigures(device, model)))]);
    fill("sparse", [grid(model.measured.map(sparseFigure))]);
    showResults(model);
    showWithout(model, "left-out", "leftOut", (cases) => `${cases} not run`);
    showContents();
    drawFigures();
}

window.addEventListener("error", (event) => {
    section("errors").textContent += `This page failed to show everything: ${event.message}. `;
});
window.addEventListener("resize", () => requestAnimationFrame(drawFigures));
showPage();
