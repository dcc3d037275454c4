/* The plots: roofline, speed over length, sparse beside dense, devices beside each other. */

const MARGIN = {left: 50, right: 14, top: 30, bottom: 40};
const DTYPES = ["f32", "f16", "bf16"];
const ROOF_NAME = {height: 13, width: 66};
const EXP2_ROOFS = 4; /* tightest first; more would hide the points */

function areaOf(width, height) {
    return {left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom};
}

/* A tick without a prefix, its zeros at the end left out. */
function plainTick(tick) {
    return apart(String(Number(tick.toPrecision(3))));
}

/* The same type has the same colour in every plot. */
function dtypeColour(dtype, rows) {
    const all = distinct([...DTYPES, ...rows.map((row) => row.dtype)]);
    return all.indexOf(dtype);
}

/* ---- roofline -------------------------------------------------------------------------------------------------- */

/* Multiply-add roofs of the types that the rows have. */
function arithmeticRoofs(device, rows) {
    const roofs = [];
    for (const dtype of distinct(rows.map((row) => row.dtype))) {
        for (const [prefix, title] of [["fma", "FMA"], ["matrix", "matrix"]]) {
            const rate = positive(device.rates.get(`${prefix}_${dtype}`));
            const style = `roof colour-${dtypeColour(dtype, rows) % COLOURS}`;
            if (rate !== null)
                roofs.push({title: `${title} ${dtype}`, rate, style});
        }
    }
    return roofs;
}

/* Exponentials limit FLOPs as well: each case needs one for so many FLOPs, which its head dims say. */
function exponentialRoofs(device, rows) {
    const rate = positive(device.rates.get("exp2"));
    const withRatio = rows.filter((row) => ratio(row.flops, positive(row.bench.exponentials)) !== null);
    if (rate === null)
        return [];
    const groups = [...groupBy(withRatio, (row) => Math.round(row.flops / row.bench.exponentials))];
    return groups.sort((a, b) => a[0] - b[0]).slice(0, EXP2_ROOFS).map(([flopsEach]) => ({
        title: `exp2 per ${whole(flopsEach)} FLOP`,
        rate: rate * flopsEach,
        style: "roof exp2",
    }));
}

/* Exponential roofs far above all else bind nothing and would squeeze the plot: they are `above` it. */
function roofsOf(device, rows) {
    const arithmetic = arithmeticRoofs(device, rows);
    const highest = Math.max(...[...arithmetic, ...rows].map((one) => one.rate));
    const exponential = exponentialRoofs(device, rows);
    exponential.forEach((roof) => { roof.above = roof.rate > highest * 8; });
    return [...arithmetic, ...exponential];
}

function rooflineScales(area, rows, roofs, copy) {
    const rates = [...rows.map((row) => row.rate), ...roofs.map((roof) => roof.rate)];
    const top = Math.max(...rates);
    const intensities = rows.map((row) => row.intensity);
    if (copy !== null && roofs.length)
        intensities.push(Math.min(top / copy, Math.max(...intensities) * 4));
    const [left, last] = [Math.min(...intensities) / 2, Math.max(...intensities)];
    const free = ROOF_NAME.width / (area.right - area.left); /* of the width, so that no point lies under a name */
    const right = last * (last / left) ** (free / (1 - free));
    const stack = 2 + 0.06 * roofs.length; /* room for the roofs' labels */
    return {
        x: logScale(left, right, area.left, area.right),
        y: logScale(Math.min(...rates) / 2, top * stack, area.bottom, area.top),
    };
}

/* The roofs as entries of a legend, with their rates. */
function roofEntries(device, rows) {
    const entries = roofsOf(device, rows).map(({title, rate, style, above}) =>
        ({title: `${title}: ${scaled(rate, "FLOP/s")}${above ? ", above the plot" : ""}`, style: {line: style}}));
    const copy = positive(device.rates.get("copy"));
    return copy === null ? entries : [...entries, {title: `copy: ${scaled(copy, "B/s")}`, style: {line: "roof copy"}}];
}

