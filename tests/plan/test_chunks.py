"""Splitting: where chunks begin, what forbids them, and what they and a join make."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract import (
    AudioRendition,
    AudioStream,
    CaptionRendition,
    Clip,
    CmafPackaging,
    FilePackaging,
    Media,
    OutputFile,
    Poster,
    Recipe,
    Sprites,
    Truncation,
    VideoRendition,
    VideoStream,
)
from transcode.media.timeline import pictures
from transcode.plan.chunks import (
    LEAST_SECONDS,
    MOST_CHUNKS,
    chunk_recipe,
    cuts,
    join_recipe,
    obstacle,
)

RATES = [Fraction(n) for n in (24, 25, 30, 50, 60, "24000/1001", "30000/1001")]
EARLY = Fraction(1, 1_000_000)  # of a second before it is due a keyframe may be
HAIR = Fraction(1, 10**9)  # where floats say which of two pictures that is
TOP, LOW = (
    VideoRendition(name=f"{height}p", made_by="encoded", codec="h264", crf=23.0,
                   encoder="libx264", width=height * 16 // 9, height=height)
    for height in (720, 360)
)  # fmt: skip
COPIED = TOP.model_copy(update={"made_by": "copied", "encoder": None})
RECIPE = Recipe(
    video_index=0, video=(TOP, LOW), keep_metadata=True, tone_map=True,
    audio=(AudioRendition(name="aac", made_by="copied", codec="aac", encoder=None,
                          source_index=1, bit_rate=None, sample_rate=1, channels=2),),
    captions=(CaptionRendition(name="eng", source_index=2),),
    packaging=CmafPackaging(segment_seconds=4.0),
    poster=Poster(width=1280, height=720, candidates=5),
    sprites=Sprites(interval_seconds=5.0, columns=5, rows=5, tile_width=1,
                    tile_height=1, count=1),
)  # fmt: skip


def film(
    rate: Fraction = Fraction(30),
    frames: int = 18_000,
    keys: Iterable[float] = range(0, 600, 2),
    zero: float = 0.0,
    late: float = 0.0,
) -> Media:
    """An MP4 with sound that begins at *zero*, and a picture *late* seconds after."""
    video = VideoStream(
        index=0, codec="hevc", width=1280, height=720, display_width=1280,
        display_height=720, frame_rate=rate, variable_frame_rate=False, frames=frames,
        start_seconds=zero + late, time_base=1 / Fraction(rate.numerator),
        pixel_format=None, keyframe_seconds=tuple(zero + late + key for key in keys),
    )  # fmt: skip
    sound = AudioStream(index=1, codec="aac", sample_rate=1, channels=1, layout="")
    return Media(
        container="mp4", format_name="mov", duration_seconds=float(frames / rate),
        start_seconds=zero, fragmented=False, video=(video,), audio=(sound,),
    )  # fmt: skip


COPYING = {"video": (COPIED, LOW), "keyframes": "source"}
BESIDE_A_COPY = RECIPE.model_copy(update=COPYING)
VARIABLE = {"variable_frame_rate": True}


def cut_every(seconds: Fraction, *, in_files: bool) -> Recipe:
    """Segments of so long, or files with a keyframe every so many seconds."""
    update: dict[str, Any] = {"packaging": CmafPackaging(segment_seconds=seconds)}
    if in_files:
        update = {"packaging": FilePackaging(files=()), "gop_seconds": float(seconds)}
    return RECIPE.model_copy(update=update)


class Cut(NamedTuple):
    """Chunks with the numbers of their pictures, and of those that are keyframes."""

    video: VideoStream
    rate: Fraction
    grid: Fraction
    keys: list[int]
    clips: tuple[Clip, ...]
    firsts: list[int]
    counts: list[int]
    late: float
    """Seconds from the first sound to the first picture."""
    lead: int
    """How often that is shown before."""


rates, numbers = st.sampled_from(RATES), st.integers(2, MOST_CHUNKS)
grids = st.sampled_from([Fraction(n) for n in (1, 2, 4, 6, 12)] + [Fraction(1001, 500)])
check = settings(max_examples=100, deadline=None)


def enough(count: int, grid: Fraction, rate: Fraction) -> int:
    """So many pictures last ten seconds and a segment for each chunk."""
    return ceil(count * ((10 + grid) * rate + 1))


@st.composite
def cut(draw: st.DrawFn, *at_keyframes: str) -> Cut:
    """Of a source long enough; *at_keyframes*: for being a `copy`, or `variable`."""
    rate, grid, count = draw(rates), draw(grids), draw(numbers)
    frames = enough(count, grid, rate) + draw(st.integers(0, 20_000))
    some = st.sets(st.integers(0, frames - 1), min_size=1, max_size=50)
    often = st.integers(10, 20).map(lambda step: set(range(0, frames, step)))
    keys = sorted(draw(often if at_keyframes else often | some))
    digits = draw(st.sampled_from([3, 6, 15]))  # Matroska's clock, MP4's, exact
    zero = draw(st.sampled_from([0.0, 1.4, 10.0]))
    # In ticks of 90 kHz; from a picture's length on its first is shown before.
    late = draw(st.integers(91, 9_000)) / 90_000
    late = draw(st.sampled_from([0.0, 0.0 if "variable" in at_keyframes else late]))
    lead = 0 if at_keyframes else floor(late * float(rate) + 1e-3)
    times = [round(float(it / rate), digits) for it in keys]
    media = film(rate, frames, times, zero, late)
    recipe = cut_every(grid, in_files=draw(st.booleans()))
    if "copy" in at_keyframes:
        recipe = BESIDE_A_COPY
    video = media.video[0]
    seen = video.model_copy(update=VARIABLE if "variable" in at_keyframes else {})
    clips = cuts(media.model_copy(update={"video": (seen,)}), recipe, count) or ()
    assert count == len(clips)
    counts = [pictures(video, zero, clip) or 0 for clip in clips]
    firsts = [round((clip.start_seconds - late) * rate) for clip in clips]
    first = 0.0 if lead else late
    zeros = [clip.zero_seconds for clip in clips]
    assert pytest.approx([first] * len(clips), abs=1e-9) == zeros
    assert [lead, *[0] * (len(clips) - 1)] == [clip.lead_pictures for clip in clips]
    return Cut(seen, rate, grid, keys, clips, [0, *firsts[1:]], counts, late, lead)


@check
@given(it=cut() | cut("copy") | cut("variable"))
def test_chunks_make_up_the_source(it: Cut) -> None:
    """Every picture is in one chunk, they follow one another, and none is short."""
    assert it.video.frames == sum(it.counts) - it.lead
    first = 0.0 if it.lead else it.late
    assert pytest.approx(first, abs=1e-9) == it.clips[0].start_seconds
    assert it.clips[-1].end_seconds is None
    assert all(a.end_seconds == b.start_seconds for a, b in pairwise(it.clips))
    assert min(it.counts) >= LEAST_SECONDS * it.rate


def _seconds(number: int, rate: Fraction) -> float:
    """
    When a picture is shown, as the encoder reckons, with ticks and in floats: it may be
    exactly when a keyframe is due, at 24000/1001 at 2,002 s.
    """
    return number * rate.denominator * (1.0 / rate.numerator)


@check
@given(it=cut())
def test_chunks_begin_with_the_first_picture_of_a_segment(it: Cut) -> None:
    """
    Where it is due after the first picture; they differ by one, and by the rest.
    """
    for clip, first in zip(it.clips, it.firsts, strict=True):
        shown = first / it.rate + (Fraction(it.late) if it.lead else 0)
        due = it.grid * floor((shown + EARLY + HAIR) / it.grid)
        early = due - EARLY - (Fraction(it.late) if it.lead else 0)

        if first:
            assert first - 1 - HAIR < early * it.rate <= first + HAIR
            begins = it.late + float(first / it.rate)
            assert pytest.approx(begins, abs=1e-9) == clip.start_seconds
    assert max(it.counts) - min(it.counts) < 2 * it.grid * it.rate + 2


@pytest.mark.parametrize("grid", [1001, 2002, 3003])
def test_a_picture_that_is_shown_when_one_is_due_is_a_keyframe(grid: int) -> None:
    """Exactly then, whatever floats make of it."""
    rate, slow = Fraction(24_000, 1001), Fraction(grid)
    media = film(rate, 2 * grid * 24, range(0, 2 * grid, 2))

    clips = cuts(media, cut_every(slow, in_files=False), 2) or ()

    first = round(clips[1].start_seconds * rate)
    due = grid * round(clips[1].start_seconds / grid) - float(EARLY)
    assert _seconds(first - 1, rate) < due <= _seconds(first, rate)


@check
@given(it=cut("copy") | cut("variable") | cut("copy", "variable"))
def test_beside_a_copy_or_at_no_constant_rate_they_begin_at_keyframes(it: Cut) -> None:
    """A copy is only cut there, and there alone the time of a picture is known."""
    assert set(it.firsts) <= set(it.keys)


@check
@given(it=cut() | cut("copy") | cut("variable"))
def test_reading_begins_at_the_last_keyframe_before(it: Cut) -> None:
    """At the chunk's first picture at the latest; None is the source's beginning."""
    half = 0.0005 if it.video.variable_frame_rate else float(1 / it.rate / 2)
    for clip, first in zip(it.clips, it.firsts, strict=True):
        expected = max((key for key in it.keys if key <= first), default=0)
        seek = clip.seek_seconds

        assert expected == (0 if seek is None else round((seek - it.late) * it.rate))
        assert (expected == 0) == (seek is None)
        assert pytest.approx(half) == clip.slack_seconds


@check
@given(rate=rates, grid=grids, in_files=st.booleans(), count=numbers)
def test_too_short_is_what_lasts_no_ten_seconds_for_each(
    rate: Fraction, grid: Fraction, *, in_files: bool, count: int
) -> None:
    """With ten seconds and a segment for each it can be cut; between, it may be."""
    short, recipe = ceil(count * 10 * rate) - 1, cut_every(grid, in_files=in_files)

    assert cuts(film(rate, short), recipe, count) is None
    assert cuts(film(rate, enough(count, grid, rate)), recipe, count) is not None


def test_too_few_keyframes_are_too_short_for_chunks_that_begin_there() -> None:
    """Two chunks cannot begin at one of them."""
    media = film(keys=(0.0, 200.0, 400.0))

    assert 3 == len(cuts(media, BESIDE_A_COPY, 3) or ())
    assert cuts(media, BESIDE_A_COPY, 4) is None


@pytest.mark.parametrize("count", [-1, 0, 1])
def test_one_chunk_is_none(count: int) -> None:
    """A whole is no part of itself."""
    assert cuts(film(), RECIPE, count) is None


MILLISECONDS = film().video[0].model_copy(update={"time_base": Fraction(1, 1000)})
FORBIDDEN: list[tuple[str, dict[str, Any], str]] = [
    *(("recipe", it, "no picture is encoded")
      for it in ({"video": ()}, {"video": (COPIED,)}, {"video_index": None})),
    ("recipe", {"clip": Clip(start_seconds=1.0)}, "only a part of it is made"),
    *(("media", {"container": it}, f"{it} has no full index to seek by")
      for it in ("mpegps", "ogg", "avi", "flv")),
    *(("media", {"container": name, "fragmented": name == "mp4", "video": (
        film().video[0].model_copy(update={unseen: None}),)},
       f"{name} has no full index to seek by")
      for name in ("mpegts", "mp4") for unseen in ("frames", "keyframe_seconds")),
    ("media", {"container": "mpegts", "duration_estimated": True}, "its clock jumps"),
    ("media", {"container": "mpegts", "start_seconds": -0.02, "video": (
        film().video[0].model_copy(update={"start_seconds": -0.02}),)},
     "its picture begins after its sound"),
    ("media", {"container": "mpegts", "audio": (
        film().audio[0].model_copy(update={"index": 7, "start_seconds": -0.03}),),
        "start_seconds": -0.03 - 0.1, "video": (
        film().video[0].model_copy(update={"start_seconds": -0.11}),)},
     "what is left out of it begins before what is made"),
    *((where, {"retimed": it},
       "its times are wrong and have to be counted from the beginning")
      for where, it in (("video", "start"), ("video", "count"), ("audio", "count"))),
    *((("media of Matroska", it, "its index does not say how many pictures it has"))
      for it in ({"duration_seconds": None}, {"duration_estimated": True},
                 {"container": "mp4"},
                 {"video": (MILLISECONDS.model_copy(update={"frames": None}),)})),
    *((where, it, "what is missing of a damaged source shows only from its beginning")
      for where, it in (("media", {"truncated": Truncation(reason="its end is gone")}),
                        ("recipe", {"accept_partial": True}))),
    ("video", {"frames": None}, "its index does not say how many pictures it has"),
    *(("video", it, "its clock cannot count its pictures")
      for it in ({"time_base": None}, {"frame_rate": None},
                 VARIABLE | {"time_base": Fraction(1, 1_000_000)},
                 VARIABLE | {"time_base": Fraction(1001, 30_000)},
                 {"frame_rate": Fraction(15, 2), "time_base": Fraction(1, 1000)})),
    ("media beside a copy", {"video": (MILLISECONDS,)},
     "its clock cannot count its pictures"),
    *(("video", {"start_seconds": it}, "its picture begins after its sound")
      for it in (-0.002, -1.0)),
    ("video", VARIABLE | {"start_seconds": 0.002},
     "its picture begins after its sound"),
    ("video", {"start_seconds": 0.002, "time_base": Fraction(1, 1000),
               "frame_rate": RATES[-1]},
     "its clock cannot count its pictures from where its sound begins"),
    ("recipe", {"deinterlace": True},
     "deinterlacing looks at pictures before and after"),
    ("recipe", {"video": (TOP, LOW.model_copy(update={"frame_rate": RATES[0]}))},
     "its rate is converted, picture by picture from the beginning"),
    ("recipe", {"burned_index": 2}, "subtitles are drawn into the picture"),
    *(("video", {"keyframe_seconds": it}, "its index does not say where keyframes are")
      for it in (None, ())),
]  # fmt: skip
ALLOWED: list[tuple[str, dict[str, Any]]] = [
    *(
        ("media", {"container": it})
        for it in ("mp4", "mov", "3gp", "matroska", "webm", "mpegts")
    ),
    ("media", {"fragmented": True}),
    *(("video", {"start_seconds": it}) for it in (0.002, 0.033, 0.034, 1.0)),
    *(("media of Matroska", {"container": it}) for it in ("matroska", "webm")),
    ("media", {"fragmented": None}),
    ("media", {"start_seconds": -0.021}),
    ("media", {"video": (MILLISECONDS,)}),
    ("video", {"start_seconds": 0.001}),
    ("video", {"frame_rate": RATES[-1], "time_base": Fraction(1, 1000)}),
    ("video", {"frame_rate": Fraction(15, 2), "time_base": Fraction(1, 15_000)}),
    ("video", {"keyframe_seconds": (0.0,)}),
    *(("video", {"variable_frame_rate": it}) for it in (True, None)),
    ("recipe", COPYING),
]


def changed(where: str, change: dict[str, Any]) -> tuple[Media, Recipe]:
    """The film or its recipe with one thing changed."""
    media = film()
    if where == "media of Matroska":
        uncounted = media.video[0].model_copy(update={"frames": None})
        media = media.model_copy(
            update={"video": (uncounted,), "container": "matroska"}
        )
    if where == "recipe":
        return media, RECIPE.model_copy(update=change)
    if where in {"video", "audio"}:
        (stream,) = getattr(media, where)
        change = {where: (stream.model_copy(update=change),)}
    copying = where == "media beside a copy"
    return media.model_copy(update=change), BESIDE_A_COPY if copying else RECIPE


@pytest.mark.parametrize(("where", "change", "why"), FORBIDDEN)
def test_one_thing_is_enough_to_forbid_it(where: str, change: Any, why: str) -> None:
    """It is said as a clause, and there are no chunks."""
    media, recipe = changed(where, change)

    assert why == obstacle(media, recipe)
    assert cuts(media, recipe, 2) is None


@pytest.mark.parametrize(("where", "change"), ALLOWED)
def test_what_can_be_cut_is(where: str, change: Any) -> None:
    """Every indexed container, priming, and what a clock of milliseconds rounds."""
    media, recipe = changed(where, change)

    assert obstacle(media, recipe) is None
    assert 2 == len(cuts(media, recipe, 2) or ())


@pytest.mark.parametrize("video", [(TOP, LOW), (COPIED, LOW)])
def test_a_chunk_makes_pictures_and_nothing_else(video: Any) -> None:
    """All that is encoded, each in an MP4 of its own; sound is never cut."""
    recipe = RECIPE.model_copy(update={"video": video})
    clip = Clip(start_seconds=8.0, end_seconds=20.0, seek_seconds=6.0)
    encoded = {it.name: it for it in video if it != COPIED}
    files = (OutputFile(name=f"{n}.mp4", container="mp4", video=n) for n in encoded)
    dropped = {"audio": (), "captions": (), "poster": None, "sprites": None}
    kept: dict[str, Any] = {
        "packaging": FilePackaging(files=tuple(files)),
        "clip": clip,
    }
    kept |= {"video": tuple(encoded.values()), "keep_metadata": False}

    assert recipe.model_copy(update=dropped | kept) == chunk_recipe(recipe, clip)


def test_a_join_makes_everything_of_its_chunks() -> None:
    """The recipe stays as it is, and knows the parts that pictures were made in."""
    parts = (Clip(start_seconds=0.0, end_seconds=12.0), Clip(start_seconds=12.0))

    assert RECIPE.model_copy(update={"chunks": parts}) == join_recipe(RECIPE, parts)
