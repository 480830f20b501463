"""The video half of the filter graph: one decoder, each size from the next larger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TypedDict

from ...contract import (
    CmafPackaging,
    DynamicRange,
    Media,
    Recipe,
    Task,
    VideoRendition,
    VideoStream,
)
from ...media.colours import is_converted, output_colour, strange_matrix
from ...media.demuxers import RECORDED, short
from ...media.pixels import columns_per_chroma
from ...media.sequence_headers import UNITS
from ...media.timeline import (
    clipped,
    end_seconds,
    ends_open,
    first_seconds,
    holds_last_picture,
    joined,
    still_seconds,
)
from ..reshaped import Reshaped, stretch
from ..seen import SIDE, TOGETHER, sampled_every
from .conversion import harmless
from .filters import (
    BETWEEN,
    at_rate,
    crops_late,
    first_picture,
    poster_due,
    poster_frames,
    prepare,
    refined,
    sampled_pictures,
    scaled,
    sprite_sheets,
)
from .hdr import kept
from .hold import held, tailed
from .seek import cut, told_until
from .stream import Drawn, Pair, Stream
from .subtitles import drawn_lines
from .timing import hold, lead_frames, snaps, steady_rate, timescale
from .watermark import drawing, on_still


@dataclass(frozen=True, slots=True)
class Pictures:
    """Streams that are ready to be mapped; each may be mapped once."""

    ticks: int | None
    """Clock of every video track, ticks per second; None without a picture."""
    frame_rate: Fraction | None
    """Of the source where it is constant."""
    renditions: dict[str, list[Stream]]
    """Encoded rendition → one stream per file it stands in."""
    poster: Stream | None = None
    sprites: Stream | None = None
    hdr: VideoStream | None = None
    """The source, where its HDR is kept."""
    shown: Stream | None = None
    """Every picture of the source as it was decoded."""
    seen: Stream | None = None
    """The first of them, small; before anything that a plan asks for."""
    sampled: Stream | None = None
    """Some of them, small, over the whole length; all of one size."""


def lay(  # noqa: PLR0913  each is one input of the graph
    task: Task,
    source: Stream | None,
    *,
    image: Stream | None = None,
    lines: Stream | None = None,
    pair: Pair | None = None,
    tell: bool = False,
    reshaped: Sequence[Reshaped] = (),
) -> Pictures:
    """
    The graph from the decoded *source* to all renditions and stills of *task*.

    *image* is the watermark's. It is drawn once, on the largest picture of each rate:
    the smaller ones are scaled from that. Stills have it too, at their own size.
    *lines* are subtitles of pictures, drawn before anything else is done. *pair* makes
    the filters that hold pictures which stand still; without it none is held. With
    *tell* there is a stream of what was decoded, at the times it has. *reshaped*:
    where pixels change their shape, which decoded pictures do not tell.

    Raises ValueError when the recipe decodes a picture that the media do not have.
    """
    video = _picture_stream(task)
    if video is None or source is None:
        return Pictures(None, None, {})

    recipe = task.recipe
    # What a join takes from its chunks is timed as if it were made here.
    made_here = () if recipe.chunks else recipe.video
    copied = any(r.made_by == "copied" for r in recipe.video)
    rates = frozenset(r.frame_rate for r in recipe.video) or frozenset({None})
    ticks = timescale(video, rates, exact_copy=copied)
    constant = steady_rate(task)

    encoded = [r for r in made_here if r.made_by == "encoded"]
    parents = _parents(encoded)
    roots = [r for r in encoded if parents[r.name] is None]
    mark = task.recipe.watermark
    hdr = kept(video, recipe)
    draw = None
    if mark is not None and image is not None:
        uses = len(roots) + sum(
            it is not None for it in (recipe.poster, recipe.sprites)
        )
        draw = drawing(mark, iter(fan(image, max(uses, 1))))
    stills = _stills(task, hdr, None if draw is None else on_still(draw))
    if not roots and not stills:
        return Pictures(ticks, constant, {})

    told, source = _tell(task, source, video, hdr, reshaped, tell=tell, pair=pair)
    if lines is not None:
        source = drawn_lines(source, video, lines)
    base = prepare(
        source,
        video,
        deinterlace=recipe.deinterlace,
        # Smaller pictures are cheaper to convert: nobody sees the larger ones.
        tone_map_at=_largest(encoded, recipe) if recipe.tone_map else None,
        # Beside a copied rendition the source's own times are kept, to the tick.
        ticks=ticks if snaps(video) and not copied else None,
        zero=task.media.start_seconds or 0.0,
        lead=lead_frames(task),
        clip=recipe.clip,
        chunk=task.kind == "chunk",
        copied=copied,
        hold=hold(task),
        pair=pair,
    )
    branches = fan(base, len(roots) + len(stills))
    made = {
        name: make(branches[len(roots) + n])
        for n, (name, make) in enumerate(stills.items())
    }
    renditions: dict[str, list[Stream]] = {}
    colour = output_colour(video, tone_map=recipe.tone_map)
    pending = [(root, branches[n], True) for n, root in enumerate(roots)]
    while pending:
        rendition, stream, first = pending.pop(0)
        stream = scaled(
            stream, rendition, colour=colour, first=first, lasts=_cut_after(task)
        )
        if first and pair is not None and not copied:
            stream = _until_the_end(task, stream, rendition, constant, pair)
        if first and draw is not None:
            size = rendition.width, rendition.height
            stream = draw(stream, *size, colour, rendition.pixel_format)
        children = [r for r in encoded if parents[r.name] == rendition.name]
        uses = _uses(recipe, rendition)
        taps = fan(stream, uses + len(children))
        renditions[rendition.name] = taps[:uses]
        pending += [(child, taps[uses + n], False) for n, child in enumerate(children)]
    return Pictures(
        ticks,
        constant,
        renditions,
        poster=made.get("poster"),
        sprites=made.get("sprites"),
        hdr=hdr,
        **told,
    )


class _Telling(TypedDict, total=False):
    """Of `Pictures`, what tells of the source."""

    shown: Stream
    seen: Stream
    sampled: Stream


def _tell(  # noqa: PLR0913  each is one fact about the picture
    task: Task,
    source: Stream,
    video: VideoStream,
    hdr: VideoStream | None,
    reshaped: Sequence[Reshaped],
    *,
    tell: bool,
    pair: Pair | None,
) -> tuple[_Telling, Stream]:
    """What is told of the decoded *source*, and what is left to make something of."""
    told: _Telling = {}
    if tell:
        raw, source = _told(source, hdr)
        copied = any(it.made_by == "copied" for it in task.recipe.video)
        stands = hold(task)
        if task.recipe.clip and stands and stands.rate is None and pair is not None:
            # A clip that begins in a still stretch begins with what is seen there.
            raw = held(refined(raw, video, anywhere=True), stands, pair)
        told["seen"] = _first(raw, video, task, copied=copied)
    if may_change(task):
        if is_converted(video):
            source = harmless(source, video)
        # One size from here on: filters that begin anew with each would lose sprites.
        source = _fitted(source, video, reshaped)
    if not tell:
        return told, source
    until = told_until(task.recipe.clip)
    all_of_it, source = _told(source, hdr)
    told["shown"] = _ended(all_of_it, until)
    every = sampled_every(task)
    if every is not None:
        some, source = _told(source, hdr)
        some = _ended(some, until)
        options = {"every": every, "together": TOGETHER}
        told["sampled"] = sampled_pictures(some, video, SIDE, **options)
    return told, source


def _ended(stream: Stream, until: float | None) -> Stream:
    return stream if until is None else stream.filter("trim", end=f"{until:.6f}")


def _first(raw: Stream, video: VideoStream, task: Task, *, copied: bool) -> Stream:
    recipe = task.recipe
    if recipe.clip is not None:
        raw = cut(raw, recipe.clip, copied=copied)
    rates = {it.frame_rate for it in recipe.video}
    rate = rates.pop() if len(rates) == 1 else None
    if rate is not None and not lead_frames(task):
        # What follows within half of a new frame is shown in its place.
        raw = at_rate(raw, rate)
    return first_picture(raw, video, SIDE)


def _cut_after(task: Task) -> Fraction | None:
    """The length of a clip of a variable rate that something comes after."""
    video, clip = _picture_stream(task), task.recipe.clip
    if clip is None or clip.end_seconds is None or task.kind == "chunk":
        return None
    if video is None or video.variable_frame_rate is False:
        return None
    lasts = clip.end_seconds - clip.start_seconds
    return Fraction(lasts).limit_denominator(1_000_000)


def _until_the_end(
    task: Task,
    stream: Stream,
    rendition: VideoRendition,
    constant: Fraction | None,
    pair: Pair,
) -> Stream:
    """
    Its last picture held where there is sound for longer than to the next cut, and at
    a converted rate where `held` has lost how long it is shown.
    """
    media, recipe = clipped(task.media, task.recipe.clip), task.recipe
    until, tail = end_seconds(media, recipe), still_seconds(media, recipe)
    converted = rendition.frame_rate
    lost = converted is not None and hold(task) is not None
    if until is None or not (lost or holds_last_picture(media, recipe)):
        return stream
    every = Fraction(recipe.gop_seconds).limit_denominator(1000)
    # From the last picture's end on: beside pictures that it does not meet, what
    # repeats would have them all wait in memory.
    first, begins = until - tail, first_seconds(media, recipe)
    rate = converted or constant
    if rate is not None:
        every = 1 / rate
    else:
        first = begins + every * max(0, ceil((first - begins) / every))
    if converted is not None:
        # Where that rate has its pictures, and as many as fill it.
        first, until = Fraction(0), (round(until * converted) - BETWEEN) / converted
    return tailed(stream, pair, every=every, first=first, until=until)


def repeats(task: Task) -> bool:
    """Whether a picture is shown again for as long as something asks for it."""
    media = clipped(task.media, task.recipe.clip)
    return hold(task) is not None or holds_last_picture(media, task.recipe)


def finished(task: Task, rendition: VideoRendition) -> Task:
    """A join's task as if *rendition* were its source: stills are all."""
    recipe, video = task.recipe, _picture_stream(task)
    media = joined(task.media, recipe, rendition)
    if video is not None:
        colour = output_colour(video, tone_map=recipe.tone_map)
        seen = {
            "color_space": colour.matrix,
            "color_primaries": colour.primaries,
            "color_transfer": colour.transfer,
        }
        if recipe.tone_map:
            seen["dynamic_range"] = DynamicRange.SDR
        used = recipe.video_index
        pictures = tuple(
            it.model_copy(update=seen) if it.index == used else it for it in media.video
        )
        media = media.model_copy(update={"video": pictures})
    plain = {"video": (), "tone_map": False, "watermark": None, "decoder": None}
    return task.model_copy(
        update={"media": media, "recipe": recipe.model_copy(update=plain)}
    )


