"""What one video stream is like: size as seen, rate, colour, fields, GOPs."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

from ...contract import DynamicRange, VideoStream
from ...contract.value import ratio
from ...media.codecs import NEVER_INTERLACED
from ...media.colours import HDR_TRANSFERS, MATRICES, PRIMARIES, RANGES, TRANSFERS
from ...media.pixels import is_rgb_name
from .frame_rate import Rate, measure, snap
from .hdr import content_light, mastering_display
from .interlace import fields_seen, is_woven
from .shape import oriented_twice, shape_of
from .times import jumps, language, leads, raw_frames, times, unseen, whole_pictures

_FIELDS = {1: "progressive", 2: "tt", 3: "bb", 4: "tb", 5: "bt"}
"""AVFieldOrder of libavcodec."""
_LEAP_SECONDS = 10
"""From here on ffmpeg, too, takes a step for a new clock (`dts_delta_threshold`)."""

_LAST_PICTURES = 3
"""So many may have times that are made up: AVI has none but an order."""
_SAME_RATE = Fraction(1, 100)
_HAIR = 0.1
"""Of a picture: rounding."""

Raw = Mapping[str, Any]


def video_stream(stream: Raw, *, whole: bool) -> VideoStream:
    """The facts of a picture stream; `whole` where every packet was counted."""
    unknown: dict[str, str] = {}
    start, duration = times(stream)
    rate = _rate(stream)
    if rate.rate is None:
        unknown["frame_rate"] = "no times were found"
    if rate.variable is None:
        unknown["variable_frame_rate"] = "too few times were found"
    frames = _frames(stream, whole, unknown)
    likely = float(frames / rate.rate) if frames and rate.rate else None
    if duration is None or (whole and _is_short(stream, duration, likely, rate)):
        duration = likely
    if duration is None and (guessed := raw_frames(stream)) and rate.rate:
        duration = float(guessed / rate.rate)
    if duration is None:
        unknown["duration_seconds"] = "nothing in the file tells it"
    shape = shape_of(stream)
    order = _FIELDS.get(stream.get("field_order", 0))
    keys, longest = _keys(stream, start, duration, unknown, whole=whole)
    if not stream.get("pixel_format"):
        unknown["pixel_format"] = stream.get("decode_error") or "no frame was decoded"
    return VideoStream(
        index=stream["index"],
        codec=stream["codec"] or "unknown",
        profile=stream["profile"],
        level=stream.get("level"),
        width=shape.width,
        height=shape.height,
        sample_aspect_ratio=shape.sample_aspect_ratio,
        shape_overruled=shape.overruled,
        display_width=shape.display_width,
        display_height=shape.display_height,
        rotation_degrees=shape.rotation_degrees,
        mirrored=shape.mirrored,
        cropped=shape.cropped,
        carried=shape.carried,
        oriented_twice=oriented_twice(stream),
        field_pictures=bool(stream.get("field_pictures")),
        resizable=bool(stream.get("resizable")),
        frame_rate=rate.rate,
        variable_frame_rate=rate.variable,
        longest_still_seconds=_longest_still(stream, whole=whole),
        last_still_seconds=_last_still(stream, whole=whole),
        frames=frames,
        start_seconds=start,
        duration_seconds=duration,
        time_base=_fraction(stream["time_base"]),
        bit_rate=stream["bit_rate"],
        pixel_format=stream.get("pixel_format"),
        bit_depth=stream.get("bit_depth"),
        has_alpha=bool(stream.get("alpha") or stream.get("alpha_mode")),
        color_range=RANGES.get(stream.get("color_range", 0)),
        color_primaries=PRIMARIES.get(stream.get("color_primaries", 2)),
        color_transfer=TRANSFERS.get(stream.get("color_transfer", 2)),
        color_space=_space(stream),
        dynamic_range=_dynamic_range(stream),
        mastering_display=mastering_display(stream.get("mastering")),
        content_light=content_light(stream.get("content_light")),
        dolby_vision_profile=stream["dovi"][0] if stream.get("dovi") else None,
        interlaced=_interlaced(stream, order, unknown),
        field_order=order,
        fields_seen=fields_seen(stream.get("fields")),
        has_b_frames=stream.get("has_b_frames"),
        keyframe_seconds=keys,
        longest_gop_seconds=longest,
        closed_gops=_closed(stream, unknown),
        language=language(stream),
        default="default" in stream["disposition"],
        program=stream.get("program"),
        decodable=stream["decodable"] and not stream.get("encrypted"),
        untimed=_untimed(stream),
        retimed=_retimed(stream, rate),
        unknown=unknown,
    )


def _is_short(stream: Raw, seconds: float, likely: float | None, rate: Rate) -> bool:
    """Whether the last pictures are said to last less than their rate makes them."""
    told = stream.get("timeline") or (stream.get("packets") or {}).get("clocked")
    if told or likely is None or not rate.rate or rate.variable is not False:
        return False
    return _HAIR < (likely - seconds) * rate.rate <= _LAST_PICTURES


def _untimed(stream: Raw) -> bool:
    """Bare H.264, HEVC and VVC, or MXF without an index that tells their order."""
    packets = stream.get("packets") or {}
    count = packets.get("count", 0)
    return bool(count) and packets.get("untimed") == count


def _retimed(stream: Raw, rate: Rate) -> Literal["start", "count"] | None:
    """
    Where libavformat's times are wrong, and what to go by instead.

    It moves a track by the pictures that it takes from before an edit without a
    keyframe; an index may give all pictures one time, or say nothing of their order;
    and a stream that begins before its first keyframe counts from packets that show
    nothing.
    """
    line, packets = stream.get("timeline") or {}, stream.get("packets") or {}
    if rate.rate is not None and line.get("samples", 0) and not line["duration"]:
        return "count"
    unordered = packets.get("misordered") and stream.get("has_b_frames")
    unordered = unordered or stream.get("disordered") or packets.get("mistimed")
    if unordered and rate.rate is not None and rate.variable is False:
        return "count"
    moved = line.get("headless") or unseen(stream) or leads(stream)
    return "start" if moved else None


def _fraction(text: str | None) -> Fraction | None:
    return ratio(text) if text else None


def _space(stream: Raw) -> str | None:
    # Zero is "gbr" in H.273 and also what a stream without a word about it may hold.
    rgb = is_rgb_name(stream.get("pixel_format"))
    code = stream.get("color_space", 2)
    return None if code == 0 and not rgb else MATRICES.get(code)


def _rate(stream: Raw) -> Rate:
    average = _fraction(stream.get("average_rate"))
    base = _fraction(stream.get("base_rate"))
    if line := stream.get("timeline"):
        measured = measure(line["steps"], Fraction(1, stream["scale"]), base)
        return measured if measured.rate is not None else Rate(snap(average), None)
    packets = stream.get("packets") or {}
    tick = _fraction(stream["time_base"])
    if packets.get("steps") and tick is not None:
        steps = packets["steps"]
        if jumps(stream):
            # A leap of the clock is no distance between pictures.
            steps = [it for it in steps if it[0] * tick <= _LEAP_SECONDS]
        measured = measure(steps, tick, base)
        if measured.rate is not None:
            if _fields_apart(stream, measured.rate):
                return Rate(measured.rate / 2, measured.variable)
            return measured
    return Rate(snap(_rate_of_bare(packets, base) or average), None)


def _rate_of_bare(packets: Raw, base: Fraction | None) -> Fraction | None:
    """
    By what the headers among its pictures say each, or each field, lasts; None where
    they do not say it of all.

    What has no times at all is called 25 pictures a second by libavformat.
    """
    count: int = packets.get("count", 0)
    if not count or packets["untimed"] != count or not packets["sum"]:
        return None
    rate = Fraction(count - packets.get("halves", 0)) / Fraction(packets["sum"])
    said = base is not None and any(
        abs(base / rate / fields - 1) < _SAME_RATE for fields in (1, 2)
    )
    return rate if said else None


def _longest_still(stream: Raw, *, whole: bool) -> float | None:
    """Seconds between two pictures, at most; None where not every one was seen."""
    line, packets = stream.get("timeline"), stream.get("packets") or {}
    if line is None and not (whole and packets.get("steps")):
        return None
    tick = Fraction(1, stream["scale"]) if line else _fraction(stream["time_base"])
    steps = line["steps"] if line else packets["steps"]
    longest = max((ticks for ticks, _ in steps), default=0)
    return float(longest * tick) if longest and tick else None


def _last_still(stream: Raw, *, whole: bool) -> float | None:
    line, packets = stream.get("timeline"), stream.get("packets") or {}
    if line is not None:
        if line["span_ticks"] is None or not line["duration"]:
            return None
        return max(0.0, float(line["duration"] - line["span_ticks"] / stream["scale"]))
    if not whole or packets.get("end") is None or packets.get("untimed"):
        return None
    return float(packets["end"] - packets["last"])


def _fields_apart(stream: Raw, rate: Fraction) -> bool:
    """True where each field came in a packet of its own: twice the header's average."""
    average = _fraction(stream.get("average_rate"))
    if stream.get("field_order", 0) < 2 or average is None:  # noqa: PLR2004  tt, bb…
        return False
    return abs(rate / average - 2) < Fraction(1, 20)


