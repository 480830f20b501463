"""Finished files → tracks: each packet read once, groups of pictures decoded."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract import AudioRendition, OutputFile, Task, VideoRendition
from .playlists import BrokenPlaylist, read_media_playlist
from .segments import BrokenSegment, Segment, TrackHeader, read_header, read_segment
from .tracks import Colour, Decoded, Track

if TYPE_CHECKING:
    import av.container
    import av.packet
    import av.stream

_LONGEST_GROUP = 600
"""Packets of one group that are kept or decoded at most; bounds memory and time where
a copied stream has a single keyframe."""
_AUDIO_GROUP = 64
"""Audio packets that are decoded together."""
_MOST_SAMPLES = 8
_SAMPLED_SHARE = 0.04
"""Of the duration, between first and last group: decoding costs about a tenth of
encoding, so this adds less than half a percent."""
_MANY_GROUPS = 8
"""From here on at least one group between first and last is decoded."""
_MOST_PROBLEMS = 3
_DEMUXERS = {"mp4": "mov", "webm": "matroska", "ogg": "ogg"}
_RANGES = {1: "tv", 2: "pc"}
# The code points of ITU-T H.273 (07/2021), tables 2 to 4, by ffmpeg's names.
_PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "jedec-p22",
}
_TRANSFERS = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    11: "iec61966-2-4",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
_SPACES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
}


def read_cmaf(
    task: Task, plan: VideoRendition | AudioRendition, index: int, *, staging: Path
) -> Track | str:
    """One CMAF rendition in playlist order; a sentence where it cannot be read."""
    kind = "video" if isinstance(plan, VideoRendition) else "audio"
    place = f"{kind}/{plan.name}"
    folder = staging / place
    stream = None
    try:
        header_name, names = _segment_names(folder)
        header = read_header(folder / header_name)
        paths = [folder / name for name in names]
        segments = tuple(read_segment(path, header) for path in paths)
        stream = _Joined([folder / header_name, *paths])
        with _open(stream, "mov") as container:
            reader = _readers(task, [plan], container, offset=index)[0]
            for packet in container.demux():
                reader.take(packet)
            track = reader.track(place, header=header, segments=segments)
    except (OSError, UnicodeDecodeError, BrokenPlaylist, BrokenSegment) as exc:
        return f"{place}: {_said(exc)}"
    except _errors() as exc:
        return f"{place} cannot be read: {_said(exc)}"
    finally:
        if stream is not None:
            stream.close()
    return track


def read_file(
    task: Task, file: OutputFile, *, staging: Path
) -> tuple[list[Track], list[str]]:
    """All renditions in one self-contained file, and what is wrong with it."""
    recipe = task.recipe
    names = ([] if file.video is None else [file.video]) + list(file.audio)
    plans = {plan.name: plan for plan in (*recipe.video, *recipe.audio)}
    try:
        with (
            (staging / file.name).open("rb") as stream,
            _open(stream, _DEMUXERS[file.container]) as container,
        ):
            readers = _readers(task, [plans[name] for name in names], container)
            for packet in container.demux():
                readers[packet.stream_index].take(packet)
            return [reader.track(file.name) for reader in readers], []
    except (OSError, BrokenSegment) as exc:
        return [], [f"{file.name}: {_said(exc)}"]
    except _errors() as exc:
        return [], [f"{file.name} cannot be read: {_said(exc)}"]


def picture_size(path: Path) -> tuple[int, int] | str:
    """Width and height of a still that decodes; a sentence where it does not."""
    try:
        with path.open("rb") as stream, _open(stream, "mjpeg") as container:
            for frame in container.decode(video=0):
                if not frame.is_corrupt:
                    return frame.width, frame.height
    except OSError as exc:
        return _said(exc)
    except _errors() as exc:
        return f"it does not decode ({_said(exc)})"
    return "no picture in it decodes"


def _segment_names(folder: Path) -> tuple[str, list[str]]:
    path = folder / "index.m3u8"
    if path.exists():
        playlist = read_media_playlist(path.read_text(encoding="utf-8"))
        header, names = playlist.header, [entry.uri for entry in playlist.entries]
    else:  # DASH alone has no playlist of its own for each rendition
        header, names = "init.mp4", sorted(one.name for one in folder.glob("*.m4s"))
    if not names:
        msg = "it has no segments"
        raise BrokenSegment(msg)
    return header, names


class _Joined:
    """Files as one stream, one of them open at a time. Not seekable."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = iter(paths)
        self._open: io.BufferedReader | None = None

    def read(self, size: int) -> bytes:
        while True:
            if self._open is None:
                path = next(self._paths, None)
                if path is None:
                    return b""
                self._open = path.open("rb")
            if data := self._open.read(size):
                return data
            self.close()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _open(stream: Any, demuxer: str) -> av.container.InputContainer:
    import av  # noqa: PLC0415  loading is billed: at first use only

    # Always a forced demuxer: a file object obeys no whitelist of protocols, and a
    # text that calls itself .mp4 must not be taken for a playlist.
    return av.open(stream, format=demuxer, metadata_errors="replace")