def may_change(task: Task) -> bool:
    """
    Whether pictures may change their size or format in mid-stream.

    Broadcasts, joined recordings and calls over the web do. Not where the picture is
    turned, which ffmpeg does before anything else, nor in HDR.
    """
    video = _picture_stream(task)
    return (
        video is not None
        and _varies(task.media, video)
        and not (video.rotation_degrees or video.mirrored or video.has_alpha)
        and video.dynamic_range is DynamicRange.SDR
        and not crops_late(video)
        # Of these, ffmpeg would have to make others before the first filter.
        and not strange_matrix(video)
    )


def _varies(media: Media, video: VideoStream) -> bool:
    name = short(media.format_name)
    recorded = name in RECORDED or (video.codec in UNITS and name != "mov")
    return recorded or video.resizable


def headers_of(task: Task) -> str | None:
    """
    The codec of the picture used, where its headers lie among its pictures and may
    say of others that their pixels have another shape.

    Not where its container says otherwise from the beginning: players go by that. Also
    of pictures that do not follow such changes (`may_change`), to tell that there are
    some.
    """
    video = _picture_stream(task)
    if video is None or video.codec not in UNITS or not _varies(task.media, video):
        return None
    return None if video.shape_overruled else video.codec


def _fitted(source: Stream, video: VideoStream, reshaped: Sequence[Reshaped]) -> Stream:
    """
    Every picture in the first one's size and its own shape, between black bars.

    Shapes that differ by less than a pixel or two are one.
    """
    # The frame is laid on whole samples of chroma.
    whole = columns_per_chroma(video.pixel_format)
    width, height = (side - side % whole for side in (video.width, video.height))
    pixels = f"{float(video.sample_aspect_ratio):.9g}"
    seen = f"(dar*{stretch(reshaped)})" if reshaped else "dar"
    wide = f"{height}*{seen}/{pixels}"
    high = f"{width}/{seen}*{pixels}"
    source = source.filter(
        "scale",
        w=f"if(lt(abs({width}-{wide}),3),{width},min({width},max(1,round({wide}))))",
        h=f"if(lt(abs({height}-{high}),3),{height},min({height},max(1,round({high}))))",
        # Or the first picture's shape would be everyone's.
        eval="frame",
    )
    source = source.filter("pad", w=width, h=height, x=-1, y=-1, eval="frame")
    if not reshaped:
        return source
    # To the filter before, what was made narrower has other pixels.
    aspect = video.sample_aspect_ratio
    return source.filter("setsar", f"{aspect.numerator}/{aspect.denominator}")


