"""The page of `transcode serve`, used by a browser as a person would."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest


def _beside(path: str, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


servers = _beside("../serve/conftest.py", "servers_of_tests")
devtools = _beside("devtools.py", "devtools_of_tests")

pytestmark = pytest.mark.browser
TOKEN = "a-token-of-people"  # noqa: S105  of a server that lives for a test


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


async def choose(page: Any, selector: str, file: Path) -> None:
    """A file, as from the browser's own dialogue."""
    root = await page.call("DOM.getDocument")
    found = await page.call(
        "DOM.querySelector", nodeId=root["root"]["nodeId"], selector=selector
    )
    await page.call("DOM.setFileInputFiles", files=[str(file)], nodeId=found["nodeId"])


async def go(page: Any, to: str, shows: str) -> None:
    await page.value(f"location.hash = {to!r}")
    await page.until(f"!document.querySelector({shows!r}).hidden")


async def play_alone(page: Any, result: Path, axe: str) -> None:
    """`transcode play FOLDER`: one result, with nothing but the address it prints."""
    argv = [sys.executable, "-m", "transcode", "play", str(result), "--no-open"]
    told = result.parents[1] / "play.txt"
    with devtools.running(argv, told):
        url = await anyio.to_thread.run_sync(
            lambda: servers.until(lambda: told.read_text().strip(), told)
        )
        await page.call("Page.navigate", url=url)
        await page.until("document.querySelector('video')?.readyState >= 2")
        await page.value("document.querySelectorAll('.thumbs button')[1].click()")
        await page.until("document.querySelector('video').currentTime >= 2")
        shown = await page.value("document.querySelector('main').innerText")
        assert {"seen.mp4", "240p", "Bill"} <= {*shown.replace("/", "\n").split("\n")}
        assert "#" not in await page.value("location.href")
        await devtools.check(page, "play", result.parents[1], axe)


async def test_a_person_does_all_of_it(  # noqa: PLR0915 - one visit, in its order
    chromium: str, players: Path, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """Token, price, upload, progress, result that plays, spending; then a cancel."""
    axe = (players / "axe-core/axe.min.js").read_text(encoding="utf-8")
    (tmp_path / "in").mkdir()
    clip = make_clip("seen", 4, "320x240")
    long = make_clip("long", 40, "640x360", audio=False)
    env = {
        "TRANSCODE_TOKEN": TOKEN,
        "TRANSCODE_INDEX": str(tmp_path / "index"),
        # A worker hears of a cancel within a third of it: long before its job is done.
        "TRANSCODE_LEASE_SECONDS": "6",
    }
    with servers.serving(tmp_path) as start:
        server = start("--to=out", "--source=in", "--at-once=1", env=env)
        url = f"http://127.0.0.1:{server.port}/"
        async with devtools.looking_at(url, chromium, tmp_path) as page:
            await page.until("!document.querySelector('#door').hidden")
            await page.type("#token", TOKEN)
            await page.press("Enter", 13)
            await page.until("document.querySelector('#line').textContent == 'live'")
            await page.until("!document.querySelector('#none').hidden")
            page.complaints.clear()  # that it was not let in

            await go(page, "#/new", "#new")
            await choose(page, "#n-file", clip)
            await page.type("#n-profile", "hls")
            await page.type("#n-tags", "customer=42")
            await page.value("document.querySelector('#n-plan').click()")
            await page.until("document.querySelector('#priced table')")
            await devtools.check(page, "new", tmp_path, axe)
            await page.value("document.querySelector('#n-submit').click()")
            await page.until("location.hash.startsWith('#/job/')")
            await page.until(
                "document.querySelector('#job-status').textContent == 'succeeded'"
            )
            await page.until("document.querySelector('video')?.readyState >= 2")
            await page.value("document.querySelector('video').play()")
            await page.until("document.querySelector('video').currentTime > 0.2")
            await page.until("document.querySelectorAll('.thumbs button').length == 2")
            await page.value("document.querySelectorAll('.thumbs button')[1].click()")
            await page.until("document.querySelector('video').currentTime >= 2")
            assert 320 == await page.value("document.querySelector('video').videoWidth")
            shown = await page.value("document.querySelector('#job-body').innerText")
            assert "predicted" in shown
            assert "chosen" in shown
            assert "customer=42" in shown
            await devtools.check(page, "job", tmp_path, axe)

            await go(page, "#/spending", "#spending")
            await page.until("document.querySelector('#groups table')")
            await devtools.check(page, "spending", tmp_path, axe)

            await go(page, "#/new", "#new")
            await choose(page, "#n-file", long)
            await page.value("document.querySelector('#n-profile').value = 'av1'")
            await page.value("document.querySelector('#n-submit').click()")
            await page.until("document.querySelector('#job-progress progress')")
            await page.until("!document.querySelector('#cancel').hidden")
            await page.value("document.querySelector('#cancel').focus()")
            await page.press("Enter", 13)
            await page.until(
                "document.querySelector('#job-status').textContent.includes('cancelled')"
            )
            await page.until("!document.querySelector('#retry').hidden")
            await go(page, "#/", "#jobs")
            await page.until("document.querySelectorAll('#rows tr').length == 2")
            await devtools.check(page, "jobs", tmp_path, axe)

            await page.call("Page.navigate", url=f"{url}docs")
            await page.until("document.querySelector('h2#submit')")
            await play_alone(page, next((tmp_path / "out").glob("seen.hls.*")), axe)
            assert [] == page.complaints, (tmp_path / "server-0.log").read_text()
        assert 0 == server.stop()
