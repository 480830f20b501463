"""What probing learned, as text for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...contract import AudioStream, Media, SubtitleStream, VideoStream
from ...units import (
    UNKNOWN,
    bit_rate,
    duration,
    exact_rate,
    place,
    plural,
    printable,
    size,
    table,
)
from .legible import legible

_RANGES = {
    "sdr": "SDR",
    "hdr10": "HDR (HDR10)",
    "hlg": "HDR (HLG)",
    "dolby_vision": "HDR (Dolby Vision without a base layer others can show)",
}
_FIELD_ORDERS = {"tt": "top", "tb": "top", "bb": "bottom", "bt": "bottom"}

Rows = list[tuple[str, str]]


def media_text(uri: str, media: Media) -> str:
    """A block for the file and one for each stream; what is unknown says why."""
    media = legible(media)
    blocks = [_block(place(uri), _file(media))]
    blocks += [_block(_video_title(v), _video(v)) for v in media.video]
    blocks += [_block(_audio_title(a), _audio(a)) for a in media.audio]
    blocks += [_block(_subtitle_title(s), _subtitle(s)) for s in media.subtitles]
    others = [
        (
            f"stream {o.index}",
            f"{o.kind.replace('_', ' ')}, {o.codec or UNKNOWN}: {o.reason}",
        )
        for o in media.others
    ]
    if others:
        blocks.append(_block("Left alone", others))
    if media.warnings:
        blocks.append("Warnings\n" + "\n".join(f"  {w}" for w in media.warnings))
    return printable("\n\n".join(blocks))


def _block(title: str, rows: Rows) -> str:
    return f"{title}\n{table(rows)}"


def _file(media: Media) -> Rows:
    layout = []
    if media.fragmented is not None:
        layout.append("fragmented" if media.fragmented else "not fragmented")
    if media.faststart is not None:
        first = "first (fast start)" if media.faststart else "last"
        layout.append(f"index {first}")
    rows = [
        ("container", _join([media.container, *layout])),
        (
            "duration",
            _known(duration(media.duration_seconds), media, "duration_seconds"),
        ),
        ("size", f"{size(media.bytes)}, {bit_rate(media.bit_rate)}"),
    ]
    if media.probe_bytes is not None and media.probe_seconds is not None:
        read = f"{size(media.probe_bytes)} in {duration(media.probe_seconds)}"
        rows.append(("read", read))
    shown = {"duration_seconds", "bit_rate", "bytes"}
    return rows + _reasons(media.unknown, except_for=shown)


def _video_title(video: VideoStream) -> str:
    return f"Video, stream {video.index}{_flags(video.language, default=video.default)}"


def _video(video: VideoStream) -> Rows:
    level = None if video.level is None else f"level {video.level}"
    rows = [
        (
            "codec",
            _join([video.codec, video.profile, level, _decodable(video.decodable)]),
        ),
        ("size", _picture_size(video)),
        ("frame rate", _frame_rate(video)),
        ("frames", _frames(video)),
        (
            "duration",
            _known(duration(video.duration_seconds), video, "duration_seconds"),
        ),
        ("picture", _picture(video)),
        ("scan", _scan(video)),
        ("keyframes", _keyframes(video)),
    ]
    if video.bit_rate is not None:
        rows.append(("bit rate", bit_rate(video.bit_rate)))
    shown = {
        *("frame_rate", "variable_frame_rate", "frames", "duration_seconds"),
        *("pixel_format", "interlaced", "keyframe_seconds", "longest_gop_seconds"),
        *("closed_gops",),
    }
    return rows + _reasons(video.unknown, except_for=shown)


def _picture_size(video: VideoStream) -> str:
    notes = []
    if (video.width, video.height) != (video.display_width, video.display_height):
        notes.append(f"stored as {video.width}×{video.height}")
    if video.sample_aspect_ratio != 1:
        ratio = video.sample_aspect_ratio
        notes.append(f"pixels {ratio.numerator}:{ratio.denominator}")
    if video.rotation_degrees:
        notes.append(f"turned by {video.rotation_degrees}°")
    if video.mirrored:
        notes.append("mirrored")
    shown = f"{video.display_width}×{video.display_height} as seen"
    return f"{shown} ({_join(notes)})" if notes else shown


def _frame_rate(video: VideoStream) -> str:
    kinds = {True: "variable", False: "constant", None: None}
    kind = kinds[video.variable_frame_rate]
    if kind is None:
        kind = _known("variable or constant unknown", video, "variable_frame_rate")
    shown = exact_rate(video.frame_rate)
    if video.frame_rate is None:
        shown = _known(UNKNOWN, video, "frame_rate")
    elif video.variable_frame_rate:
        shown += " on average"
    return _join([shown, kind])


def _frames(video: VideoStream) -> str:
    if video.frames is None:
        return _known(UNKNOWN, video, "frames")
    return str(video.frames)


def _picture(video: VideoStream) -> str:
    depth = None if video.bit_depth is None else f"{video.bit_depth} bit"
    tags = (video.color_primaries, video.color_transfer, video.color_space)
    named = list(dict.fromkeys(tag for tag in tags if tag is not None))
    colours = "/".join(named) if named else "colours untagged"
    levels = {"tv": "limited range", "pc": "full range"}.get(video.color_range or "")
    return _join(
        [
            video.pixel_format or _known(UNKNOWN, video, "pixel_format"),
            depth,
            _RANGES[video.dynamic_range.value],
            colours,
            levels,
            "with transparency" if video.has_alpha else None,
        ]
    )


def _scan(video: VideoStream) -> str:
    if video.interlaced is None:
        return _known(UNKNOWN, video, "interlaced")
    if not video.interlaced:
        return "progressive"
    order = _FIELD_ORDERS.get(video.field_order or "")
    return _join(["interlaced", f"{order} field first" if order else None])


def _keyframes(video: VideoStream) -> str:
    count, longest = video.keyframe_seconds, video.longest_gop_seconds
    if count is None and longest is None:
        return _known(UNKNOWN, video, "keyframe_seconds")
    closed = {True: "closed GOPs", False: "open GOPs", None: None}[video.closed_gops]
    if closed is None:
        closed = _known("open or closed unknown", video, "closed_gops")
    return _join(
        [
            None if count is None else str(len(count)),
            None if longest is None else f"longest GOP {duration(longest)}",
            closed,
        ]
    )


def _audio_title(audio: AudioStream) -> str:
    flags = _flags(audio.language, default=audio.default, title=audio.title)
    return f"Audio, stream {audio.index}{flags}"


def _audio(audio: AudioStream) -> Rows:
    channels = None if audio.channels is None else plural(audio.channels, "channel")
    hertz = UNKNOWN if audio.sample_rate is None else f"{audio.sample_rate} Hz"
    rows = [
        ("codec", _join([audio.codec, audio.profile, _decodable(audio.decodable)])),
        ("sound", _join([hertz, audio.layout or channels or "channels unknown"])),
        (
            "duration",
            _known(duration(audio.duration_seconds), audio, "duration_seconds"),
        ),
    ]
    if audio.bit_rate is not None:
        rows.append(("bit rate", bit_rate(audio.bit_rate)))
    return rows + _reasons(audio.unknown, except_for={"duration_seconds"})


def _subtitle_title(subtitle: SubtitleStream) -> str:
    flags = _flags(subtitle.language, default=subtitle.default, title=subtitle.title)
    return f"Subtitles, stream {subtitle.index}{flags}"


def _subtitle(subtitle: SubtitleStream) -> Rows:
    kind = "text" if subtitle.text else "pictures"
    forced = "forced" if subtitle.forced else None
    return [("codec", _join([subtitle.codec, kind, forced]))]


def _flags(language: str | None, *, default: bool, title: str | None = None) -> str:
    parts = [language, f"“{title}”" if title else None, "default" if default else None]
    return "".join(f", {part}" for part in parts if part)


def _decodable(value: bool) -> str | None:  # noqa: FBT001 - reads a field
    return None if value else "cannot be decoded here"


def _known(shown: str, of: Media | VideoStream | AudioStream, field: str) -> str:
    """*shown*, and in parentheses why the field is not known, where it is not."""
    reason = of.unknown.get(field)
    return f"{shown} ({reason})" if reason else shown


def _reasons(unknown: Mapping[str, str], *, except_for: set[str]) -> Rows:
    left = sorted(set(unknown) - except_for)
    return [
        (name.removesuffix("_seconds").replace("_", " "), f"unknown ({unknown[name]})")
        for name in left
    ]


def _join(parts: Iterable[str | None]) -> str:
    return ", ".join(part for part in parts if part)