def _errors() -> tuple[type[Exception], ...]:
    import av  # noqa: PLC0415  as above

    # ValueError: what PyAV itself says of streams without a codec.
    return av.FFmpegError, ValueError, AttributeError


def _said(exc: BaseException) -> str:
    if isinstance(exc, FileNotFoundError) and exc.filename:
        return f"{Path(exc.filename).name} is missing"
    return str(exc) or type(exc).__name__


def _readers(
    task: Task,
    plans: Sequence[VideoRendition | AudioRendition],
    container: av.container.InputContainer,
    *,
    offset: int = 0,
) -> list[_Reader]:
    kinds = [stream.type for stream in container.streams]
    wanted = ["video" if isinstance(p, VideoRendition) else "audio" for p in plans]
    if kinds != wanted:
        found, planned = " + ".join(kinds) or "nothing", " + ".join(wanted)
        msg = f"it holds {found} where {planned} was planned"
        raise BrokenSegment(msg)
    return [
        _Reader(task, plan, stream, offset + index)
        for index, (plan, stream) in enumerate(
            zip(plans, container.streams, strict=True)
        )
    ]


class _Reader:
    """Collects one stream's packets and has those groups decoded that are due."""

    def __init__(
        self,
        task: Task,
        plan: VideoRendition | AudioRendition,
        stream: av.stream.Stream,
        index: int,
    ) -> None:
        self._plan, self._stream = plan, stream
        self._is_video = isinstance(plan, VideoRendition)
        self._decoder = _Decoder(stream, full=task.recipe.verify == "full")
        self._due = _sample_times(task, index)
        self._packets = self._bytes = 0
        self._times = array("q")
        self._last = (0, 0)
        self._previous: int | None = None
        self._in_order = True
        self._keys: list[int] = []

    def take(self, packet: av.packet.Packet) -> None:
        """Count one packet; the demuxer's end marker closes the last group."""
        when = packet.dts if packet.pts is None else packet.pts
        if when is None:
            self._decoder.end()
            return
        if not self._packets or (
            packet.is_keyframe if self._is_video else self._packets % _AUDIO_GROUP == 0
        ):
            self._decoder.begin(when, due=self._is_due(when))
        order = when if packet.dts is None else packet.dts
        if self._previous is not None and order <= self._previous:
            self._in_order = False
        self._previous = order
        if not packet.is_discard:
            if not self._times or when >= self._last[0]:
                self._last = (when, packet.duration or 0)
            self._times.append(when)
        if packet.is_keyframe:
            self._keys.append(when)
        self._packets += 1
        self._bytes += packet.size
        self._decoder.take(packet)

    def _is_due(self, when: int) -> bool:
        passed = [time for time in self._due if time <= when * self._stream.time_base]
        self._due = self._due[len(passed) :]
        return bool(passed) or not self._packets

    def track(
        self,
        place: str,
        *,
        header: TrackHeader | None = None,
        segments: tuple[Segment, ...] = (),
    ) -> Track:
        """What was read. Raises BrokenSegment where two readings disagree."""
        if not self._times:
            msg = f"{self._plan.name} holds no packet that is shown"
            raise BrokenSegment(msg)
        base, times, keys = Fraction(self._stream.time_base), self._times, self._keys
        last, length = self._last
        start = min(times) * base
        if header is not None:
            listed = sum(len(segment.times) for segment in segments)
            size = sum(sum(segment.sizes) for segment in segments)
            if (listed, size) != (self._packets, self._bytes):
                msg = (
                    f"its boxes list {listed} packets of {size} bytes, reading it "
                    f"gives {self._packets} of {self._bytes}"
                )
                raise BrokenSegment(msg)
            base = Fraction(1, header.timescale)
            times = array("q", [time for one in segments for time in one.times])
            keys = [one.times[index] for one in segments for index in one.keyframes]
            last, length = max(
                pair for one in segments for pair in zip(one.times, one.durations)
            )
        ordered = array("q", sorted(times))
        if not length:
            length = ordered[-1] - ordered[-2] if len(ordered) > 1 else 0
        context = self._stream.codec_context
        video = self._is_video
        return Track(
            plan=self._plan,
            place=place,
            codec=context.codec.canonical_name,
            time_base=base,
            times=ordered,
            length=length,
            in_order=self._in_order,
            keyframes=tuple(sorted(keys)),
            packets=self._packets,
            media_bytes=self._bytes
            if header is None
            else header.bytes + sum(segment.bytes for segment in segments),
            demuxed_start=start,
            decoded=self._decoder.result(),
            width=context.width if video else None,
            height=context.height if video else None,
            sample_aspect_ratio=context.sample_aspect_ratio if video else None,
            sample_rate=None if video else context.sample_rate,
            channels=None if video else context.channels,
            header=header,
            segments=segments,
        )


