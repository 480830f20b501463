"""The filter graph's bricks: what happens to pictures between codecs."""

from __future__ import annotations

from fractions import Fraction

from ...contract import Clip, Poster, Sprites, VideoRendition, VideoStream
from ...media.colours import (
    LOGARITHMIC,
    Colour,
    fully_tagged,
    output_colour,
    same_matrix,
    scaler_name,
    source_colour,
    strange_matrix,
)
from ...media.margins import WOVEN_RATIO
from ...media.pixels import is_rgb
from .conversion import harmless, in_known_colours, tone_mapped
from .hold import held
from .seek import cut
from .stream import Drawn, Pair, Stream
from .timing import Hold

_FINE_CLOCK = 90_000
_COARSE_SECONDS = Fraction(1, 500)
"""A tick above which what is rounded to one is seen; Matroska's is half of it."""
_MOST_ASPECT = 65535
_AHEAD_SECONDS = 1_000_000
"""Longer than any source."""
BACK = {"ss": str(_AHEAD_SECONDS)}
"""Options of an output whose times are `awaited_by_nobody`: it has them from 0 again,
else ffmpeg would tell those of its progress."""
"""Numbers up to it, as containers write pixels' shapes: the filter rounds to 100."""
BETWEEN = Fraction(1, 4)
"""Of a frame, before the first that is left out: no clock rounds by so much."""
_TOP_FIRST = {"tt", "bt"}
"""Orders in which the top field is shown first."""


def prepare(  # noqa: PLR0913  each is one fact about the source
    stream: Stream,
    video: VideoStream,
    *,
    deinterlace: bool,
    tone_map_at: tuple[int, int] | None,
    ticks: int | None,
    zero: float,
    lead: int,
    clip: Clip | None = None,
    chunk: bool = False,
    copied: bool = False,
    hold: Hold | None = None,
    pair: Pair | None = None,
) -> Stream:
    """
    The decoded source made plain: opaque, progressive, SDR or tagged HDR.

    *tone_map_at* is the size at which HDR becomes SDR, None where it stays. *ticks*
    is the clock of the grid that times are put back on; None leaves them. *zero* is
    the source's second that becomes 0. The first picture is repeated *lead* times, to
    fill what the picture begins too late. Of a *clip*, what is outside goes; with
    *chunk* it is a part of what others make; with *copied* its times stay those of the
    rendition that is copied. *hold* says where pictures that stand still are shown
    again, by the filter *pair* makes.
    """
    if video.retimed is not None:
        stream = stream.filter("setpts", _retimed(video, zero))
    if ticks is not None and video.frame_rate is not None:
        rate = video.frame_rate
        step = Fraction(ticks) / rate
        # The output clock, in which a frame is a whole number of ticks.
        stream = stream.filter("settb", f"1/{ticks}")
        # The nearest point of the grid that begins at the first frame; a gap stays a
        # gap, because nothing is counted.
        grid = f"round((T-STARTT)*{rate.numerator}/{rate.denominator})*{step}"
        stream = stream.filter("setpts", f"round(STARTT/TB+{grid})")
    stream = refined(stream, video, anywhere=clip is not None or hold is not None)
    if hold is not None and pair is not None:
        stream = held(stream, hold, pair)
    if clip is not None:
        # What fills its lead comes before the first picture, which stays where it is.
        counted = chunk and ticks is not None
        stream = cut(stream, clip, copied=copied or bool(lead), counted=counted)
    if lead and video.frame_rate is not None:
        begins = zero + (clip.start_seconds if clip else 0.0)
        late = (video.start_seconds or 0.0) - begins
        stream = _filled(stream, lead, video.frame_rate, late=late)
    if video.has_alpha:
        # Transparent means black: what a player without alpha shows anyway, but
        # without the garbage that hides under transparent pixels.
        stream = stream.filter("premultiply", inplace=1)
    source = source_colour(video)
    if not fully_tagged(video):
        # Say what players would have guessed, so that each scaler guesses the same.
        stream = stream.filter(
            "setparams",
            colorspace=source.matrix,
            color_primaries=source.primaries,
            color_trc=source.transfer,
        )
    if deinterlace:
        stream = _deinterlaced(stream, video)
    stream = _cropped(stream, video)
    if tone_map_at is not None:
        return tone_mapped(stream, video, tone_map_at, source)
    return in_known_colours(stream, video)


def first_picture(stream: Stream, video: VideoStream, side: int) -> Stream:
    """
    A square of *side* pixels, its shape in the pixels', for the eye of a check.
    """
    return small_pictures(stream.filter("trim", end_frame=1), video, side)


def sampled_pictures(
    stream: Stream, video: VideoStream, side: int, *, every: int, together: int
) -> Stream:
    """Likewise *together* in a row, after *every* so many pictures again."""
    stream = stream.filter("select", f"lt(mod(n,{every}),{together})")
    return awaited_by_nobody(small_pictures(stream, video, side))


