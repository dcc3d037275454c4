"""The page of `fovea page` in a browser: everything is there, nothing else, at every width. Screenshots are kept."""
import json
import os
import re
import struct
import tempfile
import unittest
import zlib

import browser
import common
import page_samples
from common import DONE

common.need("cli", needs_numpy=False)
if not browser.PATH:
    common.skip("no chromium on this machine", "chromium")

PHONE, SMALL, DESK = (390, 844), (360, 640), (1280, 900)

# What the page holds, as a reader's program sees it.
READ = """(() => {
  const plain = [...document.querySelectorAll("body *")].filter((one) => !one.closest("script, style"));
  const cells = (row) => [...row.cells].map((cell) => [cell.textContent, cell.dataset.value ?? null]);
  return {
    text: plain.flatMap((one) => [...one.childNodes]).filter((node) => node.nodeType === 3).map((node) => node.data),
    attributes: plain.flatMap((one) => [...one.attributes].map((attribute) => attribute.value)),
    errors: document.getElementById("errors").textContent,
    width: document.scrollingElement.scrollWidth,
    sections: Object.fromEntries([...document.querySelectorAll("main > section")].map((one) => [one.id, !one.hidden])),
    plots: Object.fromEntries(["roofline", "lengths", "sparse", "comparison"].map((id) => [id,
      [...document.querySelectorAll(`#${id} svg.plot`)].map((plot) => plot.querySelectorAll(".point").length)])),
    results: [...document.querySelectorAll("#results tbody tr")].map(cells).filter((row) => row.length > 1),
    ratios: [...document.querySelectorAll("#comparison table tr")].map(cells),
    failures: [...document.querySelectorAll("#failures tbody tr")].map(cells),
    leftOut: [...document.querySelectorAll("#left-out tbody tr")].map(cells),
    labels: [...document.querySelector("#machines table")?.tHead.rows[0].cells ?? []].map((one) => one.textContent),
    warnings: [...document.querySelectorAll("#warnings li")].map((one) => one.textContent),
    title: document.title,
  };
})()"""

# Labels of one plot that cover each other, and labels that leave their plot.
OVERLAPS = """[...document.querySelectorAll("svg.plot")].flatMap((plot) => {
  const frame = plot.getBoundingClientRect();
  const words = [...plot.querySelectorAll("text")].filter((one) => one.getAttribute("class") !== "tag" &&
    !one.closest("[transform*=rotate]")).map((one) => [one.textContent, one.getBoundingClientRect()]);
  const outside = words.filter(([, box]) => box.left < frame.left - 1 || box.right > frame.right + 1 ||
    box.top < frame.top - 1 || box.bottom > frame.bottom + 1).map(([name]) => "outside: " + name);
  const pairs = words.flatMap(([a, x], i) => words.slice(i + 1).filter(([, y]) =>
    x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 3 && y.top < x.bottom - 3)
    .map(([b]) => a + " | " + b));
  return [...outside, ...pairs];
})"""


def pixels(png):
    """Width, height and the bytes of a PNG's rows."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, data, size = 8, b"", None
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        if kind == b"IHDR":
            size = struct.unpack(">II", png[at + 8:at + 16])
        data += png[at + 8:at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    return (*size, zlib.decompress(data))


def seen(name):
    """A text as the page shows it: what would turn the direction of others is made visible."""
    return re.sub("[\u202e\u2028]", "\ufffd", name)


def rows_of(results):
    return [row for result in results for row in result["benchmarks"]]


def devices_of(results):
    """Index of the result and id of every device with rows, in the page's order."""
    return [(i, one["id"]) for i, result in enumerate(results) for one in result["context"]["devices"]
            if any(row["device"] == one["id"] for row in result["benchmarks"])]


def key(row):
    return row["operator"], row["case"]


