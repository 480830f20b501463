"""Mono tracks that are one soundtrack: each is heard where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.work.test_channels import AAC, RATE, levels, pcm, tone
from transcode.contract import OutcomeKind

Made = Callable[..., Path]

TRACK = ["-f", "lavfi", "-i"]


def tracks(
    count: int, *, codec: str = "pcm_s16le", names: tuple[str, ...] = ()
) -> list[str]:
    """*count* mono tracks, each with its tone, and a title where one is given."""
    argv: list[str] = []
    for number in range(count):
        sound = f"aevalsrc='0.1*sin(2*PI*{tone(number)}*t)':d=1.5:s={RATE}"
        argv += [*TRACK, sound]
    for number in range(count):
        argv += ["-map", f"{number}:a"]
    for number, name in enumerate(names):
        argv += [f"-metadata:s:a:{number}", f"title={name}"]
    return [*argv, "-c:a", codec]


@pytest.mark.parametrize(
    ("name", "how", "heard"),
    [
        ("pair.mov", tracks(2), [{0: 0}, {1: 0}]),
        (
            "named.mkv",
            tracks(3, codec="aac", names=("Right", "Left", "Boom")),
            [{1: 0}, {0: 0}],
        ),
        (
            "six.mov",
            tracks(6),
            [{0: 0, 2: -3.0, 4: -3.0}, {1: 0, 2: -3.0, 5: -3.0}],
        ),
    ],
    ids=["nothing names them", "by their titles", "5.1"],
)
def test_mono_tracks_become_one_soundtrack(  # noqa: PLR0917
    name: str, how: list[str], heard: Any, through: Any, made: Made, ffmpeg: str
) -> None:
    """
    Left is heard on the left alone and right on the right; six are mixed as 5.1 is.
    """
    produced, staging, task = through(made(name, *how), f"sound\n{AAC}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    sound = levels(pcm(ffmpeg, staging / "audio.m4a", 2), 6)
    assert 1 == len(task.recipe.audio)
    assert [pytest.approx(it, abs=0.5) for it in heard] == sound


def test_tracks_of_other_lengths_last_as_long_as_the_longest(
    through: Any, made: Made
) -> None:
    """
    Nothing of the longer one is lost.
    """
    short, long = ("sine=d=1:r=48000", "sine=d=2:r=48000")
    maps = ["-map", "0:a", "-map", "1:a", "-c:a", "pcm_s16le"]
    clip = made("uneven.mov", *TRACK, short, *TRACK, long, *maps)

    produced, _, _ = through(clip, f"sound\n{AAC}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert [2.0] == [pytest.approx(a.duration_seconds, abs=0.05)
                     for a in produced.artifacts]  # fmt: skip
