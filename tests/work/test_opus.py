"""Opus in segments: it begins at 0, and each sound is where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

ONSET_SECONDS = 1.0


@pytest.fixture(scope="module")
def clip(made: Callable[..., Path]) -> Path:
    """A picture, and a tone that begins after a second; sound as WebM has it."""
    silent = f"volume=enable='lt(t,{ONSET_SECONDS})':volume=0"
    return made(
        "tone.mkv",
        *("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=3"),
        *("-f", "lavfi", "-i", f"sine=440:sample_rate=48000:duration=3,{silent}"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "libopus", "-ac", "2"),
    )


@pytest.mark.parametrize("made_by", ["encoded", "copied"])
def test_sound_begins_at_the_beginning(  # noqa: PLR0917  fixtures
    clip: Path,
    make_task: Any,
    make_recipe: Any,
    audio: Any,
    performed: Any,
    made_by: str,
) -> None:
    """
    The first packet is at 0, none is missing after it, and the tone at its time, as
    near as the codec's own blur and a container of milliseconds let it.
    """
    encoder = "libopus" if made_by == "encoded" else None
    sound = audio(name="opus", codec="opus", made_by=made_by, encoder=encoder)
    recipe = make_recipe(video=make_recipe().video[1:], audio=(sound,))

    produced, staging = performed(make_task(clip, recipe))

    assert None is produced.failure
    place = staging / "audio" / "opus"
    whole = staging / "whole.mp4"
    parts = [place / "init.mp4", *sorted(place.glob("*.m4s"))]
    whole.write_bytes(b"".join(it.read_bytes() for it in parts))
    with av.open(str(whole)) as container:
        packets = [it for it in container.demux() if it.size]
        times = [seconds(it.pts, it) for it in packets]
        ends = [seconds((it.pts or 0) + (it.duration or 0), it) for it in packets]
    assert 0 == times[0]
    assert pytest.approx(times[1:], abs=0.0011) == ends[:-1]
    assert pytest.approx(ONSET_SECONDS, abs=0.006) == onset_seconds(whole)


def seconds(ticks: int | None, packet: av.Packet[Any]) -> float:
    assert ticks is not None
    assert packet.time_base is not None
    return float(ticks * packet.time_base)


def onset_seconds(path: Path) -> float:
    """When something is heard for the first time."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray()[0]) > 0.02
            if loud.any():
                return float(frame.time or 0) + int(loud.argmax()) / frame.sample_rate
    raise AssertionError("nothing is heard")
