"""Finished files → tracks: each packet read once, groups of pictures decoded."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ...contract import (
    AudioRendition,
    LoudnessFacts,
    OutputFile,
    Task,
    VideoRendition,
)
from ...media.demuxers import READS
from ..loudness import LoudnessMeter
from ..shown import ordered
from .cmaf import (
    BrokenSegment,
    TrackHeader,
    read_header,
    read_samples,
    shown_until,
)
from .decode import Decoder, SampleTimes, media_errors, open_media, said
from .playlists import BrokenPlaylist, read_names
from .sampling import near, sample_times, unheard
from .tracks import Track

if TYPE_CHECKING:
    import av.container
    import av.packet

    from .decode import AnyStream

Times: TypeAlias = Sequence[tuple[Fraction, int]]
_AUDIO_GROUP = 64
"""Audio packets that are decoded together."""


def read_cmaf(
    task: Task,
    plan: VideoRendition | AudioRendition,
    index: int,
    *,
    staging: Path,
    look: Times = (),
) -> Track | str:
    """
    One CMAF rendition in playlist order; a sentence where it cannot be read.

    At the times to *look*, in order and each with its number, pictures are kept where
    they are decoded.
    """
    kind = "video" if isinstance(plan, VideoRendition) else "audio"
    place = f"{kind}/{plan.name}"
    folder = staging / place
    stream = None
    try:
        named = read_names(folder)
        header = read_header(folder / named.header)
        paths = [folder / name for name in named.segments]
        boxes = _Boxes(header, paths)
        stream = _Joined([folder / named.header, *paths])
        with open_media(stream, "mov") as container:
            reader = _readers(task, [plan], container, look=look, offset=index)[0]
            for packet in container.demux():
                reader.take(packet)
            track = reader.track(place, boxes)
    except (OSError, UnicodeDecodeError, BrokenPlaylist, BrokenSegment) as exc:
        return f"{place}: {said(exc)}"
    except media_errors() as exc:
        return f"{place} cannot be read: {said(exc)}"
    finally:
        if stream is not None:
            stream.close()
    return track


def read_file(
    task: Task, file: OutputFile, *, staging: Path, look: Times = ()
) -> tuple[list[Track], list[str]]:
    """All renditions in one self-contained file, and what is wrong with it."""
    recipe = task.recipe
    names = ([] if file.video is None else [file.video]) + list(file.audio)
    plans: dict[str, VideoRendition | AudioRendition]
    plans = {plan.name: plan for plan in recipe.video}
    plans |= {plan.name: plan for plan in recipe.audio}
    try:
        with (
            (staging / file.name).open("rb") as stream,
            open_media(stream, READS[file.container]) as container,
        ):
            these = [plans[name] for name in names]
            readers = _readers(task, these, container, look=look)
            for packet in container.demux():
                # The end marker's own index is 0 whatever its stream is.
                readers[packet.stream.index].take(packet)
            exact = file.container == "mp4"
            return [reader.track(file.name, exact=exact) for reader in readers], []
    except (OSError, BrokenSegment) as exc:
        return [], [f"{file.name}: {said(exc)}"]
    except media_errors() as exc:
        return [], [f"{file.name} cannot be read: {said(exc)}"]


def picture_size(path: Path) -> tuple[int, int] | str:
    """Width and height of a still that decodes; a sentence where it does not."""
    try:
        with path.open("rb") as stream, open_media(stream, "mjpeg") as container:
            for frame in container.decode(video=0):
                if not frame.is_corrupt:
                    return frame.width, frame.height
    except OSError as exc:
        return said(exc)
    except media_errors() as exc:
        return f"it does not decode ({said(exc)})"
    return "no picture in it decodes"


class _Boxes:
    """What a rendition's own boxes say of its segments; see `cmaf`."""

    def __init__(self, header: TrackHeader, paths: Iterable[Path]) -> None:
        self.header = header
        self.times, self.keyframes = array("q"), array("q")
        segments = []
        for path in paths:
            samples = read_samples(path, header)
            segments.append(samples.segment)
            self.times.extend(samples.times)
            self.keyframes.extend(samples.keyframes)
        self.segments = tuple(segments)

    @property
    def bytes(self) -> int:
        """Of all files."""
        return self.header.bytes + sum(one.bytes for one in self.segments)

    @property
    def in_order(self) -> bool:
        """Decoding times strictly increase, from one segment to the next as well."""
        return all(one.in_order for one in self.segments) and all(
            before.decoded[1] < after.decoded[0]
            for before, after in pairwise(self.segments)
        )

    def compare(self, packets: int, size: int) -> None:
        """Raise BrokenSegment where reading the media gave something else."""
        listed = sum(one.samples for one in self.segments)
        said = sum(one.media_bytes for one in self.segments)
        if (listed, said) != (packets, size):
            msg = (
                f"its boxes list {listed} packets of {said} bytes, reading it gives "
                f"{packets} of {size}"
            )
            raise BrokenSegment(msg)


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


