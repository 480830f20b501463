"""Sound and picture that begin, or end, far from one another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Eyes
from .test_kinds import QUICK, lengths

Run = Callable[..., Any]
Made = Callable[..., Path]


@pytest.mark.parametrize("name", ["late-still.mp4", "late-still.ts"])
def test_a_late_picture_of_a_variable_rate(
    ran: Run, made: Made, eyes: Eyes, name: str
) -> None:
    """
    Its first picture fills the beginning, and what stands still is shown again where
    segments are cut, which is counted from there.
    """
    source = made(
        name, "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=12",
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=13", "-vf"),
        "select='not(between(n,10,280))',setpts=PTS+1.37/TB",
        *("-fps_mode", "vfr", *QUICK, "-bf", "2", "-c:a", "aac"),
    )  # fmt: skip

    uri = ran(source, "hls").one("rendition")["uri"]

    assert all(it <= 4.5 for it in lengths(uri)), lengths(uri)
    assert 0 == pytest.approx(eyes.times(uri)[0], abs=0.05)


def test_sound_that_many_pictures_stand_before(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """
    It begins behind more picture than is looked at for times, and goes on after it: the
    whole does not last as long as the picture, and how long it does is known.
    """
    source = made(
        "unknown-length.ts", "-f", "lavfi", "-i",
        "testsrc2=size=1280x720:rate=60:duration=3",
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=4"),
        *(*QUICK, "-c:a", "aac"),
    )  # fmt: skip

    run = ran(source)

    lasts = run.document["media"]["audio"][0]["duration_seconds"]
    assert 4 == pytest.approx(lasts, abs=0.1)
    assert 4 == pytest.approx(eyes.lasts(run.path), abs=0.1)


def test_sound_of_which_many_packets_come_at_a_time(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """
    A third of a second at a low bit rate in a transport stream, of which the first has
    a time: the sound ends that much after the last time that is found. It was taken
    for as much shorter than the picture, and the result refused.
    """
    source = made(
        "many-packets.ts", "-f", "lavfi", "-i",
        "testsrc2=size=1280x720:rate=25:duration=3",
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=3"),
        *(*QUICK, "-c:a", "aac"),
    )  # fmt: skip
    assert source.stat().st_size > 2 * 2**20, "no case of it"

    run = ran(source, "mp4")

    lasts = run.document["media"]["audio"][0]["duration_seconds"]
    assert 3 == pytest.approx(lasts, abs=0.05)
    assert 3 == pytest.approx(eyes.lasts(run.path), abs=0.05)
