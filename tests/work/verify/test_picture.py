"""An output that shows another picture than its source is found."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from transcode.work.reshaped import Reshaped
from transcode.work.seen import SIDE, Seen, read_seen


@pytest.fixture(scope="module")
def seen(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The source's first picture, as another process tells it."""
    path = tmp_path_factory.mktemp("seen") / "seen.y4m"
    chain = f"scale={SIDE}:{SIDE}:flags=area:out_range=tv"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240"]
    argv += ["-vf", f"format=yuv420p,{chain},format=yuv444p", "-frames:v", "1"]
    subprocess.run([*argv, str(path)], check=True)
    found = read_seen(path)
    assert found is not None
    return found


def test_the_source_s_own_picture_passes(finished: Any, seen: Seen) -> None:
    """Two sizes of it, one of them encoded from the other."""
    told = finished.with_report(seen=seen)

    assert Fraction(4, 3) == seen.aspect
    assert set() == told.failed()
    assert "the source's first picture as it was decoded" == told.detail("picture")


def test_pixels_whose_new_shape_was_not_followed_are_found(
    finished: Any, seen: Seen
) -> None:
    """As where a rendition was copied; what the filters went by passes."""
    changes = (Reshaped(0.0, Fraction(12, 11)), Reshaped(0.5, Fraction(16, 11)))

    told = finished.with_report(seen=seen, reshaped=changes)
    followed = finished.with_report(seen=seen, reshaped=changes, followed=changes)

    assert {"picture"} == told.failed()
    assert "pixels change theirs at 0.50 s" in told.detail("picture")
    assert set() == followed.failed()


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ("hflip", "shows another picture"),
        ("vflip", "differs from its source in red"),
        ("transpose=clock,scale=160:120", "shows another picture"),
        ("crop=80:60:0:0,scale=160:120", "shows another picture"),
        ("scale=120:120,pad=160:120:20:0", "shows another picture"),
        ("lutyuv=y='16+val*219/255'", "% of its source's contrast"),
        ("lutyuv=u=128:v=128", "differs from its source in blue"),
        ("lutyuv=v='128+(val-128)*0.6'", "differs from its source in red"),
    ],
    ids=["left", "down", "turned", "cropped", "squeezed", "range", "blue", "red"],
)
def test_another_picture_is_found(
    other: Callable[..., Any], seen: Seen, filters: str, said: str
) -> None:
    """Turned over, turned, cropped, squeezed, in another range or other colours."""
    broken = other(small_filter=f"{filters},setsar=1").with_report(seen=seen)

    assert "picture" in broken.failed()
    assert "small " in broken.detail("picture")
    assert said in broken.detail("picture")
    assert "big" not in broken.detail("picture")


def test_another_shape_is_found(finished: Any, seen: Seen) -> None:
    """The decoder hands out a picture that is higher than wide; outputs are wide."""
    turned = replace(seen, aspect=Fraction(3, 4))

    told = finished.with_report(seen=turned)

    assert {"picture"} == told.failed()
    assert "1.333 times as wide as high, its source 0.750" in told.detail("picture")


def test_a_picture_that_nobody_can_read_is_none(tmp_path: Path) -> None:
    """Cut off, empty, or without a shape."""
    path = tmp_path / "seen.y4m"
    assert read_seen(path) is None
    for text in (b"", b"YUV4MPEG2 W32 H32 A4:3\nFRAME\n12", b"YUV4MPEG2 A0:0\nFRAME\n"):
        path.write_bytes(text)
        assert read_seen(path) is None
