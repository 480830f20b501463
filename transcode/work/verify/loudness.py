"""Is encoded sound as loud as was asked for, and does it keep below its peak?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...contract import AudioRendition, Check, Loudness, LoudnessFacts
from ..command.gain import HEADROOM_DB
from .tracks import Track

TOLERANCE_LU = 1.0
"""EBU R128 s1 and R128 §2 allow as much where half a unit cannot be reached."""
_WORST_LU = 2.0
"""By no more than this: a lossy codec takes as much from hiss; beyond, no or a wrong
gain was applied."""
PEAK_TOLERANCE_DB = 1.0
"""A lossy codec moves peaks by this much without being at fault."""
_WORST_PEAK_DB = 3.0
"""By no more than this: beyond, nothing held the peaks at all."""
_SHORT_SECONDS = 3.0
"""Of less there are few of the meter's blocks, and where they begin tells."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The check, None where no level was asked for, and what a user should know."""

    check: Check | None
    notes: tuple[str, ...] = ()


def levels(tracks: Sequence[Track]) -> Levels:
    """
    Measured against asked for, of every encoded soundtrack with a target.

    Within 2 LU, and at most 3 dB above the peak asked for. Only a note: more than 1 LU
    off; quieter where the peaks leave no room for more (one is near the ceiling); any
    miss in less than 3 s; peaks that the codec raised by more than 1 dB. A soundtrack
    without a loudness (silent, shorter than 0.4 s) has nothing to miss.
    """
    wrong: list[str] = []
    notes: list[str] = []
    right: list[str] = []
    for track in tracks:
        plan, found = track.plan, track.loudness
        if not isinstance(plan, AudioRendition) or plan.loudness is None:
            continue
        if plan.made_by == "copied":
            wrong.append(f"{track.name} is copied, and a loudness was asked for")
        elif not isinstance(found, LoudnessFacts):
            right.append(f"{track.name} has none: {found}")
        else:
            short = track.duration < _SHORT_SECONDS
            missed = list(_missed(found, plan.loudness, short=short))
            wrong += [f"{track.name} {text}" for text, fatal in missed if fatal]
            notes += [
                f"Audio {track.name} {text}." for text, fatal in missed if not fatal
            ]
            right.append(
                f"{track.name} {found.integrated_lufs:.1f} LUFS,"
                f" peak {found.true_peak_dbtp:.1f} dBTP"
            )
    if not wrong and not right:
        return Levels(None)
    detail = "; ".join(wrong or right)
    return Levels(Check(name="loudness", passed=not wrong, detail=detail), tuple(notes))


def _missed(
    found: LoudnessFacts, wanted: Loudness, *, short: bool
) -> Iterator[tuple[str, bool]]:
    """What is not as asked for, and whether that is a fault."""
    off = found.integrated_lufs - wanted.integrated_lufs
    over = found.true_peak_dbtp - wanted.true_peak_dbtp
    if abs(off) > TOLERANCE_LU:
        said = f"is at {found.integrated_lufs:.1f} LUFS, not {wanted.integrated_lufs:g}"
        if off < 0 and over > -(HEADROOM_DB + PEAK_TOLERANCE_DB):
            yield f"{said}: its peaks leave no room for more", False
        elif short:
            yield f"{said}: it is too short to be weighed exactly", False
        else:
            yield said, abs(off) > _WORST_LU
    if over > PEAK_TOLERANCE_DB:
        yield (
            f"peaks at {found.true_peak_dbtp:.1f} dBTP, not {wanted.true_peak_dbtp:g}",
            over > _WORST_PEAK_DB,
        )