def _frames(stream: Raw, whole: bool, unknown: dict[str, str]) -> int | None:  # noqa: FBT001
    if line := stream.get("timeline"):
        if line["samples"] is None:
            unknown["frames"] = "the edit list plays pieces, or the index is too long"
        return line["samples"]  # type: ignore[no-any-return]
    if whole:
        return whole_pictures(stream)
    unknown["frames"] = "the container does not count frames"
    return None


def _interlaced(stream: Raw, order: str | None, unknown: dict[str, str]) -> bool | None:
    seen = fields_seen(stream.get("fields"))
    if seen is not None and is_woven(seen):
        return True
    if order is not None:
        return order != "progressive"
    if stream["codec"] in NEVER_INTERLACED:
        return False
    if (seen := stream.get("interlaced_frame")) is not None:
        return bool(seen)
    unknown["interlaced"] = "the stream does not say, and no frame was decoded"
    return None


def _dynamic_range(stream: Raw) -> DynamicRange:
    """
    By transfer function; Dolby Vision only where its base layer is nothing else.

    Compatibility id 0 means that there is none (Dolby Vision streams within ISO base
    media, table 4): profile 5 and its like.
    """
    dovi = stream.get("dovi")
    if dovi and dovi[1] == 0 and stream.get("color_transfer") != 18:  # noqa: PLR2004
        return DynamicRange.DOLBY_VISION
    transfer = TRANSFERS.get(stream.get("color_transfer", 2), "")
    return HDR_TRANSFERS.get(transfer, DynamicRange.SDR)


