"""Headers that promise more than there is do not buy a larger spec."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.conftest import MakeClip
from transcode.contract import Spec
from transcode.errors import MediaError
from transcode.pipeline import admit
from transcode.platforms.platform import lattice
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import Wiring, wire

Lie = Callable[[bytearray], None]
PLATFORM = "functiongraph"
_HUGE = 0x7FFF_0000


def _at(
    name: bytes, offset: int, layout: str, *values: float, last: bool = False
) -> Lie:
    """Overwrites what lies *offset* after the end of *name*, first or last found."""

    def tell(data: bytearray) -> None:
        place = (data.rindex(name) if last else data.index(name)) + len(name) + offset
        struct.pack_into(layout, data, place, *values)

    return tell


def _all(*lies: Lie) -> Lie:
    def tell(data: bytearray) -> None:
        for lie in lies:
            lie(data)

    return tell


# ISO 14496-12: times in mvhd and mdhd stand after two dates, in tkhd after a number.
_MOVIE = _at(b"mvhd", 16, ">I", _HUGE)
_TRACK = _at(b"tkhd", 20, ">I", _HUGE)
_MEDIA = _at(b"mdhd", 16, ">I", _HUGE)
LIES: dict[str, tuple[str, Lie]] = {
    "a film of weeks": ("mp4", _MOVIE),
    "a track of weeks": ("mp4", _TRACK),
    "media of weeks": ("mp4", _MEDIA),
    "weeks everywhere": ("mp4", _all(_MOVIE, _TRACK, _MEDIA)),
    "seconds for ticks": ("mp4", _at(b"mvhd", 12, ">I", 1)),
    "a slower clock": ("mp4", _at(b"mdhd", 12, ">I", 1)),
    "a faster clock": ("mp4", _at(b"mdhd", 12, ">I", 0x7FFF_FFFF)),
    "a wide track": ("mp4", _at(b"tkhd", 76, ">II", 8192 << 16, 8192 << 16)),
    "a wide sample entry": ("mp4", _at(b"avc1", 24, ">HH", 8192, 8192, last=True)),
    "long pictures": ("mp4", _at(b"stts", 8, ">II", 25, 0x00FF_FFFF)),
    "short pictures": ("mp4", _at(b"stts", 12, ">I", 1)),
    "many pictures": ("mp4", _at(b"stts", 8, ">I", 2_000_000)),
    "gigabits": ("mp4", _at(b"btrt", 4, ">II", 0xFFFF_FFFF, 0xFFFF_FFFF)),
    "days of Matroska": ("mkv", _at(b"\x44\x89\x88", 0, ">d", 1e9)),
    "coarse ticks": ("mkv", _at(b"\x2a\xd7\xb1\x83", 0, ">BH", 0x7F, 0xFFFF)),
    "a million pictures a second": ("mkv", _at(b"\x23\xe3\x83\x84", 0, ">I", 1000)),
    "wide Matroska": (
        "mkv",
        _all(_at(b"\xb0\x82", 0, ">H", 8192), _at(b"\xba\x82", 0, ">H", 8192)),
    ),
    "quick AVI": ("avi", _at(b"avih", 4, "<I", 1)),
    "gigabytes a second": ("avi", _at(b"avih", 8, "<I", 0x7FFF_FFFF)),
    "many AVI pictures": ("avi", _at(b"avih", 20, "<I", 0x7FFF_FFFF)),
    "many AVI streams": ("avi", _at(b"avih", 28, "<I", 99)),
    "wide AVI": ("avi", _at(b"avih", 36, "<II", 8192, 8192)),
    "a wide bitmap": ("avi", _at(b"strf", 8, "<II", 8192, 8192)),
    "a long AVI": ("avi", _at(b"strh", 36, "<I", 0x7FFF_FFFF)),
    "a high rate": ("avi", _at(b"strh", 28, "<I", 25_000_000)),
    "a long FLV": ("flv", _at(b"duration", 1, ">d", 1e9)),
    "a quick FLV": ("flv", _at(b"framerate", 1, ">d", 1e6)),
    "a wide FLV": ("flv", _at(b"width", 1, ">d", 8192.0)),
    "gigabits of FLV": ("flv", _at(b"videodatarate", 1, ">d", 1e9)),
}


def _chosen(path: Path, wiring: Wiring) -> Spec:
    async def plan() -> Spec:
        request = Request(source=str(path), profile="mp4", platform=PLATFORM)
        return (await admit(request, wiring)).tasks[0].task.spec

    return anyio.run(plan)


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_buys_one_step_at_most(
    lie: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    """
    Refused with a type, or planned for on a spec next to the one of the truth.
    """
    suffix, tell = LIES[lie]
    clip = make_clip(f"truth.{suffix}", 2, "320x256")
    data = bytearray(clip.read_bytes())
    tell(data)
    assert data != clip.read_bytes()
    lying = tmp_path / clip.name
    lying.write_bytes(data)
    wiring = wire(Settings())
    memory = sorted(
        {it.memory_mib for it in lattice(wiring.catalog.platform(PLATFORM))}
    )
    true = _chosen(clip, wiring)

    try:
        spec = _chosen(lying, wiring)
    except MediaError:
        return
    assert memory.index(spec.memory_mib) <= memory.index(true.memory_mib) + 1