/* The slope of the copy rate, up to the highest roof, named along the line. */
function drawSlope(x, y, copy, top) {
    const start = Math.max(x.low, y.low / copy);
    const end = Math.min(x.high, top / copy);
    if (start >= end)
        return shape("g");
    const [from, to] = [start, end].map((at) => [x.place(at), y.place(at * copy)]);
    const angle = Math.atan2(to[1] - from[1], to[0] - from[0]) * 180 / Math.PI;
    const words = label(0, -6, "copy", {class: "name", "text-anchor": "start"});
    const long = Math.hypot(to[0] - from[0], to[1] - from[1]) > 60;
    const place = `translate(${from.map((at) => at.toFixed(1)).join(" ")}) rotate(${angle.toFixed(2)}) translate(12 0)`;
    const named = shape("g", {transform: place}, ...(long ? [words] : []));
    return shape("g", {}, line(from, to, "roof copy"), named);
}

function drawRoofs(area, x, y, roofs, copy) {
    const drawn = shape("g");
    for (const roof of roofs) {
        const ridge = copy === null ? x.low : Math.min(Math.max(roof.rate / copy, x.low), x.high);
        const at = y.place(roof.rate);
        drawn.append(line([x.place(ridge), at], [area.right, at], roof.style));
    }
    return drawn;
}

/* Names above the roofs' right ends; apart from each other, even where roofs are close. */
function nameRoofs(area, y, roofs) {
    const heights = spreadUp(roofs.map((roof) => y.place(roof.rate) - 5), ROOF_NAME.height);
    return shape("g", {}, ...roofs.map((roof, i) =>
        label(area.right - 2, heights[i], roof.title, {class: `name ${roof.style}`, "text-anchor": "end"})));
}

function drawRoofline(width, device, rows, styleOf) {
    const height = Math.round(Math.min(460, Math.max(300, width * 0.62)));
    const area = areaOf(width, height);
    const roofs = roofsOf(device, rows).filter((roof) => !roof.above);
    const copy = positive(device.rates.get("copy"));
    const {x, y} = rooflineScales(area, rows, roofs, copy);
    const drawn = canvas(width, height, `Roofline of ${device.label}`);
    drawn.append(drawAxes(area, {scale: x, title: "FLOP per byte", show: (tick) => tickText(tick)},
        {scale: y, title: "FLOP/s", show: (tick) => tickText(tick)}));
    if (copy !== null)
        drawn.append(drawSlope(x, y, copy, Math.max(...[...roofs, ...rows].map((one) => one.rate))));
    drawn.append(drawRoofs(area, x, y, roofs, copy));
    for (const row of rows)
        drawn.append(point(mark(x.place(row.intensity), y.place(row.rate), styleOf(row)), describe(row)));
    drawn.append(nameRoofs(area, y, roofs));
    return drawn;
}

/* Colour by type, mark by kind. */
function rooflineFigure(device, model) {
    const rows = device.rows.filter((row) => row.rate !== null && row.intensity !== null);
    if (!rows.length)
        return null;
    const kinds = distinct(model.rows.map((row) => row.kind));
    const styleOf = (row) => ({colour: dtypeColour(row.dtype, model.rows), mark: kinds.indexOf(row.kind)});
    const entries = [...groupBy(rows, (row) => `${row.kind}, ${row.dtype}`)]
        .map(([title, members]) => ({title, style: styleOf(members[0])}));
    const missing = device.rows.length - rows.length;
    return makeFigure({
        title: device.label,
        note: missing ? `Without ${missing} of ${device.rows.length} cases, whose FLOPs or bytes are unknown.` : null,
        entries: [...entries, ...roofEntries(device, rows)],
        draw: (width) => drawRoofline(width, device, rows, styleOf),
    });
}

/* ---- speed over length ----------------------------------------------------------------------------------------- */

/* Series of rows of one device that differ in length alone, shortest first. */
function lengthSeries(device) {
    const rows = device.rows.filter((row) => row.rate !== null && positive(row.bench.seq_k) !== null);
    const alike = (row) => JSON.stringify([row.operator, row.kind, row.dtype, row.dims, row.bench.mask, row.heads,
        row.bench.batch, row.bench.dense_case ? row.name : null]);
    return [...groupBy(rows, alike).values()]
        .filter((members) => distinct(members.map((row) => row.bench.seq_k)).length > 1)
        .map((members) => [...members].sort((a, b) => a.bench.seq_k - b.bench.seq_k));
}

