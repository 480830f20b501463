"""A browser that is told what to do, and asked what it shows."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import anyio

PATIENCE_SECONDS = 60.0
SIZES = ((1200, False), (390, True))
"""A desk by day, and a phone by night."""
UNFIT = """
[...document.querySelectorAll('main > section')].filter(it => !it.hidden).flatMap(it =>
  [...it.querySelectorAll('button, input, select, progress, video, a')].filter(one =>
    !(one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim()))
  .map(one => one.outerHTML))
  .concat([...document.querySelectorAll('[id]')].map(it => it.id)
    .filter((id, n, all) => all.indexOf(id) !== n))
  .concat(document.documentElement.scrollWidth > innerWidth ? ['wider than it is'] : [])
"""
"""What a screen reader could not name, ids given twice, and a page that is too wide."""
FAULTS = """
axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
  .then((found) => found.violations.map((one) =>
    `${one.id}: ${one.help}: ${one.nodes.map((it) => it.html).join(' ')}`)
    .concat(found.passes.length < 10 ? ['hardly anything was looked at'] : []))
"""


class Page:
    """One tab, over the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        """Errors of the console, and what a policy has blocked."""

    async def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json(
            {"id": number, "method": method, "params": parameters}
        )
        while True:
            with anyio.fail_after(PATIENCE_SECONDS):
                told = json.loads((await self._socket.receive()).data)
            if told.get("id") == number:
                assert "error" not in told, (method, told)
                return told["result"]
            self._hear(told)

    def _hear(self, told: Mapping[str, Any]) -> None:
        about = told.get("params", {})
        if told["method"] == "Log.entryAdded" and about["entry"]["level"] == "error":
            entry = about["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url')}")
        elif told["method"] == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(about["exceptionDetails"])[:500])

    async def value(self, expression: str) -> Any:
        """What an expression gives, awaited."""
        found = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in found, (expression, found)
        return found["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Its value, once that is something."""
        found = None
        # An element comes across as an empty object; of a page that loads, as nothing.
        asked = (
            f"(() => {{ try {{ const it = {expression}; "
            "return it instanceof Node || it } catch { return false } })()"
        )
        with anyio.move_on_after(PATIENCE_SECONDS):
            while not found:
                await anyio.sleep(0.1)
                found = await self.value(asked)
        shown = found or await self.value("document.body.innerText")
        assert found, f"{expression} did not come:\n{shown}\n{self.complaints}"
        return found

    async def type(self, selector: str, text: str) -> None:
        await self.value(f"document.querySelector({selector!r}).focus()")
        await self.call("Input.insertText", text=text)

    async def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            more = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            await self.call(
                *("Input.dispatchKeyEvent",),
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **more,
            )

    async def photograph(self, to: Path, *, width: int, dark: bool) -> None:
        """What it looks like, from top to bottom."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {
            "name": "prefers-color-scheme",
            "value": "dark" if dark else "light",
        }
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        shot = await self.call(
            "Page.captureScreenshot", captureBeyondViewport=True, format="png"
        )
        await anyio.Path(to).write_bytes(base64.b64decode(shot["data"]))


@contextlib.asynccontextmanager
async def told(profile: Path) -> AsyncIterator[Page]:
    """The only tab of the browser whose state lies in *profile*."""
    ready = anyio.Path(profile / "DevToolsActivePort")
    with anyio.fail_after(PATIENCE_SECONDS):
        text = ""
        while "\n" not in text:
            await anyio.sleep(0.1)
            text = await ready.read_text() if await ready.exists() else ""
    port = text.splitlines()[0]
    async with aiohttp.ClientSession() as session:
        address = f"http://127.0.0.1:{port}/json/list"
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                async with session.get(address) as reply:
                    tabs = [t for t in await reply.json() if t["type"] == "page"]
                if tabs:
                    break
                await anyio.sleep(0.1)
        async with session.ws_connect(
            tabs[0]["webSocketDebuggerUrl"], max_msg_size=0
        ) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Log"):
                await page.call(f"{domain}.enable")
            yield page


@contextlib.asynccontextmanager
async def looking_at(url: str, chromium: str, folder: Path) -> AsyncIterator[Any]:
    profile = folder / "profile"
    argv = [
        *(chromium, "--headless", "--disable-gpu", "--no-first-run", "--no-sandbox"),
        *("--disable-background-networking", "--remote-debugging-port=0"),
        "--autoplay-policy=no-user-gesture-required",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        *(f"--user-data-dir={profile}", "about:blank"),
    ]
    with running(argv, folder / "chromium.log"):
        async with told(profile) as page:
            await page.call("Page.navigate", url=url)
            yield page


@contextlib.contextmanager
def running(argv: list[str], to: Path) -> Iterator[None]:
    with to.open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def check(page: Any, name: str, folder: Path, axe: str) -> None:
    """
    Everything has a name, nothing sticks out, and axe finds no fault by WCAG 2.2 AA, on
    a desk and on a phone.
    """
    for width, dark in SIZES:
        picture = folder / f"{name}-{width}.png"
        await page.photograph(picture, width=width, dark=dark)
        assert [] == await page.value(UNFIT), (name, width)
        await page.value(f"window.axe ? 0 : (() => {{ {axe}; return 0 }})()")
        assert [] == await page.value(FAULTS), (name, width)
