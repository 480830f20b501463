"""`transcode play`: one result over HTTP, for whoever knows the address."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.deliver.page import page

MakeClip = Callable[..., Path]
Run = Callable[..., subprocess.CompletedProcess[str]]


def fetched(url: str, key: str = "") -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - ours
        with urllib.request.urlopen(asked) as reply:  # noqa: S310
            return reply.status, reply.read()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read()


@pytest.mark.parametrize("profile", ["hls", "preview"])
def test_a_result_is_served_to_who_has_the_key(
    transcode: Run, make_clip: MakeClip, tmp_path: Path, profile: str
) -> None:
    """
    A page, the manifest and the files beside it, none of which was written for it; to
    others the page alone, which is the one of every CMAF result.
    """
    clip = make_clip("played.mp4", 1, size="320x180")
    made = transcode("run", clip, "--profile", profile, "--json", "--quiet")
    manifest = json.loads(made.stdout)
    folder = Path(manifest["location"])
    before = sorted(path.name for path in folder.iterdir())
    argv = [sys.executable, "-m", "transcode", "play"]
    argv += [str(folder), "--no-open", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = "".join(process.stdout.readline() for _ in range(4))
        url = json.loads(told)["url"]
        site, _, key = url.partition("#")
        try:
            assert (200, page().body) == fetched(site) == fetched(f"{site}index.html")
            if profile == "hls":
                assert page().body == (folder / "index.html").read_bytes()
            assert 401 == fetched(f"{site}manifest.json")[0]
            assert 401 == fetched(f"{site}poster.jpg", "x")[0]
            status, body = fetched(f"{site}manifest.json", key)
            assert (200, manifest) == (status, json.loads(body))
            poster = fetched(f"{site}poster.jpg", key)
            assert (200, (folder / "poster.jpg").read_bytes()) == poster
            assert 404 == fetched(f"{site}none.jpg", key)[0]
            assert 400 == fetched(f"{site}..%2F..%2Fplayed.mp4", key)[0]
        finally:
            process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(30)
    assert before == sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("job", ["feedbeef", "./nowhere/clip.hls.0123456789ab"])
def test_what_is_not_there_is_not_played(transcode: Run, job: str) -> None:
    """Exit code 2, and nothing is listened to."""
    done = transcode("play", job, "--no-open")

    assert 2 == done.returncode
    assert "There is no job" in done.stderr
