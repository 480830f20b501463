"""Start and duration of one stream, from the best witness there is."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from statistics import median_low
from typing import Any

_MOST_OFF = 10
_MILLISECONDS = "1/1000"
"""The clock of Matroska, WebM and FLV."""
_OVERLAP = 2
_LONGEST_PRIMING_SECONDS = 0.25
"""HE-AAC at 24 kHz primes with 0.18 s, nothing else with as much."""
_LEAST_OVERLAP_SECONDS = 0.2
"""Sound this much longer than its own clock says was numbered, not timed: AVI counts
packets in units that its header may get wrong."""


def times(stream: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """
    (start, duration) in seconds; None where nothing but a guess is left.

    Sample tables before counted packets, these before the times at head and tail, and
    the header last.
    """
    if line := stream.get("timeline"):
        return line["start"], line["duration"] or None
    start, duration = _timed(stream)
    if start is not None and (emerged := stream.get("emerged")) is not None:
        # What is reordered and has no times is shown when the decoder hands it out.
        start = max(start, emerged)
    return start, duration


def _timed(stream: Mapping[str, Any]) -> tuple[float | None, float | None]:
    start = stream["start"]
    packets = stream.get("packets") or {}
    first = packets.get("first")
    late = unseen(stream) + _primed(stream)
    if packets.get("whole") and first is not None and packets["end"] is not None:
        length = _lasting(stream) if _leaps(stream) else packets["end"] - first
        rounded = stream.get("time_base") == _MILLISECONDS
        if stream["type"] == "audio" and not packets["clocked"] and not rounded:
            # AVI numbers packets of sound; what they last together is the truth. Not
            # where each is rounded, of which Vorbis has 400 a second.
            length = max(length, packets["sum"])
        return first + late, (length - late) or None
    if span := stream.get("span"):
        # libav tells the first packet's time; pictures shown before it may follow, and
        # of sound what is heard first.
        begins = min((it for it in (start, first) if it is not None), default=None)
        seconds = _trusted(span, stream["size"]) - late
        return begins if begins is None else begins + late, seconds
    if (end := stream.get("tail_end")) is not None and first is not None:
        return first, end - first or None
    if start is None and first is not None:
        # libav had none by the time that the file was open.
        start = first + late
    # Of bare pictures libav divides the bytes by the rate that their header allows.
    length = None if raw_frames(stream) is not None else stream["duration"]
    if length is None and start is not None and (ends := stream.get("ends")):
        length = ends - max(start, 0.0)
    return start, length or None


def language(stream: Mapping[str, Any]) -> str | None:
    """The tag as the container gives it; None where it says "undetermined"."""
    tag = stream["language"]
    return None if tag in (None, "", "und") else str(tag)


def _trusted(span: Mapping[str, Any], size: int) -> float:
    """
    The time between head and tail; where the clock jumps, what the bytes suggest.

    A recording joined from pieces, or a damaged stamp, may claim days: believed only
    where the places between are in order and the whole within an order of magnitude
    of their rate.
    """
    seconds: float = span["seconds"]
    if span["pace"] is None:
        return seconds
    likely: float = span["pace"] * size
    if span["steady"] and seconds <= likely * _MOST_OFF + 1:
        return seconds
    return likely


def unseen(stream: Mapping[str, Any]) -> float:
    """
    Seconds of picture before the first keyframe, which nobody can show.

    A recording of a broadcast begins wherever it was switched on.
    """
    packets = stream.get("packets") or {}
    opened = packets.get("opened")
    if not packets.get("clocked") or opened is None or stream["type"] != "video":
        return 0.0
    return max(0.0, float(opened - packets["first"]))


def _primed(stream: Mapping[str, Any]) -> float:
    """
    Seconds of sound that only prepare the decoder: Matroska's `CodecDelay`, and in Ogg
    all that lies before 0.

    libav takes them from where a stream begins, and ffmpeg counts its times from there;
    its first packet is that much earlier.
    """
    packets = stream.get("packets") or {}
    first, start = packets.get("first"), stream["start"]
    if stream["type"] != "audio" or first is None or start is None:
        return 0.0
    early = float(start - first)
    longest = float("inf") if packets.get("trimmed") else _LONGEST_PRIMING_SECONDS
    return early if 0 < early < longest else 0.0


def leads(stream: Mapping[str, Any]) -> bool:
    """True where pictures are shown before the first packet's, which libav calls 0."""
    packets = stream.get("packets") or {}
    first, start = packets.get("first"), stream["start"]
    return bool(packets.get("clocked") and first and start and first < start - 1e-3)


