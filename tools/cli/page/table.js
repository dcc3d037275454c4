/* Tables: of facts, one column a thing; and of rows, sorted by a click on a heading. */

function element(name, properties = {}, ...children) {
    const made = document.createElement(name);
    Object.assign(made, properties);
    made.append(...children);
    return made;
}

/* A table in a box of its own, which scrolls where the page must not. */
function boxed(table, name) {
    const box = element("div", {className: "box", tabIndex: 0}, table);
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", name);
    return box;
}

/* Words that stay in sight while their table scrolls. */
function staying(words) {
    return element("span", {className: "stay"}, words);
}

function captioned(words) {
    return element("caption", {}, staying(words));
}

function heading(scope, content, className = "") {
    const cell = element("th", {className}, content);
    cell.setAttribute("scope", scope);
    return cell;
}

/* ---- facts: properties down, things across --------------------------------------------------------------------- */

/* `properties` are {title, show(thing)}, null where unknown; lines that no thing has are left out. */
function factTable(caption, corner, things, properties) {
    const head = element("tr", {}, heading("col", corner), ...things.map((thing) => heading("col", thing.title)));
    const body = element("tbody");
    for (const property of properties) {
        const shown = things.map((thing) => property.show(thing.of));
        if (shown.every((value) => value === null))
            continue;
        const cells = shown.map((value) => element("td", {}, value ?? MISSING));
        body.append(element("tr", {}, heading("row", property.title), ...cells));
    }
    const table = element("table", {className: "facts"}, captioned(caption), element("thead", {}, head), body);
    return boxed(table, caption);
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* A name may break after its underscores. */
function breakable(name) {
    const pieces = name.split(/(?<=_)/);
    return element("span", {}, ...pieces.flatMap((piece, i) => (i ? [document.createElement("wbr"), piece] : [piece])));
}

/* A column: {title, help, value(row), show(row), header, numeric, share}. `value` sorts, null last; a `share`, in
 * percent, is drawn as well. */
function makeCell(column, row) {
    const value = column.value(row);
    const shown = column.show ? column.show(row) : value ?? MISSING;
    if (column.header)
        return heading("row", breakable(shown));
    const cell = element("td", {}, String(shown));
    if (column.numeric) {
        cell.className = "number";
        if (value !== null)
            cell.dataset.value = value;
    }
    if (column.share && value !== null) {
        cell.classList.add("share");
        cell.style.setProperty("--share", `${Math.min(100, Math.max(0, value))}%`);
    }
    return cell;
}

function compare(a, b) {
    if (typeof a === "number" && typeof b === "number")
        return a - b;
    return String(a).localeCompare(String(b), "en", {numeric: true});
}

function sortRows(rows, column, direction) {
    return [...rows].sort((a, b) => {
        const [x, y] = [column.value(a), column.value(b)];
        if (x === null || y === null)
            return (x === null) - (y === null);
        return direction * compare(x, y);
    });
}

/* The body of one group: a line that names it, and its rows. */
function groupBody(name, columns, rows) {
    const body = element("tbody");
    if (name !== null) {
        const cell = heading("rowgroup", staying(`${name} (${rows.length})`), "group");
        cell.colSpan = columns.length;
        body.append(element("tr", {}, cell));
    }
    const lineOf = (row) => element("tr", {}, ...columns.map((column) => makeCell(column, row)));
    const lines = new Map(rows.map((row) => [row, lineOf(row)]));
    body.append(...lines.values());
    const sort = (column, direction) => body.append(...sortRows(rows, column, direction).map((row) => lines.get(row)));
    return {body, sort};
}

/* A heading that sorts every group by its column: smallest first, then largest first. */
function sortHeading(column, headings, sort) {
    const button = element("button", {type: "button", title: column.help || ""}, column.title);
    const cell = heading("col", button, column.numeric ? "number" : "");
    button.addEventListener("click", () => {
        const direction = cell.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        sort(column, direction);
    });
    headings.push(cell);
    return cell;
}

/* `groups` maps names, or null, to rows. Columns that are empty throughout are left out. */
function rowTable(caption, groups, allColumns) {
    const rows = [...groups.values()].flat();
    const columns = allColumns.filter((column) => column.header || rows.some((row) => column.value(row) !== null));
    const bodies = [...groups].map(([name, members]) => groupBody(name, columns, members));
    const sort = (column, direction) => bodies.forEach((group) => group.sort(column, direction));
    const headings = [];
    const head = element("tr", {}, ...columns.map((column) => sortHeading(column, headings, sort)));
    const table = element("table", {className: "rows"}, captioned(caption), element("thead", {}, head),
        ...bodies.map((group) => group.body));
    return {box: boxed(table, caption), table};
}
