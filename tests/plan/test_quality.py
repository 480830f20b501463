"""A target quality: asked for, refused, found, and said."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from transcode.catalog import Catalog
from transcode.contract import (
    Capabilities,
    DynamicRange,
    FilePackaging,
    Media,
    Recipe,
    Trial,
)
from transcode.errors import ProfileError, QualityError
from transcode.plan.profile import Profile, parse_profile
from transcode.plan.quality import (
    found_factors,
    said_of,
    with_factors,
    without_idle_rungs,
)
from transcode.plan.recipe import make_recipe
from transcode.plan.sample_parts import looks_of, search_parts
from transcode.settings import Settings

Change = Callable[..., Media]

TEXT = """
name = "aimed"
title = "aimed"
[packaging]
type = "file"
[video]
codec = "h264"
preset = "veryfast"
copy = false
{0}
[[video.rungs]]
short_side = 1080
crf = 23
max_bit_rate_kbps = 6000
[[video.rungs]]
short_side = 360
crf = 23
max_bit_rate_kbps = 900
{1}
"""


def aimed(video: str = "target_vmaf = 94", rung: str = "") -> Profile:
    return parse_profile(TEXT.format(video, rung), origin="aimed.toml")


def tried(*points: tuple[float, float, int], name: str = "720p") -> list[Trial]:
    return [
        Trial(rendition=name, crf=crf, score=vmaf, worst_score=vmaf - 1, bit_rate=rate)
        for crf, vmaf, rate in points
    ]


@pytest.fixture
def recipe(change: Change, capable: Capabilities) -> Recipe:
    rich = change(media={"bytes": 20_000_000}, video={"bit_rate": 9_000_000})
    return make_recipe(rich, aimed(), capable).recipe


@pytest.mark.parametrize("given", ["29.9", "99.5", "0", "nan", '"94"'])
def test_a_target_that_is_none_is_refused(given: str) -> None:
    """Never clamped, in the profile as on the command line."""
    with pytest.raises(ProfileError, match="target_vmaf"):
        aimed(f"target_vmaf = {given}")


def test_asked_for_by_hand_it_counts_for_every_rung() -> None:
    """Over what the profile says; another target is another job."""
    catalog = Catalog(Settings())

    asked = catalog.asked("mp4", target_vmaf=94.0)

    assert asked.digest != catalog.profile("mp4").digest
    assert asked.video is not None
    assert [asked.video.target_of(it) for it in asked.video.rungs] == [("vmaf", 94.0)]
    with pytest.raises(QualityError, match="30 to 99"):
        catalog.asked("mp4", target_vmaf=100.0)
    with pytest.raises(QualityError, match="no pictures"):
        catalog.asked("audio", target_vmaf=94.0)


def test_a_profile_without_a_target_keeps_its_digest() -> None:
    """Jobs of before are the same jobs."""
    assert "vmaf" not in str(aimed("").digest)
    assert aimed("").digest == aimed('vmaf_model = "auto"').digest
    assert aimed("").digest != aimed().digest


def test_two_targets_are_one_too_many() -> None:
    """By hand and in a profile; and ways are compared at equal VMAF alone."""
    catalog = Catalog(Settings())

    with pytest.raises(QualityError, match="not for both"):
        catalog.asked("mp4", target_vmaf=94.0, target_xpsnr=40.0)
    with pytest.raises(QualityError, match="write 25 to 55"):
        catalog.asked("mp4", target_xpsnr=94.0)
    asked = catalog.asked("mp4", target_xpsnr=40.0)
    assert asked.video is not None
    assert [asked.video.target_of(it) for it in asked.video.rungs] == [("xpsnr", 40.0)]


def test_a_rung_may_have_its_own(conforming: Media, capable: Capabilities) -> None:
    """And the model goes by the size."""
    profile = aimed(rung="target_vmaf = 88")

    made = make_recipe(conforming, profile, capable).recipe.video

    assert [(it.target.score, it.target.model) for it in made if it.target] == [
        (94.0, "1080p"),
        (88.0, "1080p"),
    ]


def test_what_vmaf_cannot_tell_is_refused(
    change: Change, conforming: Media, capable: Capabilities
) -> None:
    """By name, with what to do."""
    blind = capable.model_copy(update={"measures_vmaf": False})
    with pytest.raises(QualityError, match="no libvmaf"):
        make_recipe(conforming, aimed(), blind)
    size = {"width": 128, "height": 72, "display_width": 128, "display_height": 72}
    with pytest.raises(QualityError, match="as small as 128x72"):
        make_recipe(change(video=size), aimed(), capable)
    hdr = change(video={"dynamic_range": DynamicRange.HDR10, "bit_depth": 10})
    keeping = parse_profile(
        TEXT.format(
            'target_vmaf = 94\ndynamic_range = "keep"\npixel_format = "yuv420p10le"',
            "",
        ).replace("h264", "hevc"),
        origin="aimed.toml",
    )
    with pytest.raises(QualityError, match="knows no HDR"):
        make_recipe(hdr, keeping, capable)


def test_a_factor_is_found_between_two_that_were_tried(recipe: Recipe) -> None:
    """With the rate it will have, on a line of its logarithm."""
    factors = found_factors(tried((23, 96.0, 4_000_000), (27, 92.0, 2_000_000)), recipe)

    found = factors["720p"]
    assert (found.crf, found.score, found.verdict) == (25.0, 94.0, "found")
    assert found.bit_rate == pytest.approx(2_828_427)
    top = with_factors(recipe, factors).video[0]
    assert top.crf == 25.0
    assert top.target is not None
    assert (top.target.expected, top.target.fall) == (94.0, 1.0)
    assert said_of(recipe, factors) == ()


def test_what_cannot_be_reached_is_made_as_well_as_makes_sense(recipe: Recipe) -> None:
    """And said, before anything is encoded."""
    factors = found_factors(tried((23, 80.0, 4_000_000), (13, 88.0, 9_000_000)), recipe)

    assert factors["720p"].verdict == "unreachable"
    (said,) = said_of(recipe, factors)
    assert "cannot reach VMAF 94" in said
    assert "88.0" in said


def test_what_needs_no_target_is_made_frugally(recipe: Recipe) -> None:
    """Screen text: 99 at any rate."""
    factors = found_factors(tried((23, 99.5, 90_000), (38, 98.9, 60_000)), recipe)

    assert (factors["720p"].verdict, factors["720p"].crf) == ("exceeded", 38.0)
    assert "better than VMAF 94" in said_of(recipe, factors)[0]


def test_of_a_minute_all_is_looked_at_last(change: Change, recipe: Recipe) -> None:
    """That takes what many looks do, and leaves nothing out."""
    lasts = {"duration_seconds": 60.0}
    media = change(media=lasts, video=lasts)

    *looks, whole = looks_of(media, recipe)

    assert 6 == len(looks)
    assert (0.0, 60.0, True) == (whole.start_seconds, whole.end_seconds, whole.entire)
    assert not any(it.entire for it in looks)


def test_parts_and_looks_lie_apart(change: Change, recipe: Recipe) -> None:
    """What a search was tuned on shows nothing of what it did not see."""
    lasts = {"duration_seconds": 90.0}
    keys = tuple(2.0 * n for n in range(45))
    media = change(media=lasts, video={**lasts, "keyframe_seconds": keys})

    parts, looks = search_parts(media, recipe), looks_of(media, recipe)

    assert isinstance(parts, tuple)
    assert (len(parts), len(looks)) == (4, 18)
    assert all(
        look.end_seconds <= part.start_seconds or part.end_seconds <= look.start_seconds
        for look in looks
        for part in parts
        if look.end_seconds and part.end_seconds
    )


@pytest.mark.parametrize("frame_rate", [6, 25])
@pytest.mark.parametrize("gop_seconds", [1.0, 5.0, 9.0])
@pytest.mark.parametrize("seconds", [20.5, 23.0, 30.0, 45.0, 140.0, 900.0])
def test_looks_lie_all_over_the_source(
    change: Change,
    recipe: Recipe,
    seconds: float,
    gop_seconds: float,
    frame_rate: int,
) -> None:
    """
    Of a source that parts take most of, too: a clip of 10 s made for 93, which came to
    91.3, was called 93.2 where all six had gathered in its last seconds.
    """
    lasts = {"duration_seconds": seconds}
    keys = tuple(gop_seconds * n for n in range(int(seconds / gop_seconds)))
    video = {**lasts, "keyframe_seconds": keys, "frame_rate": Fraction(frame_rate)}
    media = change(media=lasts, video=video)

    first = [it.start_seconds for it in looks_of(media, recipe)[:6]]

    assert first == sorted(set(first))
    gaps = [b - a for a, b in zip([0.0, *first], [*first, seconds], strict=True)]
    assert max(gaps) < seconds / 3


def test_a_short_source_is_looked_at_as_a_whole_at_once(
    change: Change, recipe: Recipe
) -> None:
    """What the search leaves of it is no sample."""
    lasts = {"duration_seconds": 20.0}

    [whole] = looks_of(change(media=lasts, video=lasts), recipe)

    assert (whole.end_seconds, whole.entire) == (20.0, True)


def test_without_an_index_everything_before_is_read(
    change: Change, recipe: Recipe
) -> None:
    """A transport stream is searched, too, and so is what is very short."""
    stream = change(media={"container": "mpegts"})
    brief = change(media={"duration_seconds": 3.0}, video={"duration_seconds": 3.0})

    parts, whole = search_parts(stream, recipe), search_parts(brief, recipe)

    assert isinstance(parts, tuple)
    assert isinstance(whole, tuple)
    assert {it.seek_seconds for it in parts} == {None}
    assert [(it.start_seconds, it.end_seconds) for it in whole] == [(0.0, 3.0)]
    # Nothing leads up to it, and what is held is all of it, too.
    assert [it.entire for it in whole] == [True]
    assert not any(it.entire for it in parts)
    assert looks_of(brief, recipe) == whole


def test_a_poor_source_is_not_made_larger(
    change: Change, capable: Capabilities
) -> None:
    """H.264 whose artefacts would take more than it has itself takes no more."""
    media = change(video={"bit_rate": 1_000_000})
    recipe = make_recipe(media, aimed(), capable).recipe

    near = found_factors(tried((23, 94.0, 1_150_000)), recipe)["720p"]
    far = found_factors(tried((23, 94.0, 4_000_000)), recipe)["720p"]

    assert ("poor_source", 1_150_000) == (near.verdict, near.wanted_bit_rate)
    assert near.bit_rate <= 1_000_000 * 1.03
    assert 91.0 < near.score < 94.0
    assert far.bit_rate <= 1_000_000 * 1.03
    assert "its source's rate justifies" in said_of(recipe, {"720p": far})[0]


def test_a_rung_that_adds_nothing_is_left_out(recipe: Recipe) -> None:
    """It takes nearly what the larger one takes; the plan says so."""
    near = tried((25, 94.0, 1_000_000)) + tried((25, 94.0, 900_000), name="360p")
    far = tried((25, 94.0, 1_000_000)) + tried((25, 94.0, 300_000), name="360p")

    fewer, said = without_idle_rungs(recipe, found_factors(near, recipe), None)
    same, nothing = without_idle_rungs(recipe, found_factors(far, recipe), None)

    assert ["720p"] == [it.name for it in fewer.video]
    assert isinstance(fewer.packaging, FilePackaging)
    assert ["720p"] == [it.video for it in fewer.packaging.files]
    assert "360p is left out" in said[0]
    assert (recipe, ()) == (same, nothing)


def test_beside_a_copy_rungs_are_measured_by_it(
    conforming: Media, capable: Capabilities
) -> None:
    """What is copied has the source's rate, and nothing of it is searched for."""
    copying = parse_profile(
        TEXT.format("target_vmaf = 94", "").replace("copy = false", ""),
        origin="aimed.toml",
    )
    recipe = make_recipe(conforming, copying, capable).recipe
    dear = found_factors(tried((25, 94.0, 650_000), name="360p"), recipe)

    fewer, _ = without_idle_rungs(recipe, dear, 700_000)

    assert ["copied", "encoded"] == [it.made_by for it in recipe.video]
    assert ["720p"] == [it.name for it in fewer.video]