def _readers(
    task: Task,
    plans: Sequence[VideoRendition | AudioRendition],
    container: av.container.InputContainer,
    *,
    look: Times,
    offset: int = 0,
) -> list[_Reader]:
    kinds = [stream.type for stream in container.streams]
    wanted = ["video" if isinstance(p, VideoRendition) else "audio" for p in plans]
    if kinds != wanted:
        found, planned = " + ".join(kinds) or "nothing", " + ".join(wanted)
        msg = f"it holds {found} where {planned} was planned"
        raise BrokenSegment(msg)
    streams: tuple[AnyStream, ...]
    streams = (*container.streams.video, *container.streams.audio)
    return [
        _Reader(task, plan, stream, offset + index, look)
        for index, (plan, stream) in enumerate(zip(plans, streams, strict=True))
    ]


class _Reader:
    """Collects one stream's packets and has those groups decoded that are due."""

    def __init__(
        self,
        task: Task,
        plan: VideoRendition | AudioRendition,
        stream: AnyStream,
        index: int,
        look: Times,
    ) -> None:
        if stream.time_base is None:
            msg = f"{plan.name} does not say what its times count"
            raise BrokenSegment(msg)
        self._plan, self._stream, self._base = plan, stream, stream.time_base
        self._is_video = isinstance(plan, VideoRendition)
        # What is copied sounds as it did, and what others made as they heard it.
        self._heard = task.heard.get(plan.name)
        new = plan.made_by == "encoded" and self._heard is None
        self._meter = LoudnessMeter() if new and not self._is_video else None
        self._decoder = Decoder(
            stream,
            self._base,
            full=task.recipe.verify == "full",
            hear=self._meter.take if self._meter else unheard(task, plan),
            look=SampleTimes(look, near(task, plan))
            if isinstance(plan, VideoRendition)
            else None,
        )
        self._due = sample_times(task, plan, index, [time for time, _ in look])
        self._group = Fraction(task.recipe.gop_seconds) if self._is_video else 0
        self._packets = self._bytes = self._ticks = 0
        self._times = array("q")
        self._keys = array("q")
        self._last = (0, 0)
        self._previous: int | None = None
        self._first: int | None = None
        self._in_order = True

    def take(self, packet: av.packet.Packet[Any]) -> None:
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
        self._first = order if self._first is None else self._first
        self._ticks += packet.duration or 0
        if not packet.is_discard:
            if not self._times or when >= self._last[0]:
                self._last = (when, packet.duration or 0)
            self._times.append(when)
        if self._is_video and packet.is_keyframe:
            self._keys.append(when)
        self._packets += 1
        self._bytes += packet.size
        self._decoder.take(packet)

    def _is_due(self, when: int) -> bool:
        until = when * self._base + self._group
        passed = [time for time in self._due if time < until]
        self._due = self._due[len(passed) :]
        return bool(passed) or not self._packets

    def _lasting(self) -> int:
        """
        When the last picture of a file goes: all samples, counted from the first.

        Where the first is decoded long before it is shown, since it is shown for long,
        they are more than that, and an edit list ends them.
        """
        begins = min(self._times)
        ends = begins + self._ticks
        # From where it begins: an empty edit before it is not in it.
        said = self._stream.duration
        if said is None or self._first is None:
            return ends
        decoded = self._first + self._ticks
        return max(min(ends, max(begins + said, decoded)), max(self._times) + 1)

    def _loudness(self) -> LoudnessFacts | str | None:
        if self._meter is not None:
            return self._meter.result()
        if self._heard is None:
            return None
        return self._heard.loudness or self._heard.unknown.get("loudness")

    def track(
        self, place: str, boxes: _Boxes | None = None, *, exact: bool = False
    ) -> Track:
        """
        What was read; *exact* of a file that says how long each sample lasts.

        Raises BrokenSegment where two readings disagree.
        """
        if not self._times:
            msg = f"{self._plan.name} holds no packet that is shown"
            raise BrokenSegment(msg)
        base, times, keys = self._base, self._times, self._keys
        _, length = self._last
        in_order = self._in_order
        start = min(times) * base
        if boxes is not None:
            boxes.compare(self._packets, self._bytes)
            base = Fraction(1, boxes.header.timescale)
            times, keys = boxes.times, boxes.keyframes
            _, length = max(one.last for one in boxes.segments)
            if self._is_video:
                length = shown_until(boxes.segments) - max(times)
            in_order = boxes.in_order
        elif self._is_video and exact:
            length = self._lasting() - max(times)
        ordered(times)
        ordered(keys)
        if not length:
            length = times[-1] - times[-2] if len(times) > 1 else 0
        stream = self._stream
        picture = stream.codec_context if stream.type == "video" else None
        sound = stream.codec_context if stream.type == "audio" else None
        return Track(
            plan=self._plan,
            place=place,
            codec=stream.codec_context.codec.canonical_name,
            time_base=base,
            times=times,
            length=length,
            in_order=in_order,
            keyframes=keys,
            packets=self._packets,
            media_bytes=boxes.bytes if boxes else self._bytes,
            demuxed_start=start,
            decoded=self._decoder.result(),
            width=picture.width if picture else None,
            height=picture.height if picture else None,
            sample_aspect_ratio=picture.sample_aspect_ratio if picture else None,
            sample_rate=sound.sample_rate if sound else None,
            channels=sound.channels if sound else None,
            header=boxes.header if boxes else None,
            segments=boxes.segments if boxes else (),
            loudness=self._loudness(),
            stated_seconds=stream.duration * self._base
            if exact and stream.duration is not None
            else None,
        )
