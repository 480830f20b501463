"""Facts of one stream as the demuxer knows them, in plain values that fit JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from .nal import progressive

_SECTION = re.compile(r"^  Stream #0:(\d+)", re.MULTILINE)
_PROGRAM = re.compile(r"^  Program (\d+)")
_ROTATION = re.compile(r"[Dd]isplay ?[Mm]atrix: rotation of (-?[\d.]+) degrees")
_CROP = re.compile(r"Frame [Cc]ropping: (\d+)/(\d+)/(\d+)/(\d+)")
"""Left, right, top, bottom."""
_DOVI = re.compile(
    r"DOVI configuration record:.*?profile: (\d+).*?compatibility id: (\d+)"
)
_ONE = re.compile(r"1 channels? \((\w+)\)")
_CHANNELS = {
    **dict.fromkeys(("left", "l", "front left", "fl", "stereo left"), "FL"),
    **dict.fromkeys(("right", "r", "front right", "fr", "stereo right"), "FR"),
    **dict.fromkeys(("center", "centre", "c", "fc", "front center"), "FC"),
    **dict.fromkeys(("lfe", "low frequency", "sub", "subwoofer"), "LFE"),
    **dict.fromkeys(("left surround", "ls", "back left", "side left"), "BL"),
    **dict.fromkeys(("right surround", "rs", "back right", "side right"), "BR"),
}
_UNNAMED = re.compile(
    r": (Video|Audio): \w+ \((\S+) / 0x[0-9A-Fa-f]+\)(?:.*?(\d+)x(\d+))?"
)


def sections(dump: str) -> dict[int, str]:
    """
    What libavformat prints of each stream, by index.

    PyAV 18 gives no other access to a stream's side data, nor to the tag and size of
    a codec it has no name for.
    """
    found = list(_SECTION.finditer(dump))
    ends = [m.start() for m in found[1:]] + [len(dump)]
    return {
        int(m[1]): dump[m.start() : end] for m, end in zip(found, ends, strict=True)
    }


def programs(dump: str) -> dict[int, int]:
    """Stream index → number of the program that it belongs to, where there are any."""
    found: dict[int, int] = {}
    number = None
    for line in dump.splitlines():
        if program := _PROGRAM.match(line):
            number = int(program[1])
        elif line.startswith("  No Program"):
            number = None
        elif (stream := _SECTION.match(line)) and number is not None:
            found[int(stream[1])] = number
    return found


def _channel(layout: str | None, metadata: Mapping[str, str]) -> str | None:
    """What a mono track is one channel of, by its layout or somebody's name for it."""
    if layout is not None and (one := _ONE.fullmatch(layout)):
        return one[1]
    if layout not in {"mono", "1 channels"}:
        return None
    for name in ("title", "handler_name"):
        words = metadata.get(name, "").strip().lower()
        if words in _CHANNELS:
            return _CHANNELS[words]
    return None