class Browser(common.ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.browser = browser.Browser(cls.scratch.name)
        cls.addClassCleanup(cls.browser.close)
        cls.pictures = os.environ.get("FOVEA_SCREENSHOTS") or os.path.join(cls.scratch.name, "screenshots")
        os.makedirs(cls.pictures, exist_ok=True)

    def make(self, results):
        names = [self.write(f"result-{i}.json", json.dumps(result)) for i, result in enumerate(results)]
        self.expect(DONE, "page", "out.html", *names)
        return self.file("out.html")

    def open(self, path, size=DESK, dark=False):
        """What the page holds, once it is known to hold no error."""
        self.browser.open(path, *size, dark)
        page = self.browser.evaluate(READ)
        self.assertEqual(page["errors"], "")
        self.assertEqual(self.browser.complaints(), [])
        self.assertEqual([url for url in self.browser.requests() if not url.startswith(("file://", "data:"))], [])
        for value in page["text"] + page["attributes"] + [page["title"]]:
            self.assertNotRegex(value, "[\u202e\u2028]")
            self.assertNotRegex(value, r"\bNaN\b|undefined|Infinity|\[object|\bnull\b")
        return page

    def picture(self, name, whole=True):
        png = self.browser.screenshot(whole)
        with open(os.path.join(self.pictures, name + ".png"), "wb") as file:
            file.write(png)
        width, height, data = pixels(png)
        self.assertGreater(len(set(data)), 32, f"{name}: blank")
        return width, height

    def check_rows(self, page, results):
        rows = rows_of(results)
        self.assertEqual(sorted(cells[0][0] for cells in page["results"]), sorted(seen(row["case"]) for row in rows))
        shown = {(cells[0][0], value) for cells in page["results"] for _, value in cells}
        for row in rows:
            median = row.get("device_time", row["real_time"]) * 1e-6
            self.assertTrue(any(case == seen(row["case"]) and value and abs(float(value) / median - 1) < 1e-9
                                for case, value in shown), row["name"])

    def check_plots(self, page, results):
        full = [row for row in rows_of(results) if "flops" in row]
        self.assertEqual(sum(page["plots"]["roofline"]), len(full))
        self.assertTrue(all(page["plots"]["roofline"]))
        devices = devices_of(results)
        counts = {}
        for i, result in enumerate(results):
            for row in result["benchmarks"]:
                counts.setdefault(key(row), []).append(row)
        shared = [row for rows in counts.values() if len(rows) > 1 for row in rows] if len(devices) > 1 else []
        self.assertEqual(sum(page["plots"]["comparison"]), len([row for row in shared if "flops" in row]))
        self.assertEqual(sum(page["plots"]["sparse"]), 2 * len([row for row in full if "dense_case" in row]))
        for section in page["plots"]:
            self.assertEqual(page["sections"][section], bool(page["plots"][section]) or
                             (section == "comparison" and bool(shared)), section)

    def check_failures(self, page, results):
        failures = [one for result in results for one in result["context"].get("failures", [])]
        for section, name, left_out in (("failures", "failures", False), ("left-out", "leftOut", True)):
            expected = [[seen(one["name"]), seen(one["message"])] for one in failures
                        if one["message"].startswith("left out") == left_out]
            self.assertEqual([[cell[0] for cell in cells[:2]] for cells in page[name]], expected)
            self.assertEqual(page["sections"][section], bool(expected))

    def test_samples(self):
        for name, results in page_samples.samples().items():
            with self.subTest(name):
                path = self.make(results)
                for size, place in ((DESK, "desk"), (PHONE, "phone"), (SMALL, "small")):
                    page = self.open(path, size)
                    self.check_rows(page, results)
                    self.check_plots(page, results)
                    self.check_failures(page, results)
                    self.assertLessEqual(page["width"], size[0])
                    self.assertEqual(self.browser.evaluate(OVERLAPS), [], f"{name}, {place}")
                    if place != "small":
                        shot = self.picture(f"{name}-{place}".replace(" ", "-"))
                        self.assertEqual(shot[0], size[0])

    def test_dark(self):
        path = self.make(page_samples.samples()["three devices"])
        colours = []
        for dark in (False, True):
            self.open(path, DESK, dark)
            colours.append(self.browser.evaluate("getComputedStyle(document.body).backgroundColor"))
            self.picture("scheme-" + ("dark" if dark else "light"))
        self.assertEqual(colours[0], "rgb(255, 255, 255)")
        self.assertTrue(all(int(part) < 60 for part in re.findall(r"\d+", colours[1])), colours)

    def test_numbers(self):
        one = page_samples.result([("vulkan:0", "gpu")], 1)
        one["benchmarks"][0].update(
            real_time=1274.5, device_time=1234.5, device_min=999.96, device_p10=1200, device_p90=1323.45, flops=4294967296,
            flops_per_second=3.479e12, percent_of_peak=6.5644, percent_of_attainable=9.9999, iterations=12345, registers=0,
            max_error=1.26e-7, of_bound=0.0451)
        page = self.open(self.make([one]))
        texts = [cell[0].replace("\u00a0", " ").replace("\u202f", "'") for cell in page["results"][0]]
        self.assertEqual(texts, ["prefill_1024_d64_f32", "1.23 ms", "3480", "6.56", "10.0", "fma",
                                 "16 heads, 1024 \u00d7 1024, dim 64", "f32", "none", "1.00 ms", "1.20 ms \u2013 1.32 ms",
                                 "10.0 %", "12'345", "1.27 ms", "softmax_direct", "subgroup", "64x64", "1", "0", "0",
                                 "1.3e-7", "0.0451"])

    def test_ratios(self):
        first, second = (page_samples.result([("cpu", "cpu")], 2, commit=commit) for commit in ("before", "after"))
        for row, other, factor in zip(first["benchmarks"], second["benchmarks"], (2, 8)):
            row.update(real_time=1000.0)
            other.update(real_time=1000.0 / factor)
        page = self.open(self.make([first, second]))
        table = [[cell[0].replace("\u00a0", " ") for cell in cells] for cells in page["ratios"]]
        self.assertEqual(table[0], ["Case", "A median", "B median", "B speed"])
        self.assertEqual(table[2][1:], ["1.00 ms", "500 \u00b5s", "2.00\u00d7"])
        self.assertEqual(table[3][1:], ["1.00 ms", "125 \u00b5s", "8.00\u00d7"])
        self.assertEqual(table[-1], ["Geometric mean", "", "", "4.00\u00d7"])
        self.assertIn("(before)", page["title"])
        self.assertIn("(after)", page["title"])

    def test_cost_too_small_to_see(self):
        result = page_samples.result([("vulkan:0", "gpu")], 1)
        result["context"]["devices"][0]["rates"].update(barrier_s=0, dispatch_s=-1)
        self.assertIn("0\u00a0s", self.open(self.make([result]))["text"])

    def test_namesakes(self):
        """Devices of one name are told apart by what differs and says something."""
        def labels(*results):
            return [name.split(": ", 1)[1] for name in self.open(self.make(list(results)))["labels"][1:]]
        device = ("vulkan:0", "gpu", "GPU")
        one, two = page_samples.result([device], 1), page_samples.result([device], 1)
        two["context"]["devices"][0]["driver_info"] = "Mesa 25"
        self.assertEqual(labels(one, two)[1], "GPU (Mesa 25)")
        elsewhere = page_samples.result([("vulkan:1", "gpu", "GPU")], 1, host="other")
        self.assertEqual(labels(one, elsewhere), ["GPU (bench-7)", "GPU (other)"])
        unknown = page_samples.result([("vulkan:1", "gpu", "GPU")], 1, commit="unknown")
        self.assertEqual(labels(one, unknown), ["GPU (result-0.json)", "GPU (result-1.json)"])
        both = page_samples.result([device, ("vulkan:1", "gpu", "GPU")], 1)
        self.assertEqual(labels(both), ["GPU (vulkan:0)", "GPU (vulkan:1)"])

    def test_ratios_of_one_clock(self):
        """A device without time stamps is compared by wall time, of the other one too."""
        first, second = (page_samples.result([("cpu", "cpu")], 1, commit=commit) for commit in ("before", "after"))
        first["benchmarks"][0].update(real_time=1000.0, device_time=250.0, device_min=250.0, device_p10=250.0,
                                      device_p90=250.0)
        second["benchmarks"][0].update(real_time=500.0)
        page = self.open(self.make([first, second]))
        self.assertEqual([cell[0].replace("\u00a0", " ") for cell in page["ratios"][2]][1:],
                         ["250 \u00b5s", "500 \u00b5s", "2.00\u00d7"])

    def test_lengths(self):
        results = [page_samples.result([("vulkan:0", "gpu")], 30)]
        page = self.open(self.make(results))
        self.assertEqual(page["plots"]["lengths"], [15, 15])  # prefill, decode; 3 types of 5 lengths each
        alone = page_samples.result([("vulkan:0", "gpu")], 30)
        alone["benchmarks"] = [row for row in alone["benchmarks"] if row["seq_k"] == 4096]
        page = self.open(self.make([alone]))
        self.assertFalse(page["sections"]["lengths"])

    def test_sorting(self):
        results = [page_samples.result([("vulkan:0", "gpu")], 20)]
        self.open(self.make(results))
        click = """((title) => {
          const cell = [...document.querySelectorAll("#results th")].find((one) => one.textContent === title);
          cell.querySelector("button").click();
          const column = cell.cellIndex;
          return [cell.getAttribute("aria-sort"), [...document.querySelectorAll("#results tbody")].map((body) =>
            [...body.rows].slice(1).map((row) => row.cells[column].dataset.value ?? row.cells[column].textContent))];
        })"""
        for title, order in (("Median", float), ("GFLOP/s", float), ("Case", None)):
            for direction in ("ascending", "descending"):
                state, groups = self.browser.evaluate(f"{click}({json.dumps(title)})")
                self.assertEqual(state, direction)
                self.assertEqual(len(groups), 2)
                for values in groups:
                    self.assertEqual(len(values), 10)
                    if order:
                        expected = sorted(values, key=order, reverse=direction == "descending")
                        self.assertEqual(values, expected)

    def test_marks_explain_themselves(self):
        results = [page_samples.result([("vulkan:0", "gpu")], 4)]
        self.open(self.make(results))
        words = self.browser.evaluate("""(() => {
          const figure = document.querySelector("#roofline figure");
          figure.querySelector(".point").dispatchEvent(new MouseEvent("click", {bubbles: true}));
          return figure.querySelector(".readout").textContent;
        })()""")
        self.assertIn(results[0]["benchmarks"][0]["case"], words)
        self.assertIn("FLOP/s", words)

    def test_redrawn_on_resize(self):
        self.open(self.make([page_samples.result([("vulkan:0", "gpu")], 20)]))
        wide = self.browser.evaluate("document.querySelector('svg.plot').viewBox.baseVal.width")
        self.browser.resize(*SMALL)
        self.browser.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(() => done(0)), 100))")
        narrow = self.browser.evaluate("document.querySelector('svg.plot').viewBox.baseVal.width")
        self.assertLess(narrow, 340)
        self.assertGreater(wide, 400)

    def test_errors_are_seen(self):
        """The check for errors above can fail: a page whose data are damaged says so."""
        path = self.make([page_samples.result([("cpu", "cpu")], 1)])
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace('id="data">[', 'id="data">[['))
        self.browser.open(path, *DESK)
        self.assertIn("JSON", self.browser.evaluate(READ)["errors"])

    def test_printable(self):
        self.open(self.make(page_samples.samples()["three devices"]))
        pdf = self.browser.print()
        self.assertTrue(pdf.startswith(b"%PDF"))
        with open(os.path.join(self.pictures, "printed.pdf"), "wb") as file:
            file.write(pdf)


if __name__ == "__main__":
    unittest.main(verbosity=1)
