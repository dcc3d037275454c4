"""A headless Chromium, told what to do over a pipe, as its DevTools protocol says: JSON messages that end in NUL."""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

PATIENCE_S = 120
PATH = shutil.which("chromium")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--remote-debugging-pipe"]


def start(command, environment):
    """A process that reads commands on descriptor 3 and answers on 4, and our ends of both."""
    low = [*os.pipe(), *os.pipe()]  # they keep 3 and 4 from what subprocess opens for itself
    theirs_in, commands, answers, theirs_out = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in low)

    def place():
        os.dup2(theirs_in, 3)
        os.dup2(theirs_out, 4)

    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               pass_fds=(3, 4), preexec_fn=place, env=environment)
    for end in (*low, theirs_in, theirs_out):
        os.close(end)
    return process, commands, answers


class Browser:
    def __init__(self, directory):
        command = [PATH, *FLAGS, f"--user-data-dir={directory}/profile", "about:blank"]
        self.process, self.commands, self.answers = start(command, {**os.environ, "HOME": directory})
        self.buffer, self.number, self.events, self.session = b"", 0, [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.commands)
            os.close(self.answers)

    def receive(self, until):
        """The next message."""
        while b"\0" not in self.buffer:
            ready = select.select([self.answers], [], [], max(0, until - time.monotonic()))[0]
            more = os.read(self.answers, 1 << 20) if ready else b""
            if not more:
                raise RuntimeError("the browser died" if ready else "the browser does not answer")
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self.receive(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, name):
        until = time.monotonic() + PATIENCE_S
        while not any(event.get("method") == name for event in self.events):
            self.events.append(self.receive(until))

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)

    def open(self, path, width, height, dark=False):
        """Shows a file of this machine; afterwards `events` holds what happened meanwhile."""
        self.resize(width, height)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events = []
        self.call("Page.navigate", url="file://" + path)
        self.wait_for("Page.loadEventFired")
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page, or of the promise that it is."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def complaints(self):
        """Exceptions and logged errors since open(), refusals by the page's policy among them."""
        return [event for event in self.events if event.get("method") == "Runtime.exceptionThrown" or
                (event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error")]

    def requests(self):
        """The addresses that the page asked for since open()."""
        return [event["params"]["request"]["url"] for event in self.events
                if event.get("method") == "Network.requestWillBeSent"]

    def screenshot(self, whole=True, most=5000):
        """The page as PNG, from its top down to its end or to a height of `most`."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], most), "scale": 1}
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole,
                           **({"clip": clip} if whole else {}))
        return base64.b64decode(answer["data"])

    def print(self):
        """The page as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