def small_pictures(stream: Stream, video: VideoStream, side: int) -> Stream:
    """
    Each a square of *side* pixels.

    In the matrix that it has, where results keep it, or that they get: from one to the
    other libswscale loses strong colours.
    """
    # What says nothing of its pixels has square ones: only then is there a shape.
    stream = stream.filter("setsar", "sar", max=_MOST_ASPECT)
    if strange_matrix(video):
        stream = harmless(stream, video)
    if video.color_transfer in LOGARITHMIC:
        stream = stream.filter("setparams", color_trc="bt709")
    options: dict[str, object] = {"w": side, "h": side, "flags": "area"}
    colour = output_colour(video, tone_map=False)
    if is_rgb(video) or not same_matrix(colour.matrix, source_colour(video).matrix):
        options["out_color_matrix"] = scaler_name(colour.matrix)
    stream = stream.filter("scale", **options, out_range="tv")
    return stream.filter("format", "yuv444p")


def _cropped(stream: Stream, video: VideoStream) -> Stream:
    if video.cropped is None or not crops_late(video):
        return stream
    left, _, top, _ = video.cropped
    return stream.filter("crop", video.width, video.height, left, top, exact=1)


def crops_late(video: VideoStream) -> bool:
    """
    Whether what the container hides goes after the fields have been told apart.

    An odd number of lines less at the top, and each field is taken for the other.
    """
    return bool(video.interlaced and video.cropped and video.cropped[2] % 2)


def _deinterlaced(stream: Stream, video: VideoStream) -> Stream:
    seen, order = video.fields_seen, video.field_order
    flagged = order not in {None, "progressive"}
    # Trust the frames' flags where the stream is tagged at all.
    frames = "interlaced" if flagged else "all"
    if seen is not None:
        top = seen.top_first >= seen.bottom_first
        woven = seen.top_first + seen.bottom_first > seen.progressive
        if woven and not (flagged and top == (order in _TOP_FIRST)):
            # Flagged wrong: by the sample, until the next filter knows better.
            stream = stream.filter("setfield", mode="tff" if top else "bff")
        if seen.progressive or not flagged:
            # `idet` reads three pictures at the line length of one, past the end of
            # memory where they differ, as they do behind `pad`: a copy has its own.
            stream = stream.filter("copy")
            # Looks at each picture and flags it as what it is: film in a stream of
            # fields and the whole frames of telecine stay as they are.
            stream = stream.filter("idet", intl_thres=WOVEN_RATIO)
            frames = "interlaced"
    # A frame for a frame: counts and times stay comparable.
    return stream.filter("bwdif", mode="send_frame", deint=frames)


def refined(stream: Stream, video: VideoStream, *, anywhere: bool) -> Stream:
    """
    Of a variable rate a clip begins anywhere between two ticks of its source, and a
    picture that stands is shown again where a keyframe is due.
    """
    base = video.time_base
    coarse = base is not None and base > _COARSE_SECONDS
    if not anywhere or not coarse or video.variable_frame_rate is False:
        return stream
    return stream.filter("settb", f"1/{_FINE_CLOCK}")


def _filled(stream: Stream, lead: int, rate: Fraction, *, late: float) -> Stream:
    stream = stream.filter("tpad", start=lead, start_mode="clone")
    # It moves the pictures on by frames of whatever rate it supposes: back to where
    # they belong, the first one (kept in variable 0) to *late*.
    counted = f"N*{rate.denominator}/({rate.numerator}*TB)"
    first = f"st(0,if(eq(N,{lead}),PTS,ld(0)))"
    moved = f"PTS-{first}+{late:.6f}/TB"
    return stream.filter("setpts", f"round(if(lt(N,{lead}),{counted},{moved}))")


def _retimed(video: VideoStream, zero: float) -> str:
    """Where pictures belong whose times are wrong, as an expression in ticks."""
    at = f"{max(0.0, (video.start_seconds or 0.0) - zero):.6f}/TB"
    if video.retimed == "count" and video.frame_rate is not None:
        rate = video.frame_rate
        return f"round(N*{rate.denominator}/({rate.numerator}*TB)+{at})"
    return f"round(PTS-STARTPTS+{at})"


def at_rate(stream: Stream, rate: Fraction, *, lasts: Fraction | None = None) -> Stream:
    """
    *stream* at a constant *rate*: each picture at the nearest place.

    *lasts* is its length where something would come after it: the last picture would
    be shown until then.
    """
    stream = stream.filter("fps", f"{rate.numerator}/{rate.denominator}")
    if lasts is None:
        return stream
    # As many as fill it, counted as that filter counts.
    end = (max(round(lasts * rate), 1) - BETWEEN) / rate
    return stream.filter("trim", end=f"{float(end):.6f}")


