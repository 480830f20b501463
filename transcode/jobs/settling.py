"""When an object that was seen may be taken: once it rests, and again after trouble.
Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..retry import RetryPolicy

GROWTH_FACTOR = 3.0
"""A file that grew must rest so many times as long as it ever rested in between."""
_LONGEST_REST_FACTOR = 10.0
"""What rested longer than so many settle times and then changed is a new upload."""
_AGAIN = RetryPolicy(5, backoff_coefficient=4, maximum_interval_seconds=300)
"""Between looks at what could not be taken; without jitter, rounds of looks have it."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One object as one look found it."""

    etag: str
    """Of its content."""
    bytes: int
    changed: int = 0
    """Whatever else tells of a change that may cure: of a file, its ctime."""
    age_seconds: float | None = None
    """Since its content changed, by its own clock; None where that is not known, or
    lies in the future."""


@dataclass(frozen=True, slots=True)
class SettlingFile:
    """One object from look to look. Times are of one monotonic clock, seconds."""

    sighting: Sighting
    since: float
    """Since when it is as it is, as far as we know."""
    longest_rest: float = 0.0
    """Between two growths of what counts as one upload."""
    settled: bool = False
    """It is a job, or never will be one: nothing is asked again."""
    failures: int = 0
    again_at: float = 0.0
    """When it is next looked at after it could not be."""


def follow(
    before: SettlingFile | None, seen: Sighting, now: float, *, settle_seconds: float
) -> SettlingFile:
    """What is known of an object once it was *seen* again."""
    age = seen.age_seconds
    since = now if age is None else now - max(age, 0.0)
    if before is None:
        return SettlingFile(seen, since)
    if before.sighting.etag != seen.etag:
        # Not later than a look that saw it otherwise, and not earlier than that.
        since = max(since, before.since)
        rest = since - before.since
        grew = (
            seen.bytes > before.sighting.bytes
            and rest <= _LONGEST_REST_FACTOR * settle_seconds
        )
        return SettlingFile(
            seen, since, max(before.longest_rest, rest) if grew else 0.0
        )
    if before.sighting.changed != seen.changed:
        # Rights were mended, perhaps: worth a look at once.
        return replace(before, sighting=seen, again_at=now)
    return replace(before, sighting=seen)


def rests(track: SettlingFile, now: float, *, settle_seconds: float) -> bool:
    """Whether it was left alone for long enough to count as whole."""
    needed = max(settle_seconds, GROWTH_FACTOR * track.longest_rest)
    return now - track.since >= needed


def is_due(track: SettlingFile, now: float) -> bool:
    """Whether it is to be taken, or tried again."""
    return not track.settled and now >= track.again_at


def settle(track: SettlingFile) -> SettlingFile:
    """Nothing is left to be done about it as it is."""
    return replace(track, settled=True, failures=0)


def put_off(track: SettlingFile, now: float) -> tuple[SettlingFile, float]:
    """It could not be looked at: again after a pause, which is returned, too."""
    pause = _AGAIN.interval_seconds(track.failures + 1)
    after = replace(track, failures=track.failures + 1, again_at=now + pause)
    return after, pause
