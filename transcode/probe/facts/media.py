"""Turns what the child saw into `Media`, believing no header that nothing bears out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ...contract import (
    AudioStream,
    Media,
    OtherStream,
    SubtitleStream,
    Truncation,
    VideoStream,
)
from ...contract.value import ratio
from ...errors import MediaRejected, MediaTruncated, MediaUnsupported
from ...media.codecs import BITMAP_SUBTITLES
from .audio import audio_stream
from .shape import believable
from .times import guessed, jumps, language, raw_frames
from .truncation import truncation
from .video import video_stream

_STILL = frozenset({"attached_pic", "still_image", "timed_thumbnails"})
_MOST_PIXELS = 16384 * 8704
"""Pixels of a picture: what H.265's highest level (7.2) and AV1's (7.3) allow."""
_BRANDS = {"qt": "mov", "M4A": "m4a", "M4B": "m4a", "M4V": "mp4", "f4v": "f4v"}
_NAMES = {"matroska": "matroska", "asf": "asf", "mpeg": "mpegps"}
_CLOCKED: Mapping[str, float] = {"matroska": 1.0, "nut": math.inf, "asf": 0.0}
"""Demuxers of which every tool takes the same moment for 0, whatever it read before,
and how far that may be from where anything begins: above, it is no neighbour but a
mistake. Of reordered pictures in NUT libav tells no beginning, or a later one; in ASF
none, where they are alone."""
_LONGEST_SECONDS = 31 * 86_400.0
"""Nobody records more into one file; its segments would be planned for ever."""
_LEAST_APART = 0.001
"""Seconds: below, a clock's rounding."""
_BROKEN = "video of which no frame can be decoded"

Raw = Mapping[str, Any]


def media_from(
    raw: Raw, *, seconds: float | None = None, accept_partial: bool = False
) -> Media:
    """
    The facts of one upload.

    `raw` is the child's answer, `seconds` what it took. Raises `MediaRejected` where
    nothing can be played, `MediaUnsupported` where nothing can be decoded here, and
    `MediaTruncated` where the file was certainly cut off; with `accept_partial` that
    is `truncated`, and durations are no promise.
    """
    warnings = list(raw["notes"])
    truncated = truncation(raw)
    if truncated is not None and raw["index"] and not accept_partial:
        # What lies past the end may be why nothing before it can be played.
        raise _cut(raw, truncated)
    video: list[VideoStream] = []
    audio: list[AudioStream] = []
    subtitles: list[SubtitleStream] = []
    others: list[OtherStream] = []
    for stream in raw["streams"]:
        if (other := _set_aside(stream, raw)) is not None:
            others.append(other)
        elif stream["type"] == "video":
            video.append(video_stream(stream, whole=bool(raw.get("whole"))))
        elif stream["type"] == "audio":
            audio.append(audio_stream(stream))
        else:
            subtitles.append(_subtitle(stream))
    _refuse_unplayable(raw, video, audio, others)
    if truncated is not None and not accept_partial:
        raise _cut(raw, truncated)
    warnings += _warnings(raw, others)
    duration, start, doubt = _duration(raw, [*video, *audio])
    if duration is not None and duration > _LONGEST_SECONDS:
        raise MediaRejected(
            f"Its times are damaged: by them it lasts {duration / 86_400:.0f} days.",
            duration_seconds=duration,
        )
    if doubt:
        warnings.append(doubt)
    index = raw["index"] or {}
    bit_rate = round(raw["size"] * 8 / duration) if duration else None
    return Media(
        container=_container(raw),
        format_name=raw["format"].split(",")[0],
        bytes=raw["size"],
        duration_seconds=duration,
        duration_estimated=truncated is not None or any(map(guessed, raw["streams"])),
        truncated=truncated,
        end_unmarked=bool(raw.get("unmarked")),
        start_seconds=start,
        clock_seconds=_clock(raw, start),
        fragmented=index.get("fragmented"),
        faststart=index.get("faststart"),
        bit_rate=bit_rate,
        video=tuple(video),
        audio=tuple(audio),
        subtitles=tuple(subtitles),
        others=tuple(others),
        warnings=tuple(warnings),
        probe_bytes=raw["bytes_read"],
        probe_seconds=seconds,
        unknown={}
        if duration
        else {"duration_seconds": "nothing in the file tells it"},
    )


def _cut(raw: Raw, truncated: Truncation) -> MediaTruncated:
    return MediaTruncated(
        f"The file was cut off: {truncated.reason}; upload it again, or have what "
        "is left of it made (run it with --accept-partial).",
        bytes=raw["size"],
        promised_seconds=truncated.promised_seconds,
    )


