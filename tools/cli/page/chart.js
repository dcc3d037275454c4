/* What plots are made of: SVG elements, scales, axes, marks, legends, figures that are drawn to the width they have. */

const MARKS = ["circle", "triangle", "square", "diamond", "cross", "wedge"];
const COLOURS = 6; /* classes colour-0 ... of the style */
const figures = [];

function shape(name, attributes = {}, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes))
        made.setAttribute(key, typeof value === "number" ? String(Math.round(value * 10) / 10) : value);
    made.append(...children);
    return made;
}

function label(x, y, content, attributes = {}) {
    return shape("text", {x, y, ...attributes}, content);
}

function line(from, to, className) {
    return shape("line", {x1: from[0], y1: from[1], x2: to[0], y2: to[1], class: className});
}

/* ---- marks ----------------------------------------------------------------------------------------------------- */

/* Every mark covers about the same area. */
const OUTLINES = {
    circle: "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
    triangle: "M0 -5L4.8 3.6H-4.8Z",
    square: "M-3.6 -3.6H3.6V3.6H-3.6Z",
    diamond: "M0 -5.2L5.2 0L0 5.2L-5.2 0Z",
    cross: "M-4.6 -2.4L-2.4 -4.6L0 -2.2L2.4 -4.6L4.6 -2.4L2.2 0L4.6 2.4L2.4 4.6L0 2.2L-2.4 4.6L-4.6 2.4L-2.2 0Z",
    wedge: "M0 5L4.8 -3.6H-4.8Z",
};

function mark(x, y, style) {
    return shape("path", {
        d: OUTLINES[MARKS[style.mark % MARKS.length]],
        transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
        class: `mark colour-${style.colour % COLOURS}`,
    });
}

/* A mark or bar that stands for a row: counted by readers, explained on hover and in the figure's last line. */
function point(drawn, about) {
    drawn.classList.add("point");
    drawn.append(shape("title", {}, about));
    return drawn;
}

/* ---- scales ---------------------------------------------------------------------------------------------------- */

function niceStep(rough) {
    const unit = 10 ** Math.floor(Math.log10(rough));
    return unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough * 0.999);
}

/* From 0 to at least `high`, about `count` steps. */
function linearScale(high, from, to, count) {
    const step = niceStep(high / count);
    const steps = Math.ceil(high / step - 1e-9);
    const ticks = Array.from({length: steps + 1}, (_, i) => i * step);
    return {ticks, place: (value) => from + (to - from) * value / (steps * step)};
}

/* 1, 2 and 5 times the powers of ten where these are few, else powers alone. */
function logTicks(low, high) {
    const ticks = [];
    const factors = high / low < 50 ? [1, 2, 5] : [1];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
        ticks.push(...factors.map((factor) => factor * 10 ** power));
    return ticks.filter((tick) => tick >= low && tick <= high);
}

function logScale(low, high, from, to) {
    const span = Math.log(high / low);
    return {low, high, ticks: logTicks(low, high), place: (value) => from + (to - from) * Math.log(value / low) / span};
}

/* Those ticks whose labels have room. */
function thinned(ticks, place, room) {
    const kept = [];
    for (const tick of ticks) {
        if (!kept.length || Math.abs(place(tick) - place(kept[kept.length - 1])) >= room)
            kept.push(tick);
    }
    return kept;
}

/* ---- frame ----------------------------------------------------------------------------------------------------- */

/* An SVG of this size with a name for those who cannot see it. */
function canvas(width, height, name) {
    const drawn = shape("svg", {viewBox: `0 0 ${Math.round(width)} ${Math.round(height)}`, role: "img", class: "plot"});
    drawn.setAttribute("aria-label", name);
    return drawn;
}

/* Grid, ticks and titles of two axes. `area` is {left, right, top, bottom}; an axis is {scale, title, show}. */
function drawAxes(area, x, y) {
    const drawn = shape("g", {class: "axes"});
    for (const tick of thinned(x.scale.ticks, x.scale.place, 54)) {
        const at = x.scale.place(tick);
        drawn.append(line([at, area.top], [at, area.bottom], "grid"));
        const most = area.right + 12 - 3.3 * x.show(tick).length; /* beyond, a label would leave the plot */
        drawn.append(label(Math.min(at, most), area.bottom + 15, x.show(tick), {"text-anchor": "middle"}));
    }
    for (const tick of thinned(y.scale.ticks, y.scale.place, 16)) {
        const at = y.scale.place(tick);
        drawn.append(line([area.left, at], [area.right, at], "grid"));
        drawn.append(label(area.left - 6, at + 4, y.show(tick), {"text-anchor": "end"}));
    }
    drawn.append(line([area.left, area.bottom], [area.right, area.bottom], "axis"));
    drawn.append(label(area.right, area.bottom + 32, x.title, {"text-anchor": "end", class: "title"}));
    drawn.append(label(2, area.top - 10, y.title, {class: "title"}));
    return drawn;
}

/* Moves labels' heights apart, upwards from the lowest, in the order in which they stand. */
function spreadUp(heights, room) {
    const order = heights.map((height, i) => [height, i]).sort((a, b) => b[0] - a[0]);
    const moved = [...heights];
    let limit = Infinity;
    for (const [height, i] of order) {
        moved[i] = Math.min(height, limit);
        limit = moved[i] - room;
    }
    return moved;
}

/* ---- figures --------------------------------------------------------------------------------------------------- */

function swatch(style) {
    const drawn = shape("svg", {viewBox: "0 0 22 12", class: "swatch", "aria-hidden": "true"});
    if (style.line)
        drawn.append(shape("path", {d: "M0 6H22", class: style.line}));
    if (style.mark !== undefined)
        drawn.append(mark(11, 6, style));
    if (style.bar)
        drawn.append(shape("rect", {x: 3, y: 1, width: 16, height: 10, class: `bar colour-${style.colour % COLOURS}`}));
    return drawn;
}

/* `entries` are {title, style}. */
function legend(entries) {
    return element("ul", {className: "legend"}, ...entries.map(({title, style}) =>
        element("li", {}, swatch(style), element("span", {}, title))));
}

/* Shows in `readout` what the mark under the pointer, or finger, stands for. */
function explainMarks(holder, readout) {
    const explain = (event) => {
        const marked = event.target.closest(".point");
        if (marked)
            readout.textContent = marked.querySelector("title").textContent;
    };
    holder.addEventListener("pointerover", explain);
    holder.addEventListener("click", explain);
}

/* `draw(width)` makes the SVG; it is called again whenever the width changes. */
function makeFigure({title, note, entries, draw}) {
    const holder = element("div", {className: "holder"});
    const readout = element("p", {className: "readout"}, "Point at a mark, or tap it, to read it here.");
    const caption = element("figcaption", {}, element("strong", {}, title), ...(note ? [" ", note] : []));
    explainMarks(holder, readout);
    figures.push({holder, draw, width: 0});
    return element("figure", {}, caption, legend(entries), holder, readout);
}

function drawFigures() {
    for (const figure of figures) {
        const width = Math.max(240, Math.floor(figure.holder.clientWidth));
        if (width === figure.width)
            continue;
        figure.width = width;
        figure.holder.replaceChildren(figure.draw(width));
    }
}