def describe(
    stream: Any, text: str, pixel_format: Any, *, told_end: bool = False
) -> dict[str, Any]:
    """
    One stream; `pixel_format(name)` gives libav's descriptor of a pixel format.

    *told_end*: Matroska's `DURATION` tag says when it ends, counted from 0, and not how
    long it lasts: `mkv_write_packet_internal` of libavformat beside the statistics
    of mkvmerge, which are from a track's first timestamp to its last.
    """
    codec = stream.codec_context
    metadata: Mapping[str, str] = stream.metadata
    facts: dict[str, Any] = {
        "index": stream.index,
        "id": stream.id,
        "type": stream.type,
        "codec": codec.codec.canonical_name if codec is not None else None,
        "decodable": codec is not None and codec.codec.is_decoder,
        "disposition": [
            d.name for d in type(stream.disposition) if d in stream.disposition
        ],
        "language": stream.language,
        "title": metadata.get("title"),
        "time_base": _ratio(stream.time_base),
        "start": _seconds(stream.start_time, stream.time_base),
        "duration": _seconds(stream.duration, stream.time_base)
        or _tagged(stream, told_end=told_end),
        "ends": _clock(stream.metadata.get("DURATION")) if told_end else None,
        "frames": stream.frames or None,
        "bit_rate": None,
        "profile": None,
    }
    if (unnamed := _UNNAMED.search(text)) and facts["codec"] in (None, "none"):
        facts["codec"] = unnamed[2]
        facts["decodable"] = False
    if codec is None:
        if unnamed and unnamed[3]:
            facts.update(width=int(unnamed[3]), height=int(unnamed[4]))
        return facts
    if stream.type in {"video", "audio"}:
        facts["bit_rate"] = codec.bit_rate or None
        facts["profile"] = codec.profile
    if stream.type == "video":
        facts.update(_picture(stream, codec, metadata, text, pixel_format))
    elif stream.type == "audio":
        layout = codec.layout.name if codec.channels else None
        facts.update(
            sample_rate=codec.sample_rate or None,
            channels=codec.channels or None,
            layout=None if layout is None or "channels" in layout else layout,
            channel=_channel(layout, metadata),
        )
    elif stream.type == "attachment":
        facts["mimetype"] = metadata.get("mimetype")
    return facts


def _picture(
    stream: Any, codec: Any, metadata: Mapping[str, str], text: str, pixel_format: Any
) -> dict[str, Any]:
    rotation = _ROTATION.search(text)
    crop = _CROP.search(text)
    dovi = _DOVI.search(text)
    facts = {
        "width": codec.width,
        "height": codec.height,
        "level": codec.level if codec.level > 0 else None,
        "sar": _ratio(stream.sample_aspect_ratio),
        "coded_sar": _ratio(codec.sample_aspect_ratio),
        "average_rate": _ratio(stream.average_rate),
        "base_rate": _ratio(stream.base_rate),
        "color_range": codec.color_range,
        "color_primaries": codec.color_primaries,
        "color_transfer": codec.color_trc,
        "color_space": codec.colorspace,
        "field_order": codec.field_order,
        "has_b_frames": bool(codec.has_b_frames),
        "rotation": float(rotation[1]) if rotation else 0.0,
        "crop": [int(side) for side in crop.groups()] if crop else None,
        "dovi": [int(dovi[1]), int(dovi[2])] if dovi else None,
        "alpha_mode": metadata.get("alpha_mode") == "1",
    }
    if not codec.field_order:
        frames = progressive(codec.codec.canonical_name, codec.extradata)
        facts["interlaced_frame"] = None if frames is None else not frames
    return facts | pixels(codec.pix_fmt, pixel_format)


def pixels(name: str | None, pixel_format: Any) -> dict[str, Any]:
    """Pixel format, bit depth and alpha from libav's own description."""
    if name is None:
        return {"pixel_format": None, "bit_depth": None, "alpha": False}
    parts = pixel_format(name).components
    return {
        "pixel_format": name,
        "bit_depth": max((part.bits for part in parts), default=None),
        "alpha": any(part.is_alpha for part in parts),
    }


def _ratio(value: Fraction | None) -> str | None:
    return f"{value.numerator}/{value.denominator}" if value else None


def _seconds(ticks: int | None, base: Fraction | None) -> float | None:
    return None if ticks is None or base is None else float(ticks * base)


def _tagged(stream: Any, *, told_end: bool) -> float | None:
    """By Matroska's own tag, seconds."""
    seconds = _clock(stream.metadata.get("DURATION"))
    if seconds is None or not told_end:
        return seconds
    start = _seconds(stream.start_time, stream.time_base)
    if start is None:
        return None
    return seconds - max(start, 0.0) if seconds > start else None


def _clock(text: str | None) -> float | None:
    """Matroska's own `DURATION` tag, `00:00:05.005000000`."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text or "")
    if found is None:
        return None
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) or None
