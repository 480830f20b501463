"""What we make, played by what people have: a browser and the usual players."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import m3u8
import pytest
from mpegdash.parser import MPEGDASHParser

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


CAPTIONS = """1
00:00:01,000 --> 00:00:03,000
Good morning.

2
00:00:08,000 --> 00:00:10,500
And good night.
"""


@pytest.fixture(scope="session", params=[ENCODED, CONFORMING], ids=["multi", "mixed"])
def job(
    request: pytest.FixtureRequest,
    make_clip: Callable[..., Path],
    ffmpeg: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """
    A finished job, with captions: all renditions encoded, and in HEVC, too, which this
    Chromium cannot play; or the top one copied.
    """
    to = tmp_path_factory.mktemp("played")
    clip = with_captions(
        ffmpeg, make_clip("play", SECONDS, "640x360", extra=request.param), to
    )
    profile = "hls-multi" if request.param is ENCODED else "hls"
    argv = [sys.executable, "-m", "transcode", "run", str(clip), "--profile", profile]
    argv += ["--to", str(to), "--json", "--quiet"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    manifest: dict[str, Any] = json.loads(done.stdout)

    made_by = {o["made_by"] for o in manifest["outputs"] if o["kind"] == "rendition"}
    mixed = request.param is CONFORMING
    assert ({"encoded", "copied"} if mixed else {"encoded"}) == made_by
    return manifest


def with_captions(ffmpeg: str, clip: Path, folder: Path) -> Path:
    """The clip, and text in Swedish beside it."""
    text, path = folder / "text.srt", folder / clip.name
    text.write_text(CAPTIONS, encoding="utf-8")
    argv = [ffmpeg, "-nostdin", "-v", "error", "-i", str(clip), "-i", str(text)]
    argv += ["-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text"]
    argv += ["-metadata:s:s:0", "language=swe", str(path)]
    subprocess.run(argv, check=True)
    return path


def path_of(job: dict[str, Any], name: str) -> Path:
    """Where the job's output of that file name is."""
    paths = [Path(unquote(urlsplit(o["uri"]).path)) for o in job["outputs"]]
    [path] = [p for p in paths if p.name == name]
    return path


def sizes_of(job: dict[str, Any]) -> list[list[int]]:
    """Sizes of the job's renditions that every player can play, smallest first."""
    videos = [o["video"] for o in job["outputs"] if o["kind"] == "rendition"]
    return sorted([v["width"], v["height"]] for v in videos if v["codec"] == "h264")


def check_whole(report: dict[str, Any]) -> None:
    """Played to the end, with sound, and every picture was decoded."""
    # Nothing jumped over, nothing waited for: hls.js has a `bufferStalledError` where
    # the codec of sound changes in mid-play; with one group of sound none does. (With
    # seconds at hand, and neither a jump nor a nudge, it is `slow`.)
    assert ([], "ended") == (report["errors"], report["end"]), json.dumps(report)
    assert report["slow"] <= 1, json.dumps(report)
    assert pytest.approx(SECONDS, abs=0.5) == report["current_seconds"]
    assert pytest.approx(SECONDS, abs=0.5) == report["duration_seconds"]
    assert report["decoded_audio_bytes"] > 0
    # A busy machine may skip a picture; a missing segment is a third of them.
    assert report["decoded_frames"] >= 0.9 * FRAMES, json.dumps(report)


def watched(
    job: dict[str, Any], play: Callable[..., dict[str, Any]], player: str, name: str
) -> dict[str, Any]:
    source = path_of(job, name)
    return play(source.parent, player=player, source=source.name, content_type="")


def check_switched(job: dict[str, Any], report: dict[str, Any]) -> None:
    """Whole, from the smallest to the largest rendition."""
    check_whole(report)
    sizes = sizes_of(job)
    assert len(sizes) == report["renditions"]
    assert [sizes[0], sizes[-1]] == report["sizes"], json.dumps(report)