class _Decoder:
    """
    Decodes groups of pictures, each from an empty decoder to its last picture.

    A group that is not due is kept until the next one begins, because it may turn out
    to be the last, which is always decoded.
    """

    def __init__(self, stream: av.stream.Stream, *, full: bool) -> None:
        self._context: Any = stream.codec_context
        self._is_video = stream.type == "video"
        self._base = Fraction(stream.time_base)
        self._full = full
        self._decoding = False
        self._kept: list[av.packet.Packet] = []
        self._group_at = 0
        self._fed = self._came = 0
        self._frames = self._errors = 0
        self._problems: list[str] = []
        self._first: Any = None
        self._sizes: set[tuple[int, int]] = set()
        # One thread: several have been seen to lock up for ever on a damaged stream.
        # Errors are to be counted and not painted over; no pixel is looked at, so
        # deblocking (a quarter of the time, measured) is left out.
        self._context.thread_count = 1
        self._context.options = {"err_detect": "explode", "skip_loop_filter": "all"}

    def begin(self, when: int, *, due: bool) -> None:
        """Start a group; the one before it is complete."""
        self._finish()
        self._kept.clear()
        self._group_at, self._decoding = when, due or self._full

    def take(self, packet: av.packet.Packet) -> None:
        if not self._decoding and len(self._kept) < _LONGEST_GROUP:
            self._kept.append(packet)
        elif self._decoding and (self._full or self._fed < _LONGEST_GROUP):
            self._feed(packet)

    def end(self) -> None:
        """The last group is complete."""
        for packet in self._kept:
            self._feed(packet)
        self._kept.clear()
        self._finish()

    def result(self) -> Decoded:
        first = self._first
        colour = Colour()
        if first is not None and self._is_video:
            colour = _colour(first)
        return Decoded(
            frames=self._frames,
            errors=self._errors,
            problems=tuple(self._problems),
            pixel_format=first.format.name if first is not None else None,
            colour=colour,
            sizes=frozenset(self._sizes),
        )

    def _feed(self, packet: av.packet.Packet | None) -> None:
        if packet is not None and not packet.is_discard:
            self._fed += 1
        try:
            frames = self._context.decode(packet)
        except _errors() as exc:
            self._wrong(f"it does not decode ({_said(exc)})", 1)
            return
        for frame in frames:
            self._came += 1
            if frame.is_corrupt:
                self._wrong("a frame is damaged", 1)
            if self._first is None:
                self._first = frame
            if self._is_video:
                self._sizes.add((frame.width, frame.height))

    def _finish(self) -> None:
        if not self._fed:
            return
        before = self._errors
        self._feed(None)
        # Of sound, the first packets of a group prime the decoder and are dropped.
        missing = self._fed - self._came
        if missing > 0 and self._is_video and self._errors == before:
            self._wrong(f"{missing} of {self._fed} frames do not come out", missing)
        self._frames += self._came
        self._fed = self._came = 0
        self._context.flush_buffers()

    def _wrong(self, what: str, count: int) -> None:
        self._errors += count
        text = f"{what} in the group at {float(self._group_at * self._base):.3f} s"
        if text not in self._problems and len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(text)


def _sample_times(task: Task, index: int) -> list[Fraction]:
    """When groups are decoded; each rendition at other times, so more is seen."""
    seconds = Fraction(task.media.duration_seconds or 0)
    group = Fraction(task.recipe.gop_seconds)
    if group <= 0:
        return []
    count = min(_MOST_SAMPLES, int(seconds * Fraction(_SAMPLED_SHARE) / group))
    if not count and seconds >= _MANY_GROUPS * group:
        count = 1
    streams = len(task.recipe.video) + len(task.recipe.audio)
    phase = Fraction(index + 1, streams + 1)
    return [seconds * (number + phase) / count for number in range(count)]


def _colour(frame: Any) -> Colour:
    return Colour(
        range=_RANGES.get(frame.color_range),
        primaries=_PRIMARIES.get(frame.color_primaries),
        transfer=_TRANSFERS.get(frame.color_trc),
        space=_SPACES.get(frame.colorspace),
    )