def _container(raw: Raw) -> str:
    name = str(raw["format"]).split(",")[0]
    if raw["doctype"]:
        return str(raw["doctype"])
    if name == "mov":
        brand = (raw["index"] or {}).get("brand") or "qt"
        return "3gp" if brand.startswith("3g") else _BRANDS.get(brand, "mp4")
    return _NAMES.get(name, name)


def _set_aside(stream: Raw, raw: Raw) -> OtherStream | None:
    """What is listed and left alone, and why; None for picture, sound and text."""
    index, kind, codec = stream["index"], stream["type"], stream["codec"]
    if kind == "video" and _STILL & set(stream["disposition"]):
        return OtherStream(
            index=index, kind="cover_art", codec=codec, reason="a still picture"
        )
    if kind == "subtitle":
        return None
    if kind == "attachment":
        reason = f"an attached file ({stream.get('mimetype') or 'type not given'})"
        return OtherStream(index=index, kind="attachment", codec=codec, reason=reason)
    if kind not in {"video", "audio"}:
        return OtherStream(
            index=index, kind="data", codec=codec, reason="neither picture nor sound"
        )
    if (fault := _fault(stream, raw)) is None:
        return None
    return OtherStream(index=index, kind="unknown", codec=codec, reason=fault)


def _fault(stream: Raw, raw: Raw) -> str | None:
    """Why a picture or sound stream cannot be one."""
    index = raw["index"]
    none_stored = stream.get("stored") == 0 and index and index["complete"]
    none_met = raw.get("whole") and stream.get("packets", {}).get("count") == 0
    if none_stored or (none_met and not stream.get("unindexed")):
        return f"{stream['type']} without samples"
    if stream.get("unindexed"):
        return f"{stream['type']} whose index is damaged"
    if stream["type"] == "audio":
        # Without either, not even the decoder knew what it was.
        missing = not stream.get("sample_rate") and stream["decodable"]
        return "sound of unknown sample rate" if missing else None
    pixels = (stream.get("width") or 0) * (stream.get("height") or 0)
    if pixels <= 0:
        return "video of unknown or impossible picture size"
    unseen = stream.get("decode_error") and not stream.get("pixel_format")
    if unseen or stream.get("pictureless"):
        return _BROKEN
    return None


def _refuse_unplayable(
    raw: Raw,
    video: list[VideoStream],
    audio: list[AudioStream],
    others: list[OtherStream],
) -> None:
    for picture in video:
        if picture.width * picture.height > _MOST_PIXELS:
            raise MediaUnsupported(
                f"Stream {picture.index} claims {picture.width}×{picture.height} "
                f"pixels; no codec level goes beyond 16384×8704.",
                width=picture.width,
                height=picture.height,
            )
    for stream in raw["streams"]:
        if _begins_before_zero(stream, raw):
            raise MediaUnsupported(
                f"The picture (stream {stream['index']}) begins before the container's "
                "zero, and nothing here reads times there; write it again with times "
                "from 0 on.",
                stream=stream["index"],
            )
        if stream.get("disordered") and not _evenly_timed(stream, video):
            raise MediaUnsupported(
                f"The picture (stream {stream['index']}) is stored in another order "
                "than it is shown in, and the file does not say when each is shown "
                "(no ctts); write it again with presentation times.",
                stream=stream["index"],
            )
    broken = [o for o in others if o.reason == _BROKEN]
    if broken and not video:
        raise MediaRejected(
            f"Its picture (stream {broken[0].index}, {broken[0].codec}) is damaged: "
            "not one of its first frames can be decoded.",
            stream=broken[0].index,
        )
    if not video and not audio:
        empty = [o.reason for o in others if o.kind == "unknown"]
        raise MediaRejected(
            "The file holds no picture and no sound that could be played"
            + (f": {', '.join(dict.fromkeys(empty))}." if empty else "."),
            streams=len(raw["streams"]),
        )
    playable = [s for s in raw["streams"] if s["type"] in {"video", "audio"}]
    if playable and all(s.get("encrypted") for s in playable):
        raise MediaUnsupported("The media are encrypted; upload them in the clear.")
    streams: list[VideoStream | AudioStream] = [*video, *audio]
    if not any(s.decodable for s in streams):
        codecs = sorted({s.codec for s in streams})
        raise MediaUnsupported(
            f"No decoder here knows {', '.join(codecs)}; upload it in another one.",
            codecs=codecs,
        )


def _evenly_timed(stream: Raw, video: list[VideoStream]) -> bool:
    """Whether it is enough to count its pictures: an edit would take out any."""
    one = next((it for it in video if it.index == stream["index"]), None)
    whole = stream["timeline"]["samples"] == stream["stored"]
    return one is None or (whole and one.retimed == "count")