def _told(source: Stream, hdr: VideoStream | None) -> tuple[Stream, Stream]:
    """
    *source* for who tells of it, and for who makes something of it.

    Of HDR the decoder hands each its own: what goes from one `split` to an output
    without any filter takes the mastering display, and encoders find none.
    """
    if hdr is not None:
        return source, source
    told, source = fan(source, 2)
    return told, source


def fan(stream: Stream, count: int) -> list[Stream]:
    """*count* streams of the same frames; they share memory until one writes."""
    if count == 1:
        return [stream]
    split = stream.split()
    return [split[n] for n in range(count)]


def _stills(
    task: Task, hdr: VideoStream | None, draw: Drawn | None
) -> dict[str, Callable[[Stream], Stream]]:
    poster, sprites = task.recipe.poster, task.recipe.sprites
    stills: dict[str, Callable[[Stream], Stream]] = {}
    if poster is not None:
        duration = clipped(task.media, task.recipe.clip).duration_seconds
        due = poster_due(poster, duration, "selected_n")
        stills["poster"] = lambda stream: poster_frames(
            stream, poster, due, hdr=hdr, draw=draw
        )
    if sprites is not None:
        stills["sprites"] = lambda stream: sprite_sheets(
            stream,
            sprites,
            open_ended=ends_open(task.media, task.recipe),
            hdr=hdr,
            draw=draw,
        )
    return stills


