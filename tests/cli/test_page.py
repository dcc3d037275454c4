"""`fovea page` without a browser: what it refuses, and that no text of a result leaves its place in the page."""
import base64
import copy
import hashlib
import json
import os
import re
import unittest

import common
import page_samples
from common import DONE, FAILED, USAGE

common.need("cli", needs_numpy=False)

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.S)


def changed(change):
    base = page_samples.result([("cpu", "cpu")], 2, [("a", "b")])
    change(base)
    return json.dumps(base)


def put(place, value):
    """A change that sets what stands at `place`, or takes it away."""
    def change(base):
        *way, last = place
        for step in way:
            base = base[step]
        if value is None:
            del base[last]
        else:
            base[last] = value
    return change


REFUSED = {
    "nothing": ("", "line 1"),
    "no JSON": ("{\"context\": {}", "line 1"),
    "twice": ('{"context": {}, "context": {}, "benchmarks": []}', "duplicate"),
    "beyond double": ('{"context": {}, "benchmarks": [{"real_time": 1e999}]}', "overflow"),
    "a number": ("12", "no JSON object"),
    "an array": ("[]", "no JSON object"),
    "no context": (changed(put(["context"], None)), "context must be an object"),
    "no benchmarks": (changed(put(["benchmarks"], None)), "benchmarks is missing"),
    "benchmarks no array": (changed(put(["benchmarks"], {})), "benchmarks must be an array of objects"),
    "benchmark no object": (changed(put(["benchmarks", 1], 3)), "benchmarks must be an array of objects"),
    "date no text": (changed(put(["context", "date"], 3)), "context.date must be a string"),
    "interrupted no flag": (changed(put(["context", "interrupted"], "no")), "context.interrupted must be true or false"),
    "load no number": (changed(put(["context", "load_avg", 1], "x")), "context.load_avg must hold numbers alone"),
    "devices no array": (changed(put(["context", "devices"], {})), "context.devices must be an array of objects"),
    "device without id": (changed(put(["context", "devices", 0, "id"], None)), "devices[0].id is missing"),
    "rate no number": (changed(put(["context", "devices", 0, "rates", "copy"], "fast")), "devices[0].rates must hold"),
    "failure without message": (changed(put(["context", "failures", 0, "message"], None)), "failures[0].message is missing"),
    "no time": (changed(put(["benchmarks", 1, "real_time"], None)), "benchmarks[1].real_time is missing"),
    "time no number": (changed(put(["benchmarks", 1, "real_time"], "1")), "benchmarks[1].real_time must be a number"),
    "no time at all": (changed(put(["benchmarks", 0, "real_time"], 0)), "benchmarks[0].real_time must be positive"),
    "unit": (changed(put(["benchmarks", 0, "time_unit"], "h")), "benchmarks[0].time_unit must be ns, us, ms or s"),
    "no case": (changed(put(["benchmarks", 0, "case"], None)), "benchmarks[0].case is missing"),
    "flops no number": (changed(put(["benchmarks", 0, "flops"], "many")), "benchmarks[0].flops must be a number"),
    "kernel no text": (changed(put(["benchmarks", 0, "kernel"], 7)), "benchmarks[0].kernel must be a string"),
}