function drawLengths(width, name, series, styleOf) {
    const height = Math.round(Math.min(340, Math.max(240, width * 0.6)));
    const area = areaOf(width, height);
    const rows = series.flat();
    const lengths = distinct(rows.map((row) => row.bench.seq_k)).sort((a, b) => a - b);
    const x = logScale(lengths[0] / 1.15, lengths[lengths.length - 1] * 1.15, area.left, area.right);
    const y = linearScale(Math.max(...rows.map((row) => row.rate)) / 1e9, area.bottom, area.top, 5);
    const place = (row) => [x.place(row.bench.seq_k), y.place(row.rate / 1e9)];
    const drawn = canvas(width, height, name);
    x.ticks = lengths;
    drawn.append(drawAxes(area, {scale: x, title: "keys (seq_k)", show: whole},
        {scale: y, title: "GFLOP/s", show: plainTick}));
    for (const members of series) {
        const path = members.map((row) => place(row).map((at) => at.toFixed(1)).join(" ")).join("L");
        drawn.append(shape("path", {d: `M${path}`, class: `series colour-${styleOf(members[0]).colour % COLOURS}`}));
    }
    for (const row of rows)
        drawn.append(point(mark(...place(row), styleOf(row)), describe(row)));
    return drawn;
}

/* One figure for each operator, kind, mask and number of heads: colour by type, mark by head dims. */
function lengthFigures(device, model) {
    const dims = distinct(model.rows.map((row) => row.dims));
    const colourOf = (row) => dtypeColour(row.dtype, model.rows);
    const styleOf = (row) => ({colour: colourOf(row), mark: dims.indexOf(row.dims),
        line: `series colour-${colourOf(row) % COLOURS}`});
    const panelOf = ([row]) => {
        const mask = row.bench.mask !== "none" && text(row.bench.mask);
        const batch = row.bench.batch > 1 && `batch ${row.bench.batch}`;
        return [device.label, row.operator, row.kind, mask, row.heads && `${row.heads} heads`, batch].filter(Boolean)
            .join(", ");
    };
    return [...groupBy(lengthSeries(device), panelOf)].map(([title, series]) => makeFigure({
        title,
        entries: series.map(([row]) => ({title: `${row.dtype}, dim ${row.dims ?? MISSING}`, style: styleOf(row)})),
        draw: (width) => drawLengths(width, `Speed over length: ${title}`, series, styleOf),
    }));
}

/* ---- bars ------------------------------------------------------------------------------------------------------ */

const BAR = {height: 13, step: 16, title: 20, gap: 9, tag: 16, value: 86, letter: 7};

/* As much of a title as fits; its bars' own words have all of it. */
function shortened(title, width) {
    const most = Math.floor(width / BAR.letter);
    return title.length > most ? `${title.slice(0, most - 1)}\u2026` : title;
}

function drawBar(bar, at, x) {
    const [from, to] = [x.place(0), x.place(bar.value)];
    const middle = at + BAR.height / 2;
    const drawn = shape("g", {});
    const body = shape("rect", {x: from, y: at, width: Math.max(1, to - from), height: BAR.height, rx: 1.5});
    body.setAttribute("class", `bar colour-${bar.colour % COLOURS}`);
    drawn.append(point(body, bar.about));
    let end = to;
    if (bar.low !== null && bar.high !== null) {
        const [low, high] = [x.place(bar.low), x.place(bar.high)];
        drawn.append(line([low, middle], [high, middle], "whisker"));
        [low, high].forEach((cap) => drawn.append(line([cap, at + 3], [cap, at + BAR.height - 3], "whisker")));
        end = Math.max(to, high);
    }
    drawn.append(label(from - 5, middle + 4, bar.tag, {"text-anchor": "end", class: "tag"}));
    drawn.append(label(end + 5, middle + 4, bar.words, {class: "value"}));
    return drawn;
}

