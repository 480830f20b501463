"""
Chunks → whole renditions: their packets, one chunk after the other, none encoded again.

Each chunk was verified by itself. What is proven here is that they fit: as many
pictures as the source has between the cuts, at the times they would have had in one
piece, and one set of decoder parameters for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract import Clip, Task, VideoRendition
from ..errors import OutputRejected
from ..media.timeline import pictures, zero_seconds
from .verify.decode import open_media
from .verify.source import source_video

if TYPE_CHECKING:
    import av.container
    import av.packet
    import av.video.stream

_OFF = Fraction(1, 20)
"""Of a tick: what is left of seconds that were written in decimals."""


def join(task: Task, scratch: Path) -> dict[str, str]:
    """
    Rendition → a file with all of it, by `task.inputs`: pictures are put together in
    *scratch*, a soundtrack lies there as another task has made it.

    Raises `OutputRejected` where the chunks do not make a whole, OSError where one
    cannot be read.
    """
    recipe, folders = task.recipe, [Path(folder) for folder in task.inputs]
    sounds = {}
    if recipe.sound_apart and folders:
        of_sound = folders.pop()
        sounds = {
            it.name: str(of_sound / f"{it.name}.mp4")
            for it in recipe.audio
            if it.made_by == "encoded"
        }
    if len(folders) != len(recipe.chunks):
        said = f"{len(folders)} of {len(recipe.chunks)} chunks are there."
        raise OutputRejected(said)
    return sounds | {
        rendition.name: str(_join(task, rendition, folders, scratch))
        for rendition in recipe.video
        if rendition.made_by == "encoded"
    }


def _join(
    task: Task, rendition: VideoRendition, folders: list[Path], scratch: Path
) -> Path:
    path, total = scratch / f"joined-{rendition.name}.mp4", 0
    with ExitStack() as opened:
        whole: _Whole | None = None
        for number, (folder, clip) in enumerate(
            zip(folders, task.recipe.chunks, strict=True), 1
        ):
            name = f"{rendition.name}, chunk {number}"
            with (
                (folder / f"{rendition.name}.mp4").open("rb") as file,
                open_media(file, "mov") as chunk,
            ):
                stream = chunk.streams.video[0]
                if whole is None:
                    whole = opened.enter_context(_begun(path, stream))
                added = whole.add(chunk.demux(stream), stream, clip, name=name)
            _count(task, clip, added, name=name)
            total += added
    source = source_video(task)
    # At a variable rate pictures that stand still are there several times.
    steady = source is not None and source.variable_frame_rate is False
    due = None if source is None else source.frames
    if due is not None:
        due += task.recipe.chunks[0].lead_pictures
    if due is not None and (total != due if steady else total < due):
        raise OutputRejected(
            f"{rendition.name}: the chunks have {total} pictures, the source {due}."
        )
    return path


class _Whole:
    """The file that grows by one chunk after the other."""

    def __init__(
        self,
        file: av.container.OutputContainer,
        like: av.video.stream.VideoStream,
    ) -> None:
        self._base = like.time_base or Fraction(1)
        self._parameters = bytes(like.codec_context.extradata or b"")
        self._file = file
        self._stream = file.add_stream_from_template(like, opaque=True)
        self._stream.time_base = self._base
        self._last: int | None = None

    def add(
        self,
        packets: Iterator[av.packet.Packet[Any]],
        stream: av.video.stream.VideoStream,
        clip: Clip,
        *,
        name: str,
    ) -> int:
        """Put *packets* after what is there, from where *clip* begins; how many."""
        if stream.time_base != self._base:
            raise OutputRejected(f"{name}: its clock is not the first one's.")
        if bytes(stream.codec_context.extradata or b"") != self._parameters:
            raise OutputRejected(
                f"{name}: a decoder set up for the first chunk cannot show it."
            )
        begins = Fraction(clip.start_seconds) / self._base
        offset = round(begins)
        if abs(begins - offset) > _OFF:
            raise OutputRejected(f"{name}: it begins between two ticks of its clock.")
        added = 0
        for packet in packets:
            if packet.pts is None or packet.dts is None:
                continue  # the end
            if not added and not (packet.is_keyframe and packet.pts == 0):
                raise OutputRejected(f"{name}: it does not begin with a keyframe at 0.")
            packet.pts += offset
            packet.dts += offset
            if self._last is not None and packet.dts <= self._last:
                raise OutputRejected(f"{name}: it begins before the one before ends.")
            self._last = packet.dts
            packet.stream = self._stream
            self._file.mux_one(packet)
            added += 1
        return added


@contextmanager
def _begun(path: Path, like: av.video.stream.VideoStream) -> Iterator[_Whole]:
    """Our own file, by the clock of its chunks: no time is rounded."""
    import av  # noqa: PLC0415  loading is billed: at first use only

    ticks = (like.time_base or Fraction(1)).denominator
    # Where a picture begins late an edit says so, by the clock of the whole.
    options = {"video_track_timescale": str(ticks), "movie_timescale": str(ticks)}
    with av.open(path, "w", format="mp4", options=options) as file:
        yield _Whole(file, like)


def _count(task: Task, clip: Clip, added: int, *, name: str) -> None:
    source = source_video(task)
    wanted = source and pictures(source, zero_seconds(task.media), clip)
    if wanted is not None and added != wanted:
        raise OutputRejected(f"{name}: it has {added} pictures, its part {wanted}.")
