"""A headless Chromium, driven by the DevTools protocol: what a person does with a page, and what the page does."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 60
KEYS = {"Enter": ("\r", 13), "Tab": ("", 9), " ": (" ", 32)}


def program() -> str:
    """Path of a Chromium; $BROWSER_PROGRAM names another one."""
    named = os.environ.get("BROWSER_PROGRAM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise FileNotFoundError("no Chromium on this machine: tests/browser/run installs it on Debian")
    return found


class Browser:
    """One process with a profile of its own; each page is a fresh one."""

    def __init__(self) -> None:
        self.profile = tempfile.mkdtemp(prefix="browser-")
        self.numbers = itertools.count(1)
        arguments = [
            "--headless", "--remote-debugging-port=0", f"--user-data-dir={self.profile}", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "about:blank",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            [program(), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.socket = self._connect()
        self.events: list[dict] = []

    def _connect(self) -> websocket.WebSocket:
        file = Path(self.profile, "DevToolsActivePort")
        deadline = time.monotonic() + SECONDS
        while not file.exists() or len(file.read_text().splitlines()) < 2:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the browser did not start")
            time.sleep(0.05)
        port, path = file.read_text().splitlines()[:2]
        return websocket.create_connection(
            f"ws://127.0.0.1:{port}{path}", timeout=SECONDS, suppress_origin=True, http_no_proxy=["127.0.0.1"]
        )

    def send(self, method: str, session: str = "", **parameters: object) -> dict:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") != number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            else:
                return answer["result"]

    def page(self) -> Page:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        return Page(self, target, self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(SECONDS)
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.browser, self.target, self.session = browser, target, session
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.send(f"{domain}.enable")
        self.size(1280, 900)
        self.media()

    def send(self, method: str, **parameters: object) -> dict:
        return self.browser.send(method, self.session, **parameters)

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> object:
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", expression))
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not self.evaluate(expression):
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {expression}")
            time.sleep(0.02)

    def texts(self, selector: str) -> list[str]:
        """Text, as it is seen, of the elements that are seen."""
        return self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".filter((e) => e.checkVisibility({contentVisibilityAuto: true})).map((e) => e.innerText)"
        )

    def click(self, selector: str) -> None:
        """With the mouse, on the middle of the first such element; fails when something else is there."""
        found = json.dumps(selector)
        where = self.evaluate(
            f"(() => {{ const e = document.querySelector({found}); e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;"
            " return [x, y, e.contains(document.elementFromPoint(x, y))]; })()"
        )
        assert where[2], f"{selector} is covered by something"
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        text, code = KEYS[key]
        known = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **known)
        self.send("Input.dispatchKeyEvent", type="keyUp", **known)

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def size(self, width: int, height: int, phone: bool = False) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    def media(self, kind: str = "", **features: str) -> None:
        """Nothing moves, so that a click hits; ``prefers_color_scheme="dark"`` and the like are extra."""
        wanted = {"prefers-reduced-motion": "reduce", **{name.replace("_", "-"): features[name] for name in features}}
        listed = [{"name": name, "value": value} for name, value in wanted.items()]
        self.send("Emulation.setEmulatedMedia", media=kind, features=listed)

    def screenshot(self, whole: bool = True) -> bytes:
        return base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(
            self.send("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.7)["data"]
        )

    def observed(self, *methods: str) -> list[dict]:
        """Parameters of the events of this page, so far."""
        self.evaluate("1")
        mine = [event for event in self.browser.events if event.get("sessionId") == self.session]
        return [event["params"] for event in mine if event["method"] in methods]

    @property
    def requests(self) -> list[str]:
        """Addresses that the page asked for, itself included; what is inside the page (data:) is not asked for."""
        sent = self.observed("Network.requestWillBeSent", "Network.webSocketCreated")
        asked = [event["request"]["url"] if "request" in event else event["url"] for event in sent]
        return [address for address in asked if not address.startswith("data:")]

    @property
    def problems(self) -> list[str]:
        """Errors and warnings on the console, and exceptions."""
        logged = [event["entry"] for event in self.observed("Log.entryAdded")]
        found = [entry["text"] for entry in logged if entry["level"] in ("error", "warning")]
        called = [
            event
            for event in self.observed("Runtime.consoleAPICalled")
            if event["type"] in ("error", "warning", "assert")
        ]
        return found + [str(event) for event in [*called, *self.observed("Runtime.exceptionThrown")]]

    def close(self) -> None:
        self.browser.send("Target.closeTarget", targetId=self.target)
