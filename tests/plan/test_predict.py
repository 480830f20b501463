"""Predictions: what must hold of them, and what a real ffmpeg then takes."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import MakeClip
from transcode.contract import (
    AudioRendition,
    AudioStream,
    Clip,
    CmafPackaging,
    FilePackaging,
    Media,
    OutputFile,
    Poster,
    Recipe,
    Spec,
    Sprites,
    VideoRendition,
    VideoStream,
)
from transcode.errors import PlanError, SettingsError
from transcode.plan.coefficients import EncodeCosts, parse_coefficients
from transcode.plan.estimates import density
from transcode.plan.memory import (
    reference_pictures,
    rendition_bytes,
    waiting_bytes,
)
from transcode.plan.predict import Prediction, predict
from transcode.plan.workload import workload

SHIPPED = Path(__file__).resolve().parents[2] / "transcode/plan/coefficients.toml"
COEFFICIENTS = parse_coefficients(SHIPPED.read_text(encoding="utf-8"))


def picture(
    width: int = 1280, height: int = 720, *, codec: str = "h264", **more: object
) -> VideoStream:
    facts: dict[str, object] = {
        "index": 0, "codec": codec, "width": width, "height": height,
        "display_width": width, "display_height": height, "frame_rate": Fraction(25),
        "variable_frame_rate": False, "frames": None, "pixel_format": "yuv420p",
        "bit_rate": width * height * 2,
    }  # fmt: skip
    return VideoStream.model_validate(facts | more)


def media(video: VideoStream, seconds: float | None = 60.0, **more: object) -> Media:
    sound = AudioStream(
        index=1, codec="aac", sample_rate=48_000, channels=2, layout="stereo"
    )
    facts: dict[str, object] = {
        "container": "mp4", "format_name": "mov", "duration_seconds": seconds,
        "video": (video,), "audio": (sound,), "bytes": 10_000_000,
    }  # fmt: skip
    return Media.model_validate(facts | more)


def rendition(height: int = 480, **more: object) -> VideoRendition:
    facts: dict[str, object] = {
        "name": f"{height}p", "made_by": "encoded", "codec": "h264",
        "encoder": "libx264", "width": height * 16 // 9 // 2 * 2, "height": height,
        "crf": 23.0, "preset": "veryfast",
    }  # fmt: skip
    return VideoRendition.model_validate(facts | more)


def recipe(*video: VideoRendition, **more: object) -> Recipe:
    facts: dict[str, object] = {
        "video_index": 0, "video": video or (rendition(),),
        "packaging": CmafPackaging(segment_seconds=4),
    }  # fmt: skip
    return Recipe.model_validate(facts | more)


def on(milli: int, source: Media, made: Recipe) -> Prediction:
    spec = Spec(memory_mib=1024, milli_cpus=milli)
    return predict(source, made, spec=spec, coefficients=COEFFICIENTS)


LADDER = recipe(rendition(720), rendition(480), rendition(240))


def test_below_one_cpu_the_wall_is_stretched_by_the_quota() -> None:
    """
    Half a CPU takes twice as long, but for what is not computing.
    """
    whole = on(1000, media(picture()), LADDER).usage.wall_seconds
    half = on(500, media(picture()), LADDER).usage.wall_seconds

    assert 2 * (whole - 0.1) == pytest.approx(half - 0.1)


def test_more_cpus_help_until_the_longest_thread_remains() -> None:
    """
    Faster with each, never below the share of CPU time that one thread does.
    """
    walls = [
        on(1000 * k, media(picture()), LADDER).usage.wall_seconds
        for k in (1, 2, 4, 8, 64, 1024)
    ]
    work = workload(media(picture()), LADDER, coefficients=COEFFICIENTS)
    longest = max(it.cpu_seconds * it.longest_share for it in work.stages)

    assert walls == sorted(walls, reverse=True)
    assert walls[1] > walls[0] / 2
    assert walls[-1] > longest


def test_more_threads_need_more_memory() -> None:
    """
    Each frame thread holds pictures; ffmpeg gets one per whole CPU.
    """
    one = on(1000, media(picture()), LADDER).usage.peak_memory_bytes
    same = on(500, media(picture()), LADDER).usage.peak_memory_bytes
    eight = on(8000, media(picture()), LADDER).usage.peak_memory_bytes

    assert one == same
    assert one is not None
    assert eight is not None
    assert one < eight


def test_hours_need_memory_for_what_is_listed_of_them() -> None:
    """
    An MP4's index is read as a whole, and one that is written is kept until its end;
    a transport stream in segments has neither. What a clip leaves out is read as well.
    """

    def peak(hours: float, name: str, made: Recipe) -> int:
        video = picture(codec="h264", level=30)
        source = media(video, 3600 * hours, format_name=name)
        return on(1000, source, made).usage.peak_memory_bytes or 0

    names = [f"{it.name}.mp4" for it in LADDER.video]
    files = FilePackaging(
        files=tuple(
            OutputFile(name=name, container="mp4", video=it.name)
            for name, it in zip(names, LADDER.video, strict=True)
        )
    )
    as_files = LADDER.model_copy(update={"packaging": files})
    clip = as_files.model_copy(
        update={"clip": Clip(start_seconds=0.0, end_seconds=60.0)}
    )
    streamed = [peak(hours, "mov", LADDER) for hours in (1, 2, 4)]
    packets = (25 + 50) * 3600

    assert peak(1, "mpegts", LADDER) == peak(2, "mpegts", LADDER)
    assert packets * 48 == pytest.approx(streamed[1] - streamed[0], rel=0.01)
    assert 2 * (streamed[1] - streamed[0]) == streamed[2] - streamed[1]
    grown = peak(2, "mov", as_files) - peak(1, "mov", as_files)
    assert packets * 48 + 3 * 25 * 3600 * 100 == pytest.approx(grown, rel=0.01)
    assert packets * 48 == pytest.approx(
        peak(2, "mov", clip) - peak(1, "mov", clip), rel=0.01
    )


def test_pictures_that_may_be_held_beside_stills_need_more_memory() -> None:
    """
    They wait for the poster's; where nothing stands still or is looked at, none does.
    """
    poster = Poster(width=1280, height=720, candidates=9)
    seen = LADDER.model_copy(update={"poster": poster})
    even = picture(longest_still_seconds=0.04)
    peaks = [
        on(1000, media(video), made).usage.peak_memory_bytes or 0
        for video, made in ((even, seen), (picture(), LADDER), (picture(), seen))
    ]

    assert peaks[0] - (on(1000, media(even), LADDER).usage.peak_memory_bytes or 0) < (
        20 * 2**20
    )
    assert peaks[2] - peaks[1] > 30 * 2**20


def test_pictures_that_are_stored_large_need_more_memory() -> None:
    """
    HuffYUV in 1080p has 4 MB for each, and ten of them wait before the decoder: as
    much as those that it has decoded. 1.04 times what was predicted was measured.
    """
    size = 4_000_000
    small, large = (
        on(1000, media(film), LADDER).usage.peak_memory_bytes or 0
        for film in (
            picture(1920, 1080, codec="huffyuv", pixel_format="yuv422p", bit_rate=rate)
            for rate in (1_000_000, size * 8 * 25)
        )
    )

    # Eight in the queue, one in the decoder and one on its way.
    assert 10 * size == pytest.approx(large - small, rel=0.01)


def test_ten_bits_and_larger_pictures_need_more_memory() -> None:
    """
    Pictures times bytes per picture.
    """
    deep = picture(pixel_format="yuv422p10le", bit_depth=10)
    peaks = [
        on(1000, media(video), LADDER).usage.peak_memory_bytes or 0
        for video in (picture(), deep, picture(3840, 2160))
    ]

    assert peaks == sorted(peaks)
    assert len(set(peaks)) == 3


@pytest.mark.parametrize(
    ("level", "size", "pictures"),
    [(31, (1280, 720), 6), (41, (1920, 1080), 5), (51, (3840, 2160), 6),
     (40, (320, 240), 17)],
)  # fmt: skip
def test_h264_references_follow_the_standards_table(
    level: int, size: tuple[int, int], pictures: int
) -> None:
    """
    Table A-1: MaxDpbMbs over the picture's macroblocks, 16 at most, and one being made.
    """
    assert pictures == reference_pictures(picture(*size, level=level))


def test_a_copied_rendition_costs_next_to_nothing() -> None:
    """
    Nothing is decoded, scaled or encoded for it.
    """
    copied = rendition(720, made_by="copied", encoder=None, crf=None, preset=None)

    alone = on(1000, media(picture()), recipe(copied)).usage
    encoded = on(1000, media(picture()), recipe(rendition(720))).usage

    assert alone.cpu_seconds < encoded.cpu_seconds / 20
    assert (alone.peak_memory_bytes or 0) < (encoded.peak_memory_bytes or 0) / 2


def test_stills_of_a_copied_video_are_paid_for() -> None:
    """
    Thumbnails all along the video mean decoding all of it.
    """
    copied = rendition(720, made_by="copied", encoder=None, crf=None, preset=None)
    stills = {
        "poster": Poster(width=1280, height=720, candidates=8),
        "sprites": Sprites(interval_seconds=2, columns=5, rows=5, tile_width=160,
                           tile_height=90, count=30),
    }  # fmt: skip

    plain = on(1000, media(picture()), recipe(copied)).usage.cpu_seconds
    drawn = on(1000, media(picture()), recipe(copied, **stills)).usage.cpu_seconds

    assert drawn > plain + 1


def test_a_still_picture_is_encoded_faster_than_a_busy_one() -> None:
    """
    Bits per pixel tell them apart.
    """
    seconds = [
        on(1000, media(picture(bit_rate=rate)), LADDER).usage.cpu_seconds
        for rate in (20_000, 1_000_000, 4_000_000)
    ]

    assert seconds == sorted(seconds)
    assert seconds[0] < seconds[-1] / 2


def test_density_compares_codecs_in_the_terms_of_h264() -> None:
    """
    HEVC says as much with 0.6 of the bits.
    """
    plain = picture(bit_rate=2_304_000)
    dense = picture(bit_rate=2_304_000, codec="hevc")

    assert 0.1 == pytest.approx(density(media(plain), plain))
    assert 0.1 / 0.6 == pytest.approx(density(media(dense), dense))


def test_without_any_bit_rate_density_is_unknown_and_the_interval_wider() -> None:
    """
    Unknown is not zero.
    """
    blind = picture(bit_rate=None)
    source = media(blind, bytes=None)

    def width(prediction: Prediction) -> float:
        return prediction.wall.high / prediction.wall.low

    assert density(source, blind) is None
    assert width(on(1000, media(picture()), LADDER)) < width(on(1000, source, LADDER))


def test_a_source_of_unknown_length_is_measured_by_its_bytes() -> None:
    """
    A raw stream has no duration; its size says something, and the interval says how
    little.
    """
    found = on(1000, media(picture(bit_rate=None), None), LADDER)

    assert found.wall.high / found.wall.low > 5


def test_neither_length_nor_size_is_refused() -> None:
    """
    There is nothing to predict from.
    """
    with pytest.raises(PlanError, match="neither how long nor how large"):
        on(1000, media(picture(), None, bytes=None), LADDER)


@pytest.mark.parametrize(
    ("encoder", "codec", "preset"),
    [("libx264", "h264", "faster"), ("libx264", "h264", "veryslow"),
     ("libsvtav1", "av1", "11"), ("libsvtav1", "av1", "3"),
     ("libvpx-vp9", "vp9", "6"), ("hevc_nvenc", "hevc", "p4")],
)  # fmt: skip
def test_an_unmeasured_preset_is_taken_as_the_next_slower_and_less_sure(
    encoder: str, codec: str, preset: str
) -> None:
    """
    Something is said of every profile, with a wider interval.
    """
    known = {"h264": "veryfast", "av1": "10", "vp9": "5", "hevc": "fast"}[codec]
    sure = {"h264": "libx264", "av1": "libsvtav1", "vp9": "libvpx-vp9",
            "hevc": "libx265"}[codec]  # fmt: skip

    def spread(encoder: str, preset: str) -> float:
        made = recipe(rendition(encoder=encoder, codec=codec, preset=preset))
        return workload(media(picture()), made, coefficients=COEFFICIENTS).spread

    assert spread(sure, known) < spread(encoder, preset)


@settings(deadline=None)
@given(
    seconds=st.floats(0.04, 36_000),
    height=st.sampled_from([144, 240, 480, 720, 1080, 1440, 2160]),
    milli=st.integers(72, 64_000),
)
def test_every_prediction_is_finite_positive_and_inside_its_interval(
    seconds: float, height: int, milli: int
) -> None:
    """
    From one frame to ten hours, on any spec.
    """
    source = media(picture(height * 16 // 9, height), seconds)
    found = on(milli, source, recipe(rendition(height)))
    peak = found.usage.peak_memory_bytes

    assert 0 < found.wall.low < found.usage.wall_seconds < found.wall.high
    assert math.isfinite(found.wall.high)
    assert found.usage.cpu_seconds > 0
    assert peak is not None
    assert peak > 2**20


@settings(deadline=None)
@given(seconds=st.floats(1, 10_000), more=st.floats(0, 1000))
def test_longer_never_takes_less(seconds: float, more: float) -> None:
    """
    CPU, wall and scratch grow with the duration.
    """
    short = on(1700, media(picture(), seconds), LADDER).usage
    long = on(1700, media(picture(), seconds + more), LADDER).usage

    assert short.cpu_seconds <= long.cpu_seconds
    assert short.wall_seconds <= long.wall_seconds
    assert (short.scratch_bytes or 0) <= (long.scratch_bytes or 0)


def test_scratch_holds_the_outputs_at_their_caps() -> None:
    """
    Bit rates times duration.
    """
    sound = AudioRendition(
        name="aac", made_by="encoded", codec="aac", encoder="aac", source_index=1,
        bit_rate=128_000, sample_rate=48_000, channels=2,
    )  # fmt: skip
    made = recipe(rendition(480, max_bit_rate=1_500_000), audio=(sound,))

    assert (1_500_000 + 128_000) * 60 // 8 == (
        on(1000, media(picture()), made).usage.scratch_bytes
    )


def test_rates_between_measured_heights_lie_between() -> None:
    """
    Linear between, flat outside.
    """
    costs = EncodeCosts(
        heights=(240, 720), seconds_per_megapixel=(0.02, 0.01), base_mib=1,
        longest_thread_share=0.1, bytes_per_pixel=1, bytes_per_pixel_per_thread=1,
    )  # fmt: skip

    assert [0.02, 0.015, 0.01, 0.01] == [
        pytest.approx(costs.rate(height)) for height in (100, 480, 720, 2160)
    ]


def test_coefficients_that_are_wrong_name_the_field() -> None:
    """
    And the command that writes them anew.
    """
    text = SHIPPED.read_text(encoding="utf-8").replace("exponent =", "exponen =", 1)

    with pytest.raises(SettingsError, match=r"content\.libx264.*bench/calibrate.py"):
        parse_coefficients(text)


def test_coefficients_without_an_encoder_are_refused() -> None:
    """
    Half a calibration would fail later, in the middle of a plan.
    """
    text = SHIPPED.read_text(encoding="utf-8").replace("libvpx-vp9", "libvpx-vp8")

    with pytest.raises(SettingsError, match="nothing was measured of libvpx-vp9"):
        parse_coefficients(text)


# By a small process: what pytest itself holds at the fork would count as the child's.
WEIGH = """
import os, subprocess, sys
_, status, used = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def test_a_real_encode_takes_the_predicted_cpu_time_and_fits_the_memory(
    make_clip: MakeClip, ffmpeg: str, tmp_path: Path
) -> None:
    """
    Same ladder by hand: CPU within a factor of four of the point, resident memory
    below what is predicted with its margin.

    Wide on purpose: the coefficients may come from another machine and another build.
    """
    clip: Path = make_clip("predicted", seconds=4, size="640x360")
    made = recipe(rendition(360), rendition(240), packaging=FilePackaging(files=()))
    size = clip.stat().st_size
    source = media(
        picture(640, 360, frames=100, bit_rate=size * 2), 4.0, audio=(), bytes=size
    )
    graph = "[0:v]split[a][b];[b]scale=426:240[c]"
    one = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-threads", "1")
    done = subprocess.run(
        [sys.executable, "-c", WEIGH, ffmpeg, "-v", "error", "-nostdin",
         "-threads", "1", "-i", clip, "-filter_complex", graph,
         "-map", "[a]", *one, tmp_path / "a.mp4",
         "-map", "[c]", *one, tmp_path / "c.mp4"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    code, spent, peak_kib = (float(word) for word in done.stdout.split())
    found = on(1000, source, made).usage

    assert 0 == code
    assert spent / 4 < found.cpu_seconds < spent * 4 + 0.5
    assert peak_kib * 1024 < (found.peak_memory_bytes or 0) * 1.25


def test_a_slower_machine_takes_longer_by_its_pace() -> None:
    """
    CPU time, wall time and its interval, and nothing of memory; the times that are
    neither are a tenth of a second.
    """
    known = COEFFICIENTS.model_copy(
        update={
            "measured": COEFFICIENTS.measured.model_copy(
                update={"yardstick_seconds": 0.04}
            )
        }
    )
    args = media(picture()), recipe()
    spec = Spec(memory_mib=1024, milli_cpus=1000)

    usual = predict(*args, spec=spec, coefficients=known.here(0.04))
    slow = predict(*args, spec=spec, coefficients=known.here(0.06))

    assert slow.usage.cpu_seconds == pytest.approx(1.5 * usual.usage.cpu_seconds)
    assert slow.wall.high == pytest.approx(1.5 * usual.wall.high)
    assert slow.usage.peak_memory_bytes == usual.usage.peak_memory_bytes


def test_an_unknown_pace_is_no_pace() -> None:
    """
    Where the yardstick was not laid on, on either machine, nothing is made up.
    """
    bare = COEFFICIENTS.model_copy(
        update={
            "measured": COEFFICIENTS.measured.model_copy(
                update={"yardstick_seconds": None}
            )
        }
    )

    assert 1.0 == bare.here(0.06).pace
    assert 1.0 == COEFFICIENTS.here(None).pace


@pytest.mark.parametrize(
    ("late", "clip", "waits"), [(0, None, 0), (3, None, 3), (3, 2, 2)]
)
def test_pictures_wait_for_sound_that_begins_late(
    late: float, clip: float | None, waits: float
) -> None:
    """All of them, as decoded and as scaled, until it does or the clip ends."""
    video = picture(start_seconds=0.0)
    plain = media(video)
    sound = plain.audio[0].model_copy(update={"start_seconds": float(late)})
    made = recipe(
        rendition(480),
        audio=(
            AudioRendition(
                name="aac", made_by="encoded", codec="aac", encoder="aac",
                source_index=1, bit_rate=96_000, sample_rate=48_000, channels=2,
            ),
        ),
        clip=None if clip is None else Clip(start_seconds=0.0, end_seconds=clip),
    )  # fmt: skip

    held = waiting_bytes(plain.model_copy(update={"audio": (sound,)}), video, made)

    assert held == waits * 25 * (1280 * 720 + 852 * 480) * 3 / 2


@pytest.mark.parametrize(
    ("threads", "measured"),
    [(1, (55, 159, 312)), (2, (84, 222, 429)), (3, (121, 306, 582)),
     (4, (146, 385, 734)), (5, (166, 467, 908)), (6, (244, 666, 1250)),
     (7, (244, 666, 1250)), (16, (244, 666, 1250))],
)  # fmt: skip
def test_an_encoder_with_pools_is_predicted_at_any_number_of_threads(
    threads: int, measured: tuple[int, int, int]
) -> None:
    """
    SVT-AV1, preset 9, MiB at 360, 720 and 1080 lines, as a user without privileges.
    """
    costs = COEFFICIENTS.encode["libsvtav1"]["9"]

    for lines, held in zip((360, 720, 1080), measured, strict=True):
        one = rendition(lines, encoder="libsvtav1", codec="av1", preset="9")
        said = rendition_bytes(one, costs, threads=threads) / 2**20
        assert 0.97 * held <= said <= 1.2 * held + 8
