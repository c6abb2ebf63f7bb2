"""Debian's Chromium, driven through its own pipe: no driver, no package, no port.

The DevTools protocol, as JSON between zero bytes: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
    "--autoplay-policy=no-user-gesture-required", "--hide-scrollbars", "--disable-background-networking",
    "--disable-component-update", "--disable-extensions", "--disable-sync",
)  # fmt: skip
PATIENCE = 60
"""Seconds."""

KEYS = {" ": "Space", "+": "Equal", "-": "Minus"}


class Browser:
    """One browser; use it as a context manager."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        flags = [*FLAGS, f"--user-data-dir={self._folder.name}", "--remote-debugging-pipe", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", PROGRAM, *flags],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest, self._id = b"", 0
        self._events = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call(None, "Browser.close")
            self._process.wait(10)
        except (OSError, EOFError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def call(self, session, method, **settings):
        """Ask the browser for something, and wait for its answer; events that come meanwhile are kept."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": settings} | ({"sessionId": session} if session else {})
        sent = json.dumps(message).encode() + b"\0"
        while sent:
            sent = sent[os.write(self._out, sent) :]
        while (answer := self._read()).get("id") != self._id:
            self._events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _read(self):
        while b"\0" not in self._rest:
            if not select.select([self._in], [], [], PATIENCE)[0]:
                raise TimeoutError(f"the browser has said nothing for {PATIENCE} s")
            got = os.read(self._in, 1 << 20)
            if not got:
                raise EOFError("the browser has gone")
            self._rest += got
        one, _, self._rest = self._rest.partition(b"\0")
        return json.loads(one)

    def events(self, session):
        """What a page has reported since the beginning."""
        return [(e["method"], e["params"]) for e in self._events if e.get("sessionId") == session]

    def open(self, path, *, width=1200, height=1400, dark=False):
        """Open a file in a window of its own."""
        target = self.call(None, "Target.createTarget", url="about:blank")["targetId"]
        session = self.call(None, "Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session, target, path, width, height, dark)


class Page:
    """A file in a window."""

    def __init__(self, browser, session, target, path, width, height, dark):
        self._browser, self._session, self._target = browser, session, target
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if width < 600 else 1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.address = Path(path).absolute().as_uri()
        self.call("Page.navigate", url=self.address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def call(self, method, **settings):
        return self._browser.call(self._session, method, **settings)

    def run(self, expression):
        """The value of a JavaScript expression, awaited."""
        done = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"]["exception"]["description"])
        return done["result"].get("value")

    def until(self, condition, seconds=20):
        """Wait for a condition to hold."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, f"never came true: {condition}"
            time.sleep(0.03)

    def mouse(self, kind, x, y, held=False):
        """Move, press or release the left button at a point of the window."""
        name = {"move": "mouseMoved", "press": "mousePressed", "release": "mouseReleased"}[kind]
        button = "none" if kind == "move" and not held else "left"
        buttons = int(held or kind == "press")
        self.call("Input.dispatchMouseEvent", type=name, x=x, y=y, button=button, buttons=buttons, clickCount=1)

    def click(self, x, y):
        for kind in ("move", "press", "release"):
            self.mouse(kind, x, y)

    def key(self, key, *, shift=False):
        """Press and release a key."""
        common = {"key": key, "code": KEYS.get(key, key), "modifiers": 8 * shift}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path, *, whole=True):
        """Write what is seen as PNG; of the whole page, not just of the window."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(shot["data"]))
        return path

    @property
    def errors(self):
        """What stood in the console as an error or a warning, and what was thrown."""
        self.run("0")  # what is on its way comes before the answer
        found = []
        for name, event in self._browser.events(self._session):
            if name == "Runtime.exceptionThrown":
                found.append(event["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif name == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
                found.append(str(event["args"]))
            elif name == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
                found.append(event["entry"]["text"])
        return found

    @property
    def requests(self):
        """Every address that was asked for, but for the file itself and what it holds."""
        self.run("0")
        asked = [
            e["request"]["url"]
            for name, e in self._browser.events(self._session)
            if name == "Network.requestWillBeSent"
        ]
        return [url for url in asked if url != self.address and not url.startswith(("blob:", "data:"))]

    def close(self):
        self._browser.call(None, "Target.closeTarget", targetId=self._target)
