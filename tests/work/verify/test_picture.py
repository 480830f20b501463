"""An output that shows another picture than its source is found."""

from __future__ import annotations

import subprocess
from array import array
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.work.verify.conftest import FRAMES, RECIPE, task_for
from transcode.work.reshaped import Reshaped
from transcode.work.seen import (
    SIDE,
    TOGETHER,
    SampledPicture,
    Seen,
    read_sampled,
    read_seen,
    sampled_every,
)
from transcode.work.shown import Shown

SHOWN = Shown(array("q", range(FRAMES)), Fraction(1, 25), 1)


@pytest.fixture(scope="module")
def seen(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The source's first picture, as another process tells it."""
    path = tmp_path_factory.mktemp("seen") / "seen.y4m"
    found = read_seen(written(ffmpeg, path, "trim=end_frame=1"))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def sampled(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three in a row of each second, likewise."""
    path = tmp_path_factory.mktemp("sampled") / "sampled.y4m"
    return written(ffmpeg, path, f"select=lt(mod(n\\,25)\\,{TOGETHER})")


def written(ffmpeg: str, path: Path, which: str) -> Path:
    chain = f"{which},scale={SIDE}:{SIDE}:flags=area:out_range=tv"
    source = "testsrc2=size=320x240:rate=25:duration=4"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-vf"]
    argv += [f"format=yuv420p,{chain},format=yuv444p", "-fps_mode", "passthrough"]
    subprocess.run([*argv, str(path)], check=True)
    return path


def test_the_source_s_own_picture_passes(finished: Any, seen: Seen) -> None:
    """Two sizes of it, one of them encoded from the other."""
    told = finished.with_report(seen=seen)

    assert Fraction(4, 3) == seen.aspect
    assert set() == told.failed()
    right = "the source's first picture as it was decoded"
    assert right == told.detail("picture")


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


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ("hflip=enable='gte(t,3)'", "small shows another picture than its source"),
        (
            "drawbox=t=fill:color=gray:enable='gte(t,3)'",
            "small shows nothing of its source's picture, at 3.04 s",
        ),
        ("lutyuv=u=128:v=128:enable='gte(t,3)'", "differs from its source in blue"),
        (
            "trim=end_frame=1,loop=-1:1,trim=end_frame=100,setpts=N/25/TB,hue=h=20",
            "small differs from its source in",
        ),
    ],
    ids=["turned", "grey", "colourless", "still"],
)
def test_a_picture_that_is_wrong_later_is_found(
    other: Callable[..., Any], seen: Seen, sampled: Path, filters: str, said: str
) -> None:
    """The first one is as it is to be; the one that is wrong lies in the last group."""
    told = read_sampled(sampled, SHOWN, 25)
    broken = other(small_filter=f"{filters},setsar=1")

    broken = broken.with_report(seen=seen, shown=SHOWN, sampled=told)

    assert {"picture"} == broken.failed()
    assert said in broken.detail("picture")
    assert "big" not in broken.detail("picture")


def test_of_full_verification_no_second_is_unseen(
    other: Callable[..., Any], seen: Seen, sampled: Path
) -> None:
    """One that is neither in the first group nor in the last."""
    told = read_sampled(sampled, SHOWN, 25)
    wrong = "hflip=enable='between(t,1,1.9)',setsar=1"
    broken = other(small_filter=wrong).with_report(seen=seen, shown=SHOWN, sampled=told)

    quick, full = broken, broken.with_recipe(verify="full")

    assert set() == quick.failed()
    assert "and 4 after it" in quick.detail("picture")
    assert {"picture"} == full.failed()
    assert "at 1.04 s" in full.detail("picture")


def test_a_picture_beside_a_cut_may_be_either(
    finished: Any, seen: Seen, sampled: Path
) -> None:
    """At another rate the one before it or after it is shown; no third."""
    told = read_sampled(sampled, SHOWN, 25)
    turned = replace(seen, luma=seen.luma[::-1])
    beside = [SampledPicture(it.time, (it.pictures[0], turned, turned)) for it in told]
    none_of_them = [SampledPicture(it.time, (turned,) * TOGETHER) for it in told]
    told_all = finished.with_report(seen=seen, shown=SHOWN)

    assert set() == told_all.with_report(sampled=tuple(beside)).failed()
    assert {"picture"} == told_all.with_report(sampled=tuple(none_of_them)).failed()


@pytest.mark.parametrize(("dull", "failed"), [(1, set()), (2, {"picture"})])
def test_contrast_is_wrong_in_more_than_one_picture(
    finished: Any, seen: Seen, sampled: Path, dull: int, failed: set[str]
) -> None:
    """In one of many it is an encoder's that is short of bits."""
    told = read_sampled(sampled, SHOWN, 25)
    beside = [
        SampledPicture(it.time, tuple(stretched(one) for one in it.pictures))
        if number < dull
        else it
        for number, it in enumerate(told)
    ]

    checked = finished.with_report(seen=seen, shown=SHOWN, sampled=tuple(beside))

    assert failed == checked.with_recipe(verify="full").failed()


def test_grain_that_an_encoder_dropped_is_no_other_colour(
    finished: Any, seen: Seen
) -> None:
    """From sample to sample it is far more than what tells a wrong colour."""
    grain = (14, -14) * (len(seen.red) // 2)

    def rough(samples: bytes) -> bytes:
        return bytes(
            min(255, max(0, it + by)) for it, by in zip(samples, grain, strict=True)
        )

    told = replace(seen, blue=rough(seen.blue), red=rough(seen.red))
    tinted = replace(seen, red=bytes(min(255, it + 14) for it in seen.red))

    assert set() == finished.with_report(seen=told).failed()
    assert {"picture"} == finished.with_report(seen=tinted).failed()


def stretched(seen: Seen) -> Seen:
    """As if one range had been taken for the other."""
    luma = bytes(min(255, max(0, round(128 + (it - 128) * 1.14))) for it in seen.luma)
    return replace(seen, luma=luma)


def test_where_something_is_drawn_no_picture_is_compared(
    finished: Any, seen: Seen, sampled: Path
) -> None:
    """Lines burnt in, of which the decoder shows nothing."""
    turned = replace(seen, luma=seen.luma[::-1])
    told = [
        SampledPicture(it.time, (turned,) * TOGETHER)
        for it in read_sampled(sampled, SHOWN, 25)
    ]

    drawn = finished.with_recipe(burned_index=2)

    assert (
        set()
        == drawn.with_report(seen=turned, shown=SHOWN, sampled=tuple(told)).failed()
    )


def test_pictures_that_are_out_of_order_have_no_time(sampled: Path) -> None:
    """Which of them is which cannot be told; nor where fewer have a time."""
    times = [number * 25 + 1 for number in range(4)]
    few = Shown(array("q", range(60)), Fraction(1, 25), 1)

    assert times == [it.time for it in read_sampled(sampled, SHOWN, 25)]
    assert times[:3] == [it.time for it in read_sampled(sampled, few, 25)]
    assert () == read_sampled(sampled, replace(SHOWN, in_order=False), 25)
    assert () == read_sampled(sampled, None, 25)


@pytest.mark.parametrize(
    ("seconds", "every"), [(1.9, None), (2.0, 25), (48.0, 25), (4800.0, 2500)]
)
def test_some_pictures_are_sampled_of_any_length(
    seconds: float, every: int | None
) -> None:
    """One a second at the most, and so many at the most."""
    assert every == sampled_every(task_for(RECIPE, seconds=seconds))


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