/* Groups of bars below one another, each under its title; the axis on top. */
function drawBars(width, name, groups, axis) {
    const area = {left: BAR.tag, right: width - BAR.value, top: 46};
    const most = Math.max(...groups.flatMap((group) => group.bars.flatMap((bar) => [bar.value, bar.high ?? 0])));
    const x = linearScale(most, area.left, area.right, Math.max(2, Math.round((area.right - area.left) / 90)));
    const heights = groups.map((group) => BAR.title + group.bars.length * BAR.step + BAR.gap);
    const height = area.top + heights.reduce((sum, one) => sum + one, 0);
    const drawn = canvas(width, height, name);
    for (const tick of x.ticks) {
        drawn.append(line([x.place(tick), area.top - 4], [x.place(tick), height], "grid"));
        drawn.append(label(x.place(tick), area.top - 8, axis.show(tick), {"text-anchor": tick ? "middle" : "start"}));
    }
    drawn.append(label(area.left, 14, axis.title, {class: "title"}));
    let at = area.top;
    groups.forEach((group, i) => {
        drawn.append(label(area.left, at + 14, shortened(group.title, width - area.left), {class: "name"}));
        group.bars.forEach((bar, j) => drawn.append(drawBar(bar, at + BAR.title + j * BAR.step, x)));
        at += heights[i];
    });
    return drawn;
}

/* ---- sparse beside dense --------------------------------------------------------------------------------------- */

function densePairs(device) {
    const denseOf = (row) => device.rows.find((one) => one.name === row.bench.dense_case);
    const pairs = device.rows.map((row) => ({row, dense: denseOf(row)}));
    return pairs.filter(({row, dense}) => text(row.bench.dense_case) && dense && dense.median && row.median);
}

/* Each pair in shares of its dense time, so that short and long cases can stand in one plot. */
function sparseFigure(device) {
    const pairs = densePairs(device);
    if (!pairs.length)
        return null;
    const bar = (row, dense, colour, tag) => {
        const share = (time) => (time === null ? null : 100 * time / dense.median);
        return {value: share(row.median), low: share(row.p10), high: share(row.p90), words: seconds(row.median), colour,
            tag, about: describe(row)};
    };
    const groups = pairs.map(({row, dense}) => ({
        title: `${row.name}: ${times(dense.median / row.median)} as fast`,
        bars: [bar(dense, dense, 0, "d"), bar(row, dense, 1, "s")],
    }));
    return makeFigure({
        title: device.label,
        note: "Time as a share of the dense case\u2019s; whiskers from p10 to p90.",
        entries: ["d: dense", "s: sparse"].map((title, colour) => ({title, style: {bar: true, colour}})),
        draw: (width) => drawBars(width, `Sparse beside dense on ${device.label}`, groups,
            {title: "Share of dense time", show: (tick) => `${plainTick(tick)}\u00a0%`}),
    });
}

/* ---- devices beside each other --------------------------------------------------------------------------------- */

/* Cases that two devices or more have: {name, first row, of: Map of device to row}. */
function sharedCases(model) {
    const cases = [...groupBy(model.rows, (row) => row.key).values()].map((rows) => ({
        first: rows[0],
        of: new Map(model.measured.map((device) => [device, rows.find((row) => row.device === device)])
            .filter(([, row]) => row)),
    }));
    return cases.filter((one) => one.of.size > 1);
}

function deviceBar(row, colour) {
    const rateAt = (time) => ratio(row.flops, time);
    return {
        value: row.rate / 1e9,
        low: product(rateAt(row.p90), 1e-9),
        high: product(rateAt(row.p10), 1e-9),
        words: scaled(row.rate, "FLOP/s"),
        tag: row.device.tag,
        about: describe(row),
        colour,
    };
}

function deviceFigures(model, cases) {
    const bars = (one) => model.measured.map((device, i) => [one.of.get(device), i])
        .filter(([row]) => row && row.rate !== null).map(([row, i]) => deviceBar(row, i));
    const entries = model.measured.map((device, i) =>
        ({title: `${device.tag}: ${device.label}`, style: {bar: true, colour: i}}));
    const panels = groupBy(cases.filter((one) => bars(one).length), ({first}) => `${first.operator}, ${first.kind}`);
    return [...panels].map(([title, members]) => makeFigure({
        title,
        note: "Median rate; whiskers from p10 to p90. Longer is faster.",
        entries,
        draw: (width) => drawBars(width, `Devices compared: ${title}`,
            members.map((one) => ({title: one.first.name, bars: bars(one)})),
            {title: "GFLOP/s", show: plainTick}),
    }));
}