def _lasting(stream: Mapping[str, Any]) -> float:
    """
    Seconds that counted packets last together, whatever their clock says: by their own
    durations or, where those are much less, by the step that is in the middle of all.

    Of H.264 at a variable rate they may be a tick each.
    """
    packets = stream.get("packets") or {}
    summed = float(packets["sum"])
    apart = [ticks for ticks, often in packets.get("steps") or () for _ in range(often)]
    if not apart or not stream.get("time_base"):
        return summed
    middle = float(median_low(apart) * Fraction(stream["time_base"]))
    typical = packets["count"] * middle
    return typical if summed * _MOST_OFF < typical else summed


def _leaps(stream: Mapping[str, Any]) -> bool:
    """True where counted packets do not last as long as their clock says."""
    packets = stream.get("packets") or {}
    if not packets.get("whole") or not packets["clocked"] or not packets["sum"]:
        return False
    if packets.get("steady"):
        return False
    if packets["leaps"]:
        return True
    return bool(packets["end"] - packets["first"] > _lasting(stream) * _MOST_OFF + 1)


def overlaps(stream: Mapping[str, Any]) -> bool:
    """True where the clock lets packets of sound follow closer than they last."""
    packets = stream.get("packets") or {}
    if not packets.get("whole") or packets["clocked"] or packets["end"] is None:
        return False
    claimed = packets["end"] - packets["first"]
    return bool(packets["sum"] > claimed * _OVERLAP + _LEAST_OVERLAP_SECONDS)


def jumps(stream: Mapping[str, Any]) -> bool:
    """True where the clock of an MPEG stream was not believed."""
    span = stream.get("span")
    if span is not None and _trusted(span, stream["size"]) != span["seconds"]:
        return True
    return _leaps(stream)


def guessed(stream: Mapping[str, Any]) -> bool:
    """True where a stream's duration is no more than its bytes suggest."""
    media = stream["type"] in {"video", "audio"}
    told = any(stream.get(it) for it in ("stretched", "varies", "joined", "live"))
    return media and (told or jumps(stream) or raw_frames(stream) is not None)


def raw_frames(stream: Mapping[str, Any]) -> int | None:
    """
    About how many frames a bare elementary stream has; None for anything else.

    It has no index, and no times or those that libav makes up: what was read of it is
    all there is to tell.
    """
    packets = stream.get("packets") or {}
    count: int = packets.get("count", 0)
    bare = packets.get("bare") or packets.get("untimed") == count
    if not count or not bare or packets["whole"]:
        return None
    size: int = stream["size"]
    hidden: int = packets.get("unheaded", 0)
    shown = whole_pictures(stream) + hidden
    return shown * size // max(1, int(packets["bytes"])) - hidden


def whole_pictures(stream: Mapping[str, Any]) -> int:
    """
    How many pictures the packets are that were seen.

    The second field of a picture may be a packet of its own. In a bare stream what
    comes before the first keyframe takes no time, for it is not shown.
    """
    packets = stream.get("packets") or {}
    count: int = packets.get("count", 0) - packets.get("halves", 0)
    bare = packets.get("untimed") == packets.get("count")
    return count - packets.get("unheaded", 0) if bare else count