def _picture_stream(task: Task) -> VideoStream | None:
    index = task.recipe.video_index
    if index is None:
        return None
    for video in task.media.video:
        if video.index == index:
            return video
    raise ValueError(f"the source has no video stream with index {index}")


def _parents(encoded: Sequence[VideoRendition]) -> dict[str, str | None]:
    """
    The rendition each one is scaled from; None: from the decoded source. One of the
    same size in another codec is the next larger one, too.
    """
    parents: dict[str, str | None] = {}
    before: VideoRendition | None = None
    for rendition in sorted(encoded, key=lambda it: -it.width * it.height):
        follows = (
            before is not None
            and before.frame_rate == rendition.frame_rate
            and before.pixel_format == rendition.pixel_format
            and before.width >= rendition.width
            and before.height >= rendition.height
        )
        parents[rendition.name] = before.name if before and follows else None
        before = rendition
    return parents


def _uses(recipe: Recipe, rendition: VideoRendition) -> int:
    if isinstance(recipe.packaging, CmafPackaging):
        return 1
    return sum(file.video == rendition.name for file in recipe.packaging.files)


def _largest(encoded: Sequence[VideoRendition], recipe: Recipe) -> tuple[int, int]:
    sizes = [(r.width, r.height) for r in encoded]
    if recipe.poster is not None:
        sizes.append((recipe.poster.width, recipe.poster.height))
    if recipe.sprites is not None:
        sizes.append((recipe.sprites.tile_width, recipe.sprites.tile_height))
    return max(sizes, key=lambda size: size[0] * size[1])
