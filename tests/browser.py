"""A tab of headless Chromium, driven by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol)."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

from flexmeter.local.ports import HOST

CHROMIUM = shutil.which("chromium")
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"),
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HOST}",
]

_GONE = "Inspected target navigated or closed"


class PageLeft(Exception):
    """The page that was asked is no longer there."""


class Tab:
    """What the page in it says and asks for is kept: `faults`, `asked`."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._session, self._socket = self._loop.run_until_complete(_connected(port))
        self._number = 0
        self.faults: list[str] = []
        self.asked: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._loop.run_until_complete(self._session.close())
        self._loop.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to a command of the protocol."""
        return self._loop.run_until_complete(asyncio.wait_for(self._call(method, parameters), 60))

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == self._number:
                if message.get("error", {}).get("message") == _GONE:
                    raise PageLeft(method)
                assert "error" not in message, (method, message["error"])
                answer: dict[str, Any] = message["result"]
                return answer
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, event: str | None, told: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.faults.append(json.dumps(told["args"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.faults.append(json.dumps(told["entry"]))

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, awaited if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = 30) -> Any:
        """The value of an expression, as soon as it is true."""
        deadline = time.monotonic() + seconds
        while not (value := self._true_now(script)):
            assert time.monotonic() < deadline, (script, self.faults, self.evaluate("document.body.innerText"))
            time.sleep(0.02)
        return value

    def _true_now(self, script: str) -> Any:
        try:
            return self.evaluate(script)
        except PageLeft:  # a link was followed while the page was asked; the next one is asked again
            return None

    def open(self, url: str, width: int = 1440, height: int = 900, scheme: str = "light") -> None:
        """Load a page of that size, for someone who prefers that colour scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=preferred)
        self.call("Page.navigate", url=url)
        self.wait_for(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    def press(self, key: str) -> None:
        """A key, as the keyboard gives it."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS[key])

    def picture(self) -> bytes:
        """What is in the window, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40}


async def _connected(port: int) -> tuple[ClientSession, ClientWebSocketResponse]:
    session = ClientSession()
    async with session.get(f"http://{HOST}:{port}/json/list") as answer:
        (page,) = (target for target in await answer.json() if target["type"] == "page")
    return session, await session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0)


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """A tab of a browser of its own, whose profile is in the folder; the browser ends with it."""
    assert CHROMIUM is not None
    argv = [CHROMIUM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            made = Tab(_port(folder / "DevToolsActivePort", process))
            try:
                yield made
                made.call("Browser.close")
            finally:
                made.close()
        finally:
            process.terminate()
            process.wait(20)


def _port(file: Path, process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + 60
    while not (file.exists() and "\n" in file.read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    return int(file.read_text().split()[0])
