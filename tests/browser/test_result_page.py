"""The page beside the manifest, as whoever shows the folder serves it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiobotocore.session
import anyio
import pytest


def _beside(path: str, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


devtools = _beside("devtools.py", "devtools_of_page")
storage = _beside("../store/conftest.py", "s3_of_page")
s3_server = storage.s3_server

pytestmark = [pytest.mark.browser, pytest.mark.anyio]
SECONDS = 8
SINGLE = """
name = "single"
title = "One file for each rendition"
[packaging]
type = "cmaf"
segments = "single_file"
[video]
codec = "h264"
preset = "veryfast"
[[video.rungs]]
short_side = 240
crf = 28
max_bit_rate_kbps = 450
[[audio]]
codec = "aac"
bit_rate_kbps_per_channel = 32
[sprites]
interval_seconds = 2
"""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def made(clip: Path, profile: str | Path, to: str | Path, **env: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "transcode", "run", str(clip), "--to", str(to)]
    argv += ["--profile", str(profile), "--json", "--quiet"]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    manifest: dict[str, Any] = json.loads(done.stdout)
    return manifest


@pytest.fixture(scope="session")
def clip(make_clip: Callable[..., Path]) -> Path:
    return make_clip("page", SECONDS, "640x360")


@contextmanager
def serving(folder: Path, log: Path) -> Iterator[str]:
    """`python -m http.server`, as anybody has it."""
    argv = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    argv += ["--directory", str(folder)]
    with (
        log.open("wb") as errors,
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        said = process.stdout.readline().decode()
        try:
            yield f"http://127.0.0.1:{said.split(' port ')[1].split()[0]}/"
        finally:
            process.kill()


def address_in(log: Path) -> str:
    deadline = time.monotonic() + devtools.PATIENCE_SECONDS
    while "#" not in (text := log.read_text().strip()):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    return text


async def is_seen(page: Any, manifest: dict[str, Any]) -> None:
    """It plays, goes where a thumbnail says, and shows renditions and bill."""
    await page.until("document.querySelector('video')?.readyState >= 2")
    await page.value("document.querySelector('video').play()")
    await page.until("document.querySelector('video').currentTime > 0.2")
    thumbs = "document.querySelectorAll('.thumbs button')"
    await page.until(f"{thumbs}.length == {SECONDS // 2}")
    await page.value(f"{thumbs}[{SECONDS // 2 - 1}].click()")
    await page.until(f"document.querySelector('video').currentTime >= {SECONDS - 2}")
    await page.until("document.querySelector('video').ended")
    assert SECONDS == round(
        await page.value("document.querySelector('video').duration")
    )
    text = await page.value("document.querySelector('main').innerText")
    for output in manifest["outputs"]:
        name = output["uri"].removeprefix(manifest["location"]).lstrip("/")
        if output["kind"] == "rendition":
            assert name in text
    cost = manifest["cost"]
    assert f"{cost['amount']} {cost['currency']}" == await page.value(
        "document.querySelector('p strong span').title"
    )
    assert [] == page.complaints


async def test_a_folder_on_any_web_server_is_a_page(
    clip: Path, chromium: str, players: Path, tmp_path: Path
) -> None:
    """Player, thumbnails, renditions and bill, without a word of ours on the server."""
    axe = (players / "axe-core/axe.min.js").read_text(encoding="utf-8")
    manifest = made(clip, "hls", tmp_path / "out")
    with serving(Path(manifest["location"]), tmp_path / "log") as url:
        async with devtools.looking_at(url, chromium, tmp_path) as page:
            await is_seen(page, manifest)
            await devtools.check(page, "result", tmp_path, axe)


async def test_one_file_for_each_rendition_plays_as_well(
    clip: Path, chromium: str, tmp_path: Path
) -> None:
    """By ranges where the server knows them, and from the whole where not."""
    profile = tmp_path / "single.toml"
    profile.write_text(SINGLE)
    manifest = made(clip, profile, tmp_path / "out")
    with serving(Path(manifest["location"]), tmp_path / "log") as url:
        async with devtools.looking_at(url, chromium, tmp_path) as page:
            await is_seen(page, manifest)

    argv = [sys.executable, "-m", "transcode", "play", manifest["location"]]
    told = tmp_path / "told"
    with devtools.running([*argv, "--no-open"], told):
        url = await anyio.to_thread.run_sync(lambda: address_in(told))
        (tmp_path / "second").mkdir()
        async with devtools.looking_at(url, chromium, tmp_path / "second") as page:
            await is_seen(page, manifest)


async def test_a_bucket_for_everybody_is_a_website(
    clip: Path,
    chromium: str,
    s3_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    There the results lie a folder below the page and the manifest; `transcode play`
    shows the same.
    """
    keys = {"AWS_ACCESS_KEY_ID": storage.KEY, "AWS_SECRET_ACCESS_KEY": storage.SECRET}
    env = keys | {
        "TRANSCODE_S3_ENDPOINT_URL": s3_server,
        "TRANSCODE_S3_REGION": "us-east-1",
        "TRANSCODE_S3_PATH_STYLE": "true",
    }
    session = aiobotocore.session.get_session()
    async with session.create_client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id=storage.KEY,
        aws_secret_access_key=storage.SECRET,
    ) as client:
        await client.create_bucket(Bucket=storage.WEBSITE)
    manifest = await anyio.to_thread.run_sync(
        lambda: made(clip, "hls", f"s3://{storage.WEBSITE}/out", **env)
    )
    shown = manifest["page"]
    url = f"{s3_server}/{shown['uri'].removeprefix('s3://')}"

    with urllib.request.urlopen(url) as reply:  # noqa: S310, ASYNC210  loopback
        body, kind = reply.read(), reply.headers["Content-Type"]
    async with devtools.looking_at(url, chromium, tmp_path) as page:
        await is_seen(page, manifest)

    assert "text/html; charset=utf-8" == kind
    assert (shown["bytes"], shown["sha256"]) == (
        len(body),
        hashlib.sha256(body).hexdigest(),
    )
    assert not manifest["location"].rstrip("/").endswith(shown["uri"].split("/")[-2])

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    argv = [sys.executable, "-m", "transcode", "play", manifest["location"]]
    told = tmp_path / "told"
    with devtools.running([*argv, "--no-open"], told):
        alone = await anyio.to_thread.run_sync(lambda: address_in(told))
        (tmp_path / "second").mkdir()
        async with devtools.looking_at(alone, chromium, tmp_path / "second") as page:
            await is_seen(page, manifest)


async def test_opened_from_a_disk_it_says_what_to_do(
    clip: Path, chromium: str, tmp_path: Path
) -> None:
    """A browser reads no neighbour of a file; the command stands there to be copied."""
    folder = tmp_path / "it's mine"
    manifest = made(clip, "preview", tmp_path / "out")
    assert manifest["page"] is None
    manifest = made(clip, "hls", folder)
    url = Path(manifest["page"]["uri"]).as_uri()
    async with devtools.looking_at(url, chromium, tmp_path) as page:
        command = await page.until("document.querySelector('pre')?.innerText")
        assert [] == page.complaints

    assert ["transcode", "play", manifest["location"]] == shlex.split(command)