def _begins_before_zero(stream: Raw, raw: Raw) -> bool:
    """
    Whether some pictures of Matroska have no time.

    Each block has one, but libavformat drops those below 0 (`matroska_parse_block`).
    Sound gets them from its lengths, what is reordered cannot.
    """
    packets = stream.get("packets") or {}
    timed = packets.get("untimed", 0) < packets.get("count", 0)
    matroska = raw["format"].split(",")[0] == "matroska"
    return (
        matroska
        and stream["type"] == "video"
        and bool(packets.get("untimed"))
        and timed
    )


def _warnings(raw: Raw, others: list[OtherStream]) -> list[str]:
    said = [
        f"stream {o.index} is left out: {o.reason}"
        for o in others
        if o.kind == "unknown"
    ]
    if raw.get("packet_errors"):
        said.append(f"{raw['packet_errors']} damaged packets were met")
    for stream in raw["streams"]:
        said += [f"stream {stream['index']} {doubt}" for doubt in _doubts(stream)]
    if left := raw.get("leftover"):
        share = left[1] / raw["size"]
        said.append(
            f"{left[1]} of its bytes ({share:.0%}), from byte {left[0]} on, belong to"
            " nothing that is played; they are left out"
        )
    if index := raw["index"]:
        if index["cut_bytes"] and not raw.get("leftover"):
            said.append(f"the last box ends {index['cut_bytes']} bytes past the file")
        if index["protected"] and not any(s.get("encrypted") for s in raw["streams"]):
            said.append("some of it is marked as encrypted")
        if not index["complete"]:
            said.append("the index was read in part only")
    return said


_ESTIMATED = {
    "varies": "has a rate that varies, and no index; its duration is estimated",
    "live": "was recorded without a length or an index; its duration is estimated",
    "joined": "is several recordings in a row; their duration is estimated",
}


def _doubts(stream: Raw) -> Iterator[str]:
    if reason := stream.get("decode_error"):
        yield f"gave no first frame: {reason}"
    if stream.get("encrypted"):
        yield "is encrypted"
    if jumps(stream):
        yield "has a clock that jumps; its duration is estimated"
    if raw_frames(stream):
        yield "has neither times nor index; its duration is estimated from its bytes"
    yield from (said for why, said in _ESTIMATED.items() if stream.get(why))
    if stream.get("rotation", 0) % 90:
        yield f"is turned by {stream['rotation']:g} degrees; the nearest quarter counts"
    aspect = ratio(stream.get("sar") or "1")
    if not believable(aspect):
        yield f"claims pixels of {aspect}; they are taken for square"
    if (stream.get("timeline") or {}).get("several_edits"):
        yield "is an edit of several pieces; frames and keyframes are not counted"


def _duration(
    raw: Raw, streams: list[VideoStream | AudioStream]
) -> tuple[float | None, float | None, str | None]:
    """(duration, start, doubt): from the streams' own times, the header only last."""
    timed = (s for s in streams if s.duration_seconds is not None)
    spans = [(s.start_seconds or 0.0, s.duration_seconds or 0.0) for s in timed]
    claimed = raw["duration"]
    if not spans:
        doubt = "the duration is the header's word alone" if claimed else None
        return claimed, raw["start"], doubt
    # What nobody knows the length of begins, too.
    start = min(it.start_seconds or 0.0 for it in streams)
    duration = round(max(at + length for at, length in spans) - start, 6)
    if not duration:
        return None, start, None
    if claimed and abs(claimed - duration) > max(1.0, duration * 0.05):
        return (
            duration,
            start,
            f"the header claims {claimed:.1f} s, the samples last {duration:.1f} s",
        )
    return duration, start, None


def _clock(raw: Raw, start: float | None) -> float | None:
    clock: float | None = raw["start"]
    most = _CLOCKED.get(raw["format"].split(",")[0])
    if clock is not None and any(it.get("emerged") for it in raw["streams"]):
        return clock
    if start is None or most is None:
        return None
    if clock is None:
        # ffmpeg then takes the clock's own 0.
        return 0.0 if start > _LEAST_APART else None
    return clock if _LEAST_APART < abs(clock - start) < most else None


def _subtitle(stream: Raw) -> SubtitleStream:
    return SubtitleStream(
        index=stream["index"],
        codec=stream["codec"] or "unknown",
        text=stream["codec"] not in BITMAP_SUBTITLES,
        language=language(stream),
        title=stream["title"],
        default="default" in stream["disposition"],
        forced="forced" in stream["disposition"],
    )