class Page(common.ProgramTest):
    def make(self, results, *more):
        names = [self.write(f"{i}.json", json.dumps(result)) for i, result in enumerate(results)]
        self.expect(DONE, "page", "out.html", *names, *more)
        with open(self.file("out.html"), encoding="utf-8") as file:
            return file.read()

    def test_refused(self):
        for name, (content, says) in REFUSED.items():
            with self.subTest(name):
                self.write("bad.json", content)
                self.expect(USAGE, "page", "out.html", "bad.json", says=["bad.json", says])
                self.assert_only("bad.json")

    def test_second_file_refused(self):
        self.write("good.json", json.dumps(page_samples.result([("cpu", "cpu")], 1)))
        self.write("bad.json", "{}")
        self.expect(USAGE, "page", "out.html", "good.json", "bad.json", says=["bad.json"])
        self.expect(USAGE, "page", "out.html", "good.json", "absent.json", says=["absent.json", "No such file"])
        self.assert_only("bad.json", "good.json")

    def test_results_are_not_overwritten(self):
        content = json.dumps(page_samples.result([("cpu", "cpu")], 1))
        for name in ("a.json", "b.json", "c.html"):
            self.write(name, content)
        self.expect(USAGE, "page", "a.json", "b.json", says=["a.json", "is a result"])
        self.expect(USAGE, "page", "c.html", "a.json", "./c.html", says=["c.html"])
        for name in ("a.json", "b.json", "c.html"):
            with open(self.file(name), encoding="utf-8") as file:
                self.assertEqual(file.read(), content)

    def test_output_fails(self):
        self.write("a.json", json.dumps(page_samples.result([("cpu", "cpu")], 1)))
        self.expect(FAILED, "page", "absent/out.html", "a.json", says=["absent/out.html"])
        self.expect(FAILED, "page", "/dev/full", "a.json", says=["/dev/full"])
        result = self.run_on_full_disk("page", "out.html", "a.json")
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assert_only("a.json")

    def test_to_a_pipe(self):
        self.write("a.json", json.dumps(page_samples.result([("cpu", "cpu")], 1)))
        text = self.expect(DONE, "page", "/dev/stdout", "a.json").stdout
        self.assertTrue(text.startswith("<!doctype html>") and text.endswith("</html>\n"))

    def test_data_arrive(self):
        for name, results in page_samples.samples().items():
            with self.subTest(name):
                found = DATA.findall(self.make(copy.deepcopy(results)))
                self.assertEqual(len(found), 1)
                entries = json.loads(found[0])
                self.assertEqual([entry["name"] for entry in entries], [f"{i}.json" for i in range(len(results))])
                self.assertEqual([entry["result"]["context"] for entry in entries],
                                 [result["context"] for result in results])
                for entry, result in zip(entries, results):
                    for made, given in zip(entry["result"]["benchmarks"], result["benchmarks"]):
                        self.assertEqual(set(made), set(given))
                        self.assertAlmostEqual(made["real_time"], given["real_time"], delta=1e-9 * given["real_time"])

    def test_markup_stays_text(self):
        plain = self.make([page_samples.result([("cpu", "cpu")], 1)])
        hostile = self.make([page_samples.hostile()])
        for element in ("<script", "</script", "<!--", "<b>"):
            self.assertEqual(hostile.count(element), plain.count(element), element)
        self.assertNotIn("<", DATA.findall(hostile)[0])
        hostile.encode("ascii", "ignore")
        self.assertTrue(all(ord(letter) < 128 for letter in DATA.findall(hostile)[0]))

    def test_name_that_is_no_utf8(self):
        name = os.fsencode(self.directory) + b"/caf\xe9<.json"
        with open(name, "w", encoding="utf-8") as file:
            json.dump(page_samples.result([("cpu", "cpu")], 1), file)
        result = common.subprocess.run([self.path, "page", self.file("out.html"), name], capture_output=True, timeout=60)
        self.assertEqual(result.returncode, DONE, result.stderr)
        with open(self.file("out.html"), encoding="utf-8") as file:
            self.assertTrue(json.loads(DATA.findall(file.read())[0])[0]["name"].endswith("/caf?<.json"))

    def test_nothing_from_elsewhere(self):
        text = DATA.sub("", self.make([page_samples.result([("cpu", "cpu")], 1)]))
        self.assertEqual(set(re.findall(r"https?://[^\"' ]*", text)), {"http://www.w3.org/2000/svg"})
        self.assertEqual(re.findall(r"\b(?:src|srcset|action|formaction|ping|background)=", text), [])
        self.assertEqual(set(re.findall(r'\bhref="([^"]*)"', text)), {"data:,"})
        self.assertNotRegex(text, r"@import|url\(|innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|\bFunction\(")

    def test_policy_allows_just_this(self):
        text = self.make([page_samples.result([("cpu", "cpu")], 1)])
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text).group(1)
        self.assertTrue(policy.startswith("default-src 'none';"))
        self.assertNotIn("unsafe", policy)
        for kind in ("style", "script"):
            contents = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.S)
            digest = base64.b64encode(hashlib.sha256(contents[0].encode()).digest()).decode()
            self.assertIn(f"{kind}-src 'sha256-{digest}'", policy)
        self.assertNotRegex(text, r"\s(?:style|on\w+)=\"")


if __name__ == "__main__":
    unittest.main(verbosity=1)