def test_other_readers_understand_the_indexes(job: dict[str, Any]) -> None:
    """
    m3u8 and mpegdash find each rendition once, and what a player chooses by; of two
    codecs each is a set that names the other, and the better has the higher score.
    """
    master = m3u8.load(str(path_of(job, "master.m3u8")))
    period = MPEGDASHParser.parse(str(path_of(job, "manifest.mpd"))).periods[0]
    videos = [o["video"] for o in job["outputs"] if o["kind"] == "rendition"]
    sizes = sorted((v["width"], v["height"]) for v in videos)
    pictures = [it for it in period.adaptation_sets if it.content_type == "video"]
    # What all of a set have in common stands with the set.
    shown = [
        (one.width or it.width, one.height or it.height)
        for it in pictures
        for one in it.representations
    ]
    variants = [it.stream_info for it in master.playlists]
    codecs = {v["codec"] for v in videos}

    assert sizes == sorted(it.resolution for it in variants)
    assert sizes == sorted(shown)
    assert len(codecs) == len(pictures)
    assert all(it.codecs.split(",")[1:] == ["mp4a.40.2"] for it in variants)
    assert [1] == [len(m3u8.load(str(path_of(job, "master.m3u8"))).image_playlists)]
    assert 1 == len([it for it in period.adaptation_sets if it.content_type == "image"])
    named = {
        it.id: [one.value for one in it.supplemental_properties or []]
        for it in pictures
    }
    if len(codecs) == 1:
        assert "SCORE" not in path_of(job, "master.m3u8").read_text()
        return
    first, second = named
    assert str(second) in named[first]
    assert str(first) in named[second]
    assert "avc1" in variants[0].codecs
    text = path_of(job, "master.m3u8").read_text()
    scored = re.findall(r"RESOLUTION=(\d+)x.*SCORE=(\d+)", text)
    better = sorted((int(score), int(width)) for width, score in scored)
    assert [n for n, _ in better] == [*range(1, len(sizes) + 1)]
    assert [width for _, width in better] == sorted(width for width, _ in sizes)


@pytest.mark.parametrize(
    ("player", "name"), [("hls", "master.m3u8"), ("dash", "manifest.mpd")]
)
def test_players_switch_renditions_and_reach_the_end(
    job: dict[str, Any], play: Callable[..., dict[str, Any]], player: str, name: str
) -> None:
    """
    hls.js and dash.js play from the smallest to the largest rendition to the end.
    """
    check_switched(job, watched(job, play, player, name))


@pytest.mark.parametrize("name", ["master.m3u8", "manifest.mpd"])
def test_shaka_player_lists_what_there_is_and_reaches_the_end(
    job: dict[str, Any], play: Callable[..., dict[str, Any]], name: str
) -> None:
    """
    Each rendition that it can play with its sound, the captions with what they say, and
    thumbnails over the whole length; it switches as the others do, and stalls nowhere.
    """
    report = watched(job, play, "shaka", name)

    check_switched(job, report)
    [sound] = [o["audio"] for o in job["outputs"] if o["kind"] == "audio"]
    [sheet] = [o for o in job["outputs"] if o["kind"] == "sprite"]
    [thumbnails] = report["images"]
    told = json.dumps(report)
    assert sizes_of(job) == [it["size"] for it in report["variants"]], told
    for variant in report["variants"]:
        assert ["avc1", "mp4a"] == [it[:4] for it in variant["codecs"]], told
        assert (25, sound["channels"]) == (variant["rate"], variant["channels"]), told
    assert [("sv", ["Good morning.", "And good night."])] == [
        (it["language"], it["said"]) for it in report["texts"]
    ], told
    assert sheet["uri"].endswith(thumbnails["sheet"]), told
    assert thumbnails["begins"] <= SECONDS - 1 < thumbnails["ends"], told
    assert (0, 0) == (report["stalls"], report["gaps"]), told


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