def _keys(
    stream: Raw,
    start: float | None,
    duration: float | None,
    unknown: dict[str, str],
    *,
    whole: bool,
) -> tuple[tuple[float, ...] | None, float | None]:
    """Keyframe times and the longest distance between two, or to the end."""
    packets = stream.get("packets") or {}
    keys: list[float] | None
    if line := stream.get("timeline"):
        keys = line["keys"]
        reason = "there are too many, or the edit list plays pieces"
    elif jumps(stream):
        keys, reason = None, "its clock jumps"
    elif whole:
        keys, reason = packets.get("keys"), ""
    else:
        keys, reason = stream.get("index_keys"), "the container has no index of them"
        seen = packets.get("keys") or []
        # An index that leaves out keyframes we met ourselves is no index of them.
        if not keys or len(keys) <= len(seen) or not set(seen) <= set(keys):
            keys = None
    if not keys:
        unknown["keyframe_seconds"] = reason or "no keyframe was found"
        unknown["longest_gop_seconds"] = unknown["keyframe_seconds"]
        return None, None
    ends = [*keys, (start or 0.0) + duration] if duration is not None else keys
    longest = max((b - a for a, b in pairwise(ends)), default=None)
    return tuple(round(k, 6) for k in keys), None if longest is None else round(
        longest, 6
    )


def _closed(stream: Raw, unknown: dict[str, str]) -> bool | None:
    verdicts = stream.get("closed") or []
    line, packets = stream.get("timeline") or {}, stream.get("packets") or {}
    if line.get("intra_only") or packets.get("intra_only"):
        return True
    if not verdicts:
        unknown["closed_gops"] = "no keyframe of a known kind was looked at"
        return None
    return all(verdicts)