def scaled(
    stream: Stream,
    rendition: VideoRendition,
    *,
    colour: Colour,
    first: bool,
    lasts: Fraction | None = None,
) -> Stream:
    """
    *stream* as *rendition* wants it; *first* also converts range and matrix, and the
    rate (*lasts*: see `at_rate`).
    """
    options: dict[str, object] = {"w": rendition.width, "h": rendition.height}
    if first:
        if rendition.frame_rate is not None:
            # The profile caps the rate: before scaling, so that nothing is scaled
            # in vain.
            stream = at_rate(stream, rendition.frame_rate, lasts=lasts)
        # Full range (phones, MJPEG) becomes the limited range every player expects.
        options["out_range"] = "tv"
        options["out_color_matrix"] = scaler_name(colour.matrix)
    stream = stream.filter("scale", **options)
    # What the encoder was planned for; chroma is converted in the same scaler.
    stream = stream.filter("format", rendition.pixel_format)
    # Aspect ratio is in the pixels now; players disagree about anything else.
    stream = stream.filter("setsar", 1)
    # Written, not left to be guessed by height: a 360p of an HD source is no BT.601.
    return stream.filter(
        "setparams",
        range="tv",
        colorspace=colour.matrix,
        color_primaries=colour.primaries,
        color_trc=colour.transfer,
    )


def poster_due(poster: Poster, duration: float | None, count: str) -> str:
    """
    From when on the next candidate is taken, *count* of them taken so far.

    The first frame always, since it may be the only one; then the middles of equal
    parts. Without a duration: one frame a second.
    """
    step = (duration or 0.0) / max(poster.candidates, 1)
    return f"({count}-0.5)*{step:.6f}" if duration else count


def poster_frames(
    stream: Stream,
    poster: Poster,
    due: str,
    *,
    hdr: VideoStream | None,
    draw: Drawn | None = None,
) -> Stream:
    """
    The first frame, and candidates from when on each is *due*.

    *hdr* is the source where *stream* still is HDR: stills are always SDR. *draw* puts
    a watermark on them.
    """
    stream = stream.filter("select", f"eq(n,0)+gte(t,{due})")
    size = poster.width, poster.height
    return _timed(_picture(stream, size, hdr=hdr, draw=draw))


def sprite_sheets(
    stream: Stream,
    sprites: Sprites,
    *,
    open_ended: bool,
    hdr: VideoStream | None,
    draw: Drawn | None = None,
) -> Stream:
    """
    Sheets of tiles; tile *k* shows the first picture at or after k × interval.

    *open_ended*: as many as there are, whatever was planned; otherwise exactly those.
    *hdr* and *draw* as for `poster_frames`.
    """
    every = f"{sprites.interval_seconds:.9g}"
    # The first frame of each interval, told by the clock alone.
    slot = f"floor(t/{every})"
    stream = stream.filter(
        "select", f"isnan(prev_selected_t)+gt({slot},floor(prev_selected_t/{every}))"
    )
    # One second per interval, so that the next filter counts in whole numbers; a
    # half past, so that the end lies behind the last picture.
    stream = stream.filter("setpts", f"(floor(T/{every})+0.5)/TB")
    stream = stream.filter(
        "fps",
        fps=1,  # an interval without a picture keeps the one before
        start_time=0,  # a picture that starts late still has a tile for 0
        round="down",
        eof_action="pass",  # a single frame is a tile, too
    )
    if not open_ended:
        # The index may promise more than there is: the last picture fills it up.
        stream = stream.filter("tpad", stop_mode="clone", stop=sprites.count)
        stream = stream.filter("trim", end_frame=sprites.count)
    size = sprites.tile_width, sprites.tile_height
    stream = _picture(stream, size, hdr=hdr, draw=draw)
    stream = stream.filter("tile", layout=f"{sprites.columns}x{sprites.rows}")
    return _timed(stream)


def _picture(
    stream: Stream,
    size: tuple[int, int],
    *,
    hdr: VideoStream | None,
    draw: Drawn | None,
) -> Stream:
    if hdr is not None:
        # Kept HDR has been prepared: it has its renditions' colours.
        stream = tone_mapped(stream, hdr, size, output_colour(hdr, tone_map=False))
    stream = stream.filter(
        "scale",
        w=size[0],
        h=size[1],
        # JFIF says BT.601, full range, whatever the video was.
        out_color_matrix="bt601",
        out_range="pc",
    )
    stream = stream.filter("format", "yuv420p")
    stream = stream.filter("setsar", 1)
    return stream if draw is None else draw(stream, *size)


def _timed(stream: Stream) -> Stream:
    # A clock in which times stay apart; two at one time are one still.
    return awaited_by_nobody(stream.filter("settb", "1/90000"))


def awaited_by_nobody(stream: Stream) -> Stream:
    """
    *stream* at times far ahead, for what counts by its order alone.

    libavfilter works for the output that is furthest behind. Where that one gets a
    picture now and then, nobody asks for those of the others, and they pile up before
    a filter that waits to be asked: six seconds of 1080p at 60 took 1.4 GiB. Its
    output needs `BACK`.
    """
    return stream.filter("setpts", f"max(PTS,0)+{_AHEAD_SECONDS}/TB")
