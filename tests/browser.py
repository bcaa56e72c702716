"""Headless Chromium, driven over its debugging pipe: no package and no port is needed."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (found for name in ("chromium", "google-chrome", "chromium-browser", "chrome")
     if (found := shutil.which(name))),
    None,
)  # fmt: skip
_SECONDS = 120  # until a browser that hangs fails its test; no speed is asserted
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-extensions", "--disable-background-networking",
    "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
# https://chromedevtools.github.io/devtools-protocol/tot/Input/#method-dispatchKeyEvent
_KEYS = {"Tab": (9, None), "Enter": (13, "\r"), " ": (32, " "), "ArrowDown": (40, None)}
CONTROL, SHIFT = 2, 8


class Page:
    """A page: what it shows, and what a person does to it."""

    def __init__(self, read: int, write: int):
        self._read, self._write = read, write
        self._number, self._rest = 0, b""
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def open(self, url: str, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Load a page in a window of this size."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.send("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of a script's last expression; a promise's is waited for."""
        answer = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Wait until a script's value is true."""
        end = time.monotonic() + _SECONDS
        while not self.evaluate(f"Boolean({script})"):
            assert time.monotonic() < end, (script, self.evaluate("document.body.innerText"))
            time.sleep(0.05)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.send("Input.insertText", text=text)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key and let it go."""
        code, text = _KEYS[key]
        event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        if text and not modifiers & CONTROL:
            event["text"] = text
        self.send("Input.dispatchKeyEvent", type="keyDown", **event)
        event.pop("text", None)
        self.send("Input.dispatchKeyEvent", type="keyUp", **event)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file as a person would in the dialog of an input."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def screenshot(self, path: Path) -> None:
        """Write what is shown, the whole page, as PNG."""
        data = self.send("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; take down the events that come before its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        method, about = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.complaints.append(about["entry"]["text"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], _SECONDS)
            assert ready, "the browser says nothing"
            chunk = os.read(self._read, 1 << 20)
            assert chunk, "the browser has ended"
            self._rest += chunk
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """Start Chromium, which ends with the block."""
    assert CHROMIUM
    commands, answers = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        # Chromium reads from descriptor 3 and writes to 4.
        script = f'exec "$0" "$@" 3</dev/fd/{commands[0]} 4>/dev/fd/{answers[1]}'
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(commands[0], answers[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands[0])
        os.close(answers[1])
        try:
            yield Page(answers[0], commands[1])
        finally:
            process.terminate()
            process.wait()
            os.close(answers[0])
            os.close(commands[1])
