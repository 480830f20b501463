"""What we make, played by what people have: a browser and the usual players."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.browser

SECONDS = 12
FRAMES = 25 * SECONDS
# As a camera writes it: High profile, a keyframe every two seconds, all GOPs closed.
CONFORMING = (
    *("-preset", "medium", "-profile:v", "high", "-bf", "2"),
    *("-g", "50", "-keyint_min", "50", "-sc_threshold", "0"),
    *("-b:v", "400k", "-maxrate", "600k", "-bufsize", "600k"),
)
# One GOP of twelve seconds: nothing that could be copied into segments.
ENCODED = ("-g", "600", "-sc_threshold", "0")


@pytest.fixture(scope="session", params=[ENCODED, CONFORMING], ids=["encoded", "mixed"])
def job(
    request: pytest.FixtureRequest,
    make_clip: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """A finished job: all renditions encoded, or the top one copied."""
    clip = make_clip("play", SECONDS, "640x360", extra=request.param)
    to = tmp_path_factory.mktemp("played")
    argv = [sys.executable, "-m", "transcode", "run", str(clip), "--profile", "hls"]
    argv += ["--to", str(to), "--json", "--quiet"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    manifest: dict[str, Any] = json.loads(done.stdout)

    made_by = {o["made_by"] for o in manifest["outputs"] if o["kind"] == "rendition"}
    mixed = request.param is CONFORMING
    assert ({"encoded", "copied"} if mixed else {"encoded"}) == made_by
    return manifest


def path_of(job: dict[str, Any], name: str) -> Path:
    """Where the job's output of that file name is."""
    paths = [Path(unquote(urlsplit(o["uri"]).path)) for o in job["outputs"]]
    [path] = [p for p in paths if p.name == name]
    return path


def sizes_of(job: dict[str, Any]) -> list[list[int]]:
    """Sizes of the job's renditions, smallest first."""
    videos = [o["video"] for o in job["outputs"] if o["kind"] == "rendition"]
    return sorted([v["width"], v["height"]] for v in videos)


def check_whole(report: dict[str, Any]) -> None:
    """Played to the end, with sound, and every picture was decoded."""
    # Nothing jumped over, nothing waited for: hls.js has a `bufferStalledError` where
    # the codec of sound changes in mid-play; with one group of sound none does.
    assert ([], "ended") == (report["errors"], report["end"]), json.dumps(report)
    assert pytest.approx(SECONDS, abs=0.5) == report["current_seconds"]
    assert pytest.approx(SECONDS, abs=0.5) == report["duration_seconds"]
    assert report["decoded_audio_bytes"] > 0
    # A busy machine may skip a picture; a missing segment is a third of them.
    assert report["decoded_frames"] >= 0.9 * FRAMES, json.dumps(report)


@pytest.mark.parametrize(
    ("player", "name"), [("hls", "master.m3u8"), ("dash", "manifest.mpd")]
)
def test_players_switch_renditions_and_reach_the_end(
    job: dict[str, Any], play: Callable[..., dict[str, Any]], player: str, name: str
) -> None:
    """
    hls.js and dash.js play from the smallest to the largest rendition to the end.
    """
    source = path_of(job, name)

    report = play(source.parent, player=player, source=source.name, content_type="")

    check_whole(report)
    sizes = sizes_of(job)
    assert len(sizes) == report["renditions"]
    assert [sizes[0], sizes[-1]] == report["sizes"], json.dumps(report)


def test_chromium_plays_hls_by_itself(
    job: dict[str, Any], play: Callable[..., dict[str, Any]]
) -> None:
    """Chromium's own HLS, whose choice of rendition is its own, reaches the end."""
    source = path_of(job, "master.m3u8")

    report = play(
        source.parent,
        player="native",
        source=source.name,
        content_type="application/vnd.apple.mpegurl",
    )

    check_whole(report)
    assert report["sizes"][-1] in sizes_of(job)
