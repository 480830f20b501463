"""The ladder: never larger than the source, even, in shape, in order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.contract import Media, VideoRendition, VideoStream
from transcode.plan.justified import own_rate
from transcode.plan.ladder import fit, kept_frame_rate, ladder, scaled_cap
from transcode.plan.profile import Profile, VideoProfile, VideoRung

Change = Callable[..., Media]

SIDES = st.integers(2, 8192)
SIZES = [144, 360, 720, 1080, 2160]
SHORTS = st.lists(
    st.integers(1, 1100).map(lambda n: n * 2), min_size=1, max_size=8, unique=True
)
RATES = st.one_of(
    st.none(),
    st.fractions(Fraction(1), Fraction(1000), max_denominator=1001),
)


def profile_of(shorts: list[int], *, step: float = 1.2) -> VideoProfile:
    return VideoProfile(
        codec="h264",
        preset="veryfast",
        rung_step=step,
        rungs=tuple(
            VideoRung(short_side=short, crf=23, max_bit_rate_kbps=short * 5)
            for short in shorts
        ),
    )


def picture(
    width: int, height: int, rate: Fraction | None = Fraction(30)
) -> VideoStream:
    return VideoStream(
        index=0,
        codec="h264",
        width=width,
        height=height,
        display_width=width,
        display_height=height,
        frame_rate=rate,
        variable_frame_rate=False,
        frames=None,
        pixel_format="yuv420p",
    )


def rendered(
    video: VideoStream, profile: VideoProfile, *, bit_rate: int | None = None
) -> tuple[VideoRendition, ...]:
    return ladder(video, profile, encoder="libx264", copied=False, bit_rate=bit_rate)


def sizes(
    profile: Profile, width: int, height: int, rate: Fraction | None = Fraction(30)
) -> list[str]:
    assert profile.video
    made = rendered(picture(width, height, rate), profile.video)
    return [f"{it.name} {it.width}x{it.height}" for it in made]


@given(SIDES, SIDES, SHORTS, RATES, st.one_of(st.none(), st.integers(0, 10**9)))
def test_every_ladder_is_sound(
    width: int,
    height: int,
    shorts: list[int],
    rate: Fraction | None,
    bit_rate: int | None,
) -> None:
    """
    Even, never upscaled, in shape to a pixel, named once, strictly decreasing.
    """
    profile = profile_of(shorts)

    made = rendered(picture(width, height, rate), profile, bit_rate=bit_rate)

    assert 1 <= len(made) <= len(shorts) + 1
    assert len(made) == len({it.name for it in made})
    for it in made:
        assert (0, 0) == (it.width % 2, it.height % 2)
        assert 2 <= it.width <= width
        assert 2 <= it.height <= height
        assert min(it.width, it.height) <= max(shorts)
        # Shape: a side differs from the exact one by less than the two pixels that
        # evenness may cost, the rounding of the other side included.
        exact = it.height * width / height if width > height else it.width
        assert abs(it.width - exact) < 2 * max(1.0, width / height)
        assert (it.max_bit_rate or 0) >= (64_000 if bit_rate is None else 16_000)
    for above, below in itertools.pairwise(made):
        assert below.width * below.height < above.width * above.height
        assert below.width <= above.width
        assert below.height <= above.height


@given(SIDES, SIDES, SHORTS)
def test_portrait_is_landscape_turned(
    width: int, height: int, shorts: list[int]
) -> None:
    """
    A turned source gives the turned ladder, with the same caps.
    """
    profile = profile_of(shorts)
    upright = rendered(picture(width, height), profile)
    turned = rendered(picture(height, width), profile)

    assert [(it.name, it.width, it.height, it.max_bit_rate) for it in upright] == [
        (it.name, it.height, it.width, it.max_bit_rate) for it in turned
    ]


@given(SIDES, SIDES, st.integers(2, 2000))
def test_a_fitted_size_keeps_its_shape(width: int, height: int, short: int) -> None:
    """
    The longer side is within a pixel of the exact one, given the shorter.
    """
    fitted = fit(width, height, short)
    small, large = sorted(fitted)
    source_small, source_large = sorted((width, height))

    if small < source_small // 2 * 2:
        exact = source_large * small / source_small
        assert abs(large - exact) <= 1 or large == source_large // 2 * 2


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (
            1920,
            1080,
            [
                "1080p 1920x1080",
                "720p 1280x720",
                "480p 854x480",
                "360p 640x360",
                "240p 426x240",
            ],
        ),
        (
            720,
            1280,
            ["720p 720x1280", "480p 480x854", "360p 360x640", "240p 240x426"],
        ),
        # Between two rungs: its own size, and not the rung just beneath.
        (960, 540, ["540p 960x540", "360p 640x360", "240p 426x240"]),
        (880, 660, ["660p 880x660", "480p 640x480", "360p 480x360", "240p 320x240"]),
        # 4K skips what lies between, and larger than that is brought down.
        (
            7680,
            4320,
            [
                "2160p 3840x2160",
                "1080p 1920x1080",
                "720p 1280x720",
                "480p 854x480",
                "360p 640x360",
                "240p 426x240",
            ],
        ),
        (
            2560,
            1440,
            [
                "1440p 2560x1440",
                "1080p 1920x1080",
                "720p 1280x720",
                "480p 854x480",
                "360p 640x360",
                "240p 426x240",
            ],
        ),
        # Smaller than the smallest rung: one rendition of its own size, made even.
        (161, 121, ["120p 160x120"]),
        (10, 12, ["10p 10x12"]),
        (50, 50, ["50p 50x50"]),
        (854, 481, ["480p 854x480", "360p 640x360", "240p 426x240"]),
    ],
)
def test_sizes_of_the_hls_profile(
    width: int, height: int, expected: list[str], shipped: Callable[[str], Profile]
) -> None:
    """
    The ladders that users will see.
    """
    assert expected == sizes(shipped("hls"), width, height)


def test_one_rung_makes_one_rendition(shipped: Callable[[str], Profile]) -> None:
    """
    `mp4` scales what is too large and leaves what is not.
    """
    mp4 = shipped("mp4")

    assert ["1080p 1920x1080"] == sizes(mp4, 3840, 2160)
    assert ["720p 1280x720"] == sizes(mp4, 1280, 720)


@pytest.mark.parametrize(
    ("rate", "limit", "expected"),
    [
        ("60", 30, "30"),
        ("50", 30, "25"),
        ("60000/1001", 30, "30000/1001"),
        ("120", 30, "30"),
        ("240", 60, "60"),
        ("48", 30, "24"),
        ("30", 30, None),
        ("30000/1001", 30, None),
        # Measured by a phone that means 30.
        ("30257/1000", 30, None),
        ("25", None, None),
        ("1", 30, None),
    ],
)
def test_fast_rates_are_divided(
    rate: str, limit: float | None, expected: str | None
) -> None:
    """
    By a whole number, so that the frames which stay are evenly spaced.
    """
    kept = kept_frame_rate(picture(1280, 720, Fraction(rate)), limit)

    assert (None if expected is None else Fraction(expected)) == kept


def test_an_unknown_rate_is_kept() -> None:
    """
    Nobody knows that it is too fast.
    """
    assert kept_frame_rate(picture(1280, 720, None), 30) is None


def test_a_fast_variable_rate_becomes_the_limit() -> None:
    """
    The average has no whole divisor that means anything.
    """
    video = picture(1280, 720, Fraction(13325, 100)).model_copy(
        update={"variable_frame_rate": True}
    )

    assert Fraction(60) == kept_frame_rate(video, 60.0)


def test_caps_scale_with_pixels_and_rate() -> None:
    """
    The rung's figure is for 16:9 at 30; 60 frames cost half as much again.
    """
    rung = VideoRung(short_side=720, crf=23, max_bit_rate_kbps=3000)

    assert 3_000_000 == scaled_cap(rung, (1280, 720), Fraction(30))
    assert 3_000_000 == scaled_cap(rung, (1280, 720), Fraction(1))
    assert 3_000_000 == scaled_cap(rung, (1280, 720), None)
    assert 4_500_000 == pytest.approx(
        scaled_cap(rung, (1280, 720), Fraction(60)), rel=1e-3
    )
    assert 3_000_000 / 4**0.75 == pytest.approx(
        scaled_cap(rung, (640, 360), Fraction(30)), rel=1e-6
    )
    # 1000 frames per second is a time base that somebody took for a rate.
    assert scaled_cap(rung, (1280, 720), Fraction(120)) == scaled_cap(
        rung, (1280, 720), Fraction(1000)
    )


def test_no_encode_is_larger_than_its_source_justifies() -> None:
    """
    The source's bit rate at its size, less for smaller pictures and at fewer frames.
    """
    slow = profile_of([720, 360]).model_copy(update={"max_frame_rate": 15.0})

    made = rendered(picture(1280, 720), profile_of([720, 360]), bit_rate=1_000_000)
    halved = rendered(picture(1280, 720), slow, bit_rate=1_000_000)

    each = [1_000_000, round(1_000_000 / 4**0.75)]
    assert each == [it.most_bit_rate for it in made]
    assert each == [it.max_bit_rate for it in made]
    assert [round(it / 1.5) for it in each] == pytest.approx(
        [it.most_bit_rate for it in halved], rel=1e-3
    )


@given(
    seconds=st.floats(1, 7200),
    rate=st.integers(1_000, 10**8),
    short=st.sampled_from(SIZES),
)
def test_a_buffer_cannot_make_it_larger(seconds: float, rate: int, short: int) -> None:
    """
    Whatever an encoder spends of its buffer at once: the whole stays below its most.
    """
    profile = profile_of([2160])
    size = (short * 16 // 9, short)

    made = ladder(
        picture(*size), profile, encoder="libx264", copied=False, bit_rate=rate,
        seconds=seconds,
    )[0]  # fmt: skip

    assert made.max_bit_rate
    assert made.buffer_bits
    if made.most_bit_rate is None:
        assert made.max_bit_rate < rate * 1.001
        return
    spent = made.max_bit_rate * seconds + 0.9 * made.buffer_bits
    assert spent <= made.most_bit_rate * seconds * 1.001 + 1_000
    assert made.buffer_bits <= scaled_cap(profile.rungs[0], size, Fraction(30)) * 2.001


def test_what_headers_claim_counts_as_far_as_the_file_goes(change: Change) -> None:
    """
    A picture cannot have more bits than its file; without a claim sound is taken off.
    """
    lies = change(video={"bit_rate": 90_000_000})
    silent = change(video={"bit_rate": None})
    sound = sum(it.bit_rate or 0 for it in silent.audio)
    whole = int(3_100_000 * 8 / 12.0)

    assert sound
    assert whole == own_rate(lies.video[0], lies)
    assert whole - sound == own_rate(silent.video[0], silent)
    assert 1_930_000 == own_rate(change().video[0], change())


def test_a_frugal_source_codec_is_allowed_for() -> None:
    """
    HEVC at 1 Mb/s needs more than that as H.264.
    """
    hevc = picture(1280, 720).model_copy(update={"codec": "hevc"})

    made = rendered(hevc, profile_of([720]), bit_rate=1_000_000)

    assert [round(1_000_000 / 0.65)] == [it.max_bit_rate for it in made]


def test_single_picture_codecs_say_nothing_about_bit_rate() -> None:
    """
    Motion JPEG of any rate gets the rung's cap.
    """
    jpeg = picture(1280, 720).model_copy(update={"codec": "mjpeg"})

    made = rendered(jpeg, profile_of([720]), bit_rate=100_000)

    assert [3_600_000] == [it.max_bit_rate for it in made]


def test_a_still_scene_is_not_starved() -> None:
    """
    A source of next to no bits has few keyframes; where ours come more often, they are
    allowed for: a tenth of a bit per pixel each.
    """
    sparse = rendered(picture(1280, 720), profile_of([720]), bit_rate=800)
    dense = picture(1280, 720).model_copy(update={"longest_gop_seconds": 2.0})

    assert [1280 * 720 // 20] == [it.max_bit_rate for it in sparse]
    assert [16_000] == [
        it.max_bit_rate for it in rendered(dense, profile_of([720]), bit_rate=800)
    ]


def test_a_copied_picture_stays_as_it_is(change: Change) -> None:
    """
    Only the renditions beneath it have an encoder.
    """
    video = change().video[0]

    top, below = ladder(
        video, profile_of([720, 360]), encoder="libx264", copied=True, bit_rate=None
    )

    assert ("copied", None, 1280, 720) == (
        top.made_by,
        top.encoder,
        top.width,
        top.height,
    )
    assert ("encoded", "libx264", "360p") == (below.made_by, below.encoder, below.name)
