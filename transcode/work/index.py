"""A pass over all packets of the picture, none decoded: where a source can be cut."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from ..contract import Indexed, OutcomeKind, Produced, Progress, Task
from ..errors import EncoderFailed
from .command.build import list_packets
from .encode import run

_NO_TIME = -(1 << 62)
_BASE = "#tb 0: "
_NO_KEY = "F=0x"
"""Stands where the flags are not those of a keyframe (`libavformat/framecrcenc.c`)."""
_KEY, _DISCARD = 1, 4
"""AV_PKT_FLAG_KEY and AV_PKT_FLAG_DISCARD."""
_AHEAD_SECONDS = 10
"""From there on ffmpeg, too, takes a step for a new clock (`dts_delta_threshold`)."""


def take_index(
    task: Task,
    *,
    program: str,
    scratch: Path,
    report: Callable[[Progress], None],
    seal: Callable[[Sequence[Path]], Sequence[str]],
) -> Produced:
    """Raises what `encode.run` does, and EncoderFailed where no packet has a time."""
    path = scratch / "packets"
    command = list_packets(task, program=program, path=str(path))

    def heard(progress: Progress) -> None:
        report(progress.model_copy(update={"phase": "index"}))

    made = run(task, command, None, folders=(scratch, scratch), report=heard)
    notes = seal((scratch,))
    return Produced(
        outcome=OutcomeKind.SUCCEEDED,
        indexed=read_packets(path),
        notes=(*made.notes, *notes),
        read_bytes=made.read_bytes,
    )


def read_packets(path: Path) -> Indexed:
    """What ffmpeg's `framecrc` muxer wrote of one stream."""
    base, times, keys = Fraction(0), array("q"), array("q")
    untimed = leaps = 0
    before: int | None = None
    with path.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("#"):
                if line.startswith(_BASE):
                    base = Fraction(line.removeprefix(_BASE).strip())
                continue
            fields = line.split(",", 6)
            decoded, time = int(fields[1]), int(fields[2])
            flags = _flags(fields[6]) if len(fields) > 6 else _KEY  # noqa: PLR2004
            if decoded > _NO_TIME:
                if before is not None:
                    # What goes back, ffmpeg's muxers hold where it was.
                    leaps += not 0 < (decoded - before) * base <= _AHEAD_SECONDS
                before = decoded
            if time <= _NO_TIME or flags & _DISCARD:
                untimed += 1
                continue
            times.append(time)
            if flags & _KEY:
                keys.append(time)
    if not times or not base:
        raise EncoderFailed("Not one packet of its picture has a time.")
    shown = sorted(times)
    steps = [b - a for a, b in pairwise(shown)] or [0]
    return Indexed(
        pictures=len(shown),
        untimed=untimed,
        first_seconds=float(shown[0] * base),
        last_seconds=float(shown[-1] * base),
        keyframe_seconds=tuple(round(float(it * base), 6) for it in sorted(keys)),
        shortest_step_seconds=float(min(steps) * base),
        longest_step_seconds=float(max(steps) * base),
        leaps=leaps,
    )


def _flags(rest: str) -> int:
    """Said only where they are not those of a keyframe, before any side data."""
    said = rest.strip()
    if not said.startswith(_NO_KEY):
        return _KEY
    return int(said[2:].split(",", 1)[0], 16)