def test_a_cap_ends_a_search(recipe: Recipe) -> None:
    """Lower factors that take no more bits: the most frugal of them is as good."""
    trials = tried((23, 88.0, 1_484_000), (20, 87.1, 1_484_000), (13, 87.0, 1_490_000))

    factors = found_factors(trials, recipe)

    assert ("capped", 23.0) == (factors["720p"].verdict, factors["720p"].crf)
    assert "within its cap" in said_of(recipe, factors)[0]


def test_looks_begin_at_keyframes_where_some_are_near(
    change: Change, recipe: Recipe
) -> None:
    """
    So that little before them is decoded; yet anywhere between two keyframes, as the
    first pictures are the best; none begins where a part did.
    """
    lasts = {"duration_seconds": 90.0}
    keys = tuple(2.0 * n for n in range(45))
    media = change(media=lasts, video={**lasts, "keyframe_seconds": keys})

    looks, parts = looks_of(media, recipe), search_parts(media, recipe)

    assert isinstance(parts, tuple)
    away = [it.start_seconds - (it.seek_seconds or 0.0) for it in looks]
    assert {0.0, 0.67, 1.33} == {round(it, 2) for it in away[:6]}
    assert max(away) < 2.0
    starts = {it.start_seconds for it in looks}
    assert starts.isdisjoint(it.start_seconds for it in parts)
