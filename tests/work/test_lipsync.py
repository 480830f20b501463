"""A flash and a beep at one moment stay at one moment, by another tool's decoder."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from transcode.contract import OutcomeKind, Source
from transcode.plan.profile import parse_profile
from transcode.plan.recipe import make_recipe
from transcode.probe.probe import probe
from transcode.settings import Settings
from transcode.work.toolchain import capabilities

ROOT = Path(__file__).resolve().parents[2]
MOMENTS = (0.4, 2.4)
"""Near the start and the end; both are frames at 25 a second."""
MOST_APART_SECONDS = 0.02

FLASH = "+".join(f"between(t,{at - 0.001},{at + 0.159})" for at in MOMENTS)
BEEP = "+".join(f"between(t,{at},{at + 0.16})" for at in MOMENTS)
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p")
TO_AAC = ("-c:a", "aac")
SOURCES: dict[str, dict[str, Any]] = {
    "priming.mp4": {},
    "2997.mp4": {"rate": "30000/1001"},
    "late sound.mp4": {"sound": ("-itsoffset", "0.3")},
    "early sound.mkv": {"picture": ("-itsoffset", "0.3")},
    # The cut falls between keyframes: an edit list hides what lies before it.
    "edit.mp4": {"recut": ("-ss", "0.24")},
    "negative.mkv": {"codecs": (*H264, "-c:a", "libopus")},
    "stream.ts": {"codecs": (*H264, "-c:a", "mp2")},
    # Its decoder throws its first two blocks away: 85 ms, that nothing else may move.
    "windows.wmv": {"codecs": ("-c:v", "wmv2", "-b:v", "1M", "-c:a", "wmav2")},
    "uneven.mkv": {
        "filters": ",select='lt(mod(n,7),4)'",
        "codecs": (*H264, "-fps_mode", "vfr", *TO_AAC),
    },
}
PAIRS = [
    *((profile, name) for profile in ("mp4", "hls") for name in SOURCES),
    ("preview", "stream.ts"),
    ("hevc", "edit.mp4"),
    ("av1", "late sound.mp4"),
    ("vp9", "priming.mp4"),
]


@pytest.fixture(scope="session")
def clapped(made: Callable[..., Path]) -> Callable[[str], Path]:
    """Three seconds with two moments, each a flash and a beep; one of `SOURCES`."""
    known: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name in known:
            return known[name]
        how = SOURCES[name]
        black = f"color=gray:s=160x120:r={how.get('rate', '25')}:d=3"
        flash = f"drawbox=t=fill:c=white:enable='{FLASH}'{how.get('filters', '')}"
        beep = f"aevalsrc='0.5*sin(6283*t)*({BEEP})':s=48000:d=3"
        argv = [*how.get("picture", ()), "-f", "lavfi", "-i", f"{black},{flash}"]
        argv += [*how.get("sound", ()), "-f", "lavfi", "-i", beep]
        argv += ["-map", "0", "-map", "1", *how.get("codecs", (*H264, *TO_AAC))]
        path = made(f"whole {name}" if "recut" in how else name, *argv)
        if "recut" in how:
            path = made(name, *how["recut"], "-i", path, "-c", "copy")
        known[name] = path
        return path

    return make


@pytest.fixture(scope="session")
def senses() -> Any:
    """The eyes and ears of `bench`: another build than the one that encodes."""
    spec = importlib.util.spec_from_file_location(
        "senses", ROOT / "bench/stress/second_tool.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["senses"] = module
    spec.loader.exec_module(module)
    return module


def offsets(senses: Any, paths: list[Path]) -> list[float]:
    """How much later than its flash each beep begins; picture first, sound last."""
    found = senses.probe(str(paths[0]))["streams"]
    seen = senses.perceive(
        [str(path) for path in dict.fromkeys(paths)],
        video=next(it for it in found if it["codec_type"] == "video"),
        audio=f"{len(set(paths)) - 1}:a:0",
        keep_clock=True,
    )
    bright = [sum(frame.grey) > 200 * len(frame.grey) for frame in seen.frames]
    loud = [value > 1500 for value in seen.envelope]
    flashes = _begins(bright, [frame.at for frame in seen.frames])
    beeps = _begins(loud, [n * senses.STEP_SECONDS for n in range(len(loud))])
    assert (len(MOMENTS), len(MOMENTS)) == (len(flashes), len(beeps)), paths
    return [beep - flash for flash, beep in zip(flashes, beeps, strict=True)]


def _begins(on: list[bool], times: list[float]) -> list[float]:
    """Where a run of true values begins that lasts and has a pause before it."""
    begins: list[float] = []
    last = -1.0
    for it, at in zip(on, times, strict=True):
        if it and at - last > 0.3:
            begins.append(at)
        last = at if it else last
    return begins


@pytest.mark.parametrize(("profile", "name"), PAIRS)
def test_flash_and_beep_stay_together(
    *,
    profile: str,
    name: str,
    clapped: Callable[[str], Path],
    senses: Any,
    make_task: Any,
    performed: Any,
) -> None:
    """
    At the start and at the end, within 20 ms of how the source has them.
    """
    clip = clapped(name)
    size = clip.stat().st_size
    source = Source(uri=clip.name, bytes=size, etag=None, location=str(clip))
    media = anyio.run(probe, source)
    text = (ROOT / f"profiles/{profile}.toml").read_text("utf-8")
    wanted = parse_profile(text, origin=profile)
    decision = make_recipe(media, wanted, capabilities(Settings()))

    produced, staging = performed(make_task(clip, decision.recipe, media=media))

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    kinds = {it.kind: staging / it.path for it in reversed(produced.artifacts)}
    paths = [kinds["rendition"], kinds.get("audio", kinds["rendition"])]
    made = offsets(senses, paths)
    assert offsets(senses, [clip, clip]) == pytest.approx(made, abs=MOST_APART_SECONDS)
