"""Copying: the ordinary upload conforms, and each fact that stops it says so."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from transcode.contract import DynamicRange, Loudness, Media
from transcode.plan.copyable import audio_obstacles, longest_segment, video_obstacles
from transcode.plan.profile import Profile

Change = Callable[..., Media]
Shipped = Callable[[str], Profile]


def found(media: Media, profile: Profile) -> tuple[str, ...]:
    return video_obstacles(media.video[0], media, profile)


def test_an_ordinary_upload_conforms(conforming: Media, shipped: Shipped) -> None:
    """
    H.264 High, 720p30, 2 s closed GOPs, 1.9 Mb/s, AAC LC stereo: nothing to do.
    """
    hls = shipped("hls")

    assert () == found(conforming, hls)
    assert () == audio_obstacles(conforming.audio[0], conforming, hls.audio[0])


def test_a_variable_frame_rate_conforms(change: Change, shipped: Shipped) -> None:
    """
    A copied stream keeps its own times, whatever they are.
    """
    assert () == found(change(video={"variable_frame_rate": True}), shipped("hls"))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"codec": "hevc"}, "The picture's codec is hevc, not h264."),
        ({"profile": None}, "The picture's h264 profile is not known."),
        (
            {"profile": "High 4:4:4 Predictive"},
            "The picture is h264 High 4:4:4 Predictive, which few devices play.",
        ),
        ({"level": 62}, "The picture is h264 level 6.2; devices play up to 5.2."),
        (
            {"pixel_format": "yuv422p10le"},
            "The picture's pixel format is yuv422p10le, not yuv420p.",
        ),
        (
            {"pixel_format": "yuvj420p"},
            "The picture's pixel format is yuvj420p, not yuv420p.",
        ),
        (
            {"color_range": "pc"},
            "The picture uses full-range colour; the other renditions do not.",
        ),
        (
            {"color_transfer": "iec61966-2-4"},
            "The picture's colours (iec61966-2-4) are others than the renditions have.",
        ),
        ({"has_alpha": True}, "The picture has an alpha channel."),
        (
            {"dynamic_range": DynamicRange.HLG},
            "The picture is HDR (hlg), and SDR is asked for.",
        ),
        ({"interlaced": True}, "The picture is interlaced."),
        (
            {"display_width": 5120, "display_height": 2880, "bit_rate": 1000},
            "The picture is 5120x2880, larger than the 2160p rung.",
        ),
        (
            {"display_width": 1279, "bit_rate": 1000},
            "The picture's size is odd (1279x720).",
        ),
        (
            {"rotation_degrees": 90},
            "The picture is stored turned by 90 degrees and has to be set upright.",
        ),
        (
            {"mirrored": True},
            "The picture is stored mirrored and has to be set upright.",
        ),
        (
            {"duration_seconds": 11.967},
            "The container does not say how long each frame is shown.",
        ),
        ({"retimed": "start"}, "The times stored with the picture are wrong."),
        (
            {"sample_aspect_ratio": Fraction(4, 3)},
            "The pixels are not square (4:3).",
        ),
        (
            {"frame_rate": Fraction(240)},
            "The picture has 240 frames per second; the profile allows 60.",
        ),
        (
            {"bit_rate": 3_600_000},
            "The picture has 3600 kbit/s; copying is allowed up to 3520.",
        ),
        (
            {"start_seconds": 0.5, "keyframe_seconds": (0.5, 2.0, 4.0, 6.0, 8.0, 10.0)},
            "The picture starts 0.50 s after the rest, which needs filling.",
        ),
        (
            {"keyframe_seconds": None},
            "The index does not say where the picture's keyframes are.",
        ),
        (
            {"keyframe_seconds": (-1.0, 2.0, 4.0, 6.0, 8.0, 10.0)},
            "The first picture shown is no keyframe; an edit cut into a GOP.",
        ),
        (
            {"closed_gops": False},
            "The GOPs are open: a segment could not be shown without the one before.",
        ),
        ({"closed_gops": None}, "It is not known whether the GOPs are closed."),
        (
            {"keyframe_seconds": (0.0, 5.5, 10.0), "longest_gop_seconds": 6.5},
            "Keyframes are up to 6.5 s apart; copying is allowed up to 6 s.",
        ),
        (
            {"keyframe_seconds": tuple(n / 30 for n in range(360))},
            "Keyframes come every 0.033 s; the other renditions would swell.",
        ),
    ],
)
def test_each_obstacle_is_one_sentence(
    facts: dict[str, object], expected: str, change: Change, shipped: Shipped
) -> None:
    """
    One fact changed, one obstacle found.
    """
    assert (expected,) == found(change(video=facts), shipped("hls"))


def test_segments_may_be_twice_their_target(change: Change, shipped: Shipped) -> None:
    """
    Keyframes at 3.9 and 7.9 s: the cut at 4 s is missed, the next one is far.
    """
    keys = (0.0, 3.9, 9.8)

    assert (
        "Cut at its keyframes, the longest segment would be 9.80 s; 8 s is allowed.",
    ) == found(change(video={"keyframe_seconds": keys}), shipped("hls"))


def test_an_index_that_ends_early_does_not_conform(
    change: Change, shipped: Shipped
) -> None:
    """
    Keyframes known for the first seconds of an hour say nothing about the rest.
    """
    hour = change(
        media={"duration_seconds": 3600.0}, video={"duration_seconds": 3600.0}
    )

    assert (
        "Keyframes are up to 3590.0 s apart; copying is allowed up to 6 s.",
        "Cut at its keyframes, the longest segment would be 3592.00 s; 8 s is allowed.",
    ) == found(hour, shipped("hls"))


def test_a_file_needs_no_closed_gops(change: Change, shipped: Shipped) -> None:
    """
    Nothing is cut there, so longer and open GOPs do.
    """
    facts = {
        "closed_gops": None,
        "keyframe_seconds": (0.0, 10.0),
        "longest_gop_seconds": 10.0,
    }

    assert () == found(change(video=facts), shipped("mp4"))


def test_the_container_vouches_for_its_picture(
    change: Change, shipped: Shipped
) -> None:
    """
    Matroska gives no bit rate per stream; the whole file's is an upper bound.
    """
    unknown = {"bit_rate": None}

    assert () == found(change(video=unknown), shipped("hls"))
    assert ("The picture's bit rate is not known.",) == found(
        change(media={"bit_rate": None}, video=unknown), shipped("hls")
    )


def test_avi_stores_no_presentation_times(change: Change, shipped: Shipped) -> None:
    """
    Its B-frames would be shown in the wrong order.
    """
    avi = change(media={"container": "avi", "format_name": "avi"})

    assert ("The container (avi) stores no presentation times.",) == found(
        avi, shipped("hls")
    )


def test_a_profile_may_forbid_copying(conforming: Media, shipped: Shipped) -> None:
    """
    `copy = false` is a reason like any other.
    """
    hls = shipped("hls")
    assert hls.video
    video = hls.video.model_copy(update={"copy_conforming": False})
    audio = hls.audio[0].model_copy(update={"copy_conforming": False})

    assert ("The profile asks for the picture to be encoded, not copied.",) == found(
        conforming, hls.model_copy(update={"video": video})
    )
    assert (
        "The profile asks for the sound to be encoded, not copied.",
    ) == audio_obstacles(conforming.audio[0], conforming, audio)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"codec": "mp3"}, "The sound's codec is mp3, not aac."),
        ({"profile": "HE-AAC"}, "The sound is AAC HE-AAC, not AAC LC."),
        ({"profile": None}, "The sound is AAC of unknown kind, not AAC LC."),
        ({"channels": None}, "The number of channels is not known."),
        ({"channels": 6}, "The sound has 6 channels, more than 2."),
        ({"sample_rate": 96000}, "The sample rate is 96000, not 44100 or 48000."),
        ({"bit_rate": None}, "The sound's bit rate is not known."),
        (
            {"bit_rate": 320_000},
            "The sound has 320 kbit/s; copying is allowed up to 256.",
        ),
        (
            {"start_seconds": 0.3},
            "The sound starts 0.30 s after the rest, which needs filling.",
        ),
    ],
)
def test_each_obstacle_in_the_sound_is_one_sentence(
    facts: dict[str, object], expected: str, change: Change, shipped: Shipped
) -> None:
    """
    One fact changed, one obstacle found.
    """
    media = change(audio=facts)

    assert (expected,) == audio_obstacles(
        media.audio[0], media, shipped("hls").audio[0]
    )


def test_a_loudness_has_to_be_encoded(conforming: Media, shipped: Shipped) -> None:
    """
    It is a change of the samples.
    """
    loudness = Loudness(integrated_lufs=-16, true_peak_dbtp=-1.5)
    wanted = shipped("hls").audio[0].model_copy(update={"loudness": loudness})

    assert (
        "The profile asks for a loudness, which has to be encoded.",
    ) == audio_obstacles(conforming.audio[0], conforming, wanted)


def test_segments_are_cut_as_the_packager_cuts() -> None:
    """
    At the first keyframe no earlier than the target after the last cut.
    """
    assert 4.0 == longest_segment((0, 2, 4, 6, 8), 10, target=4)
    assert 6.0 == longest_segment((0, 3, 6, 9), 12, target=4)
    assert 7.0 == longest_segment((0,), 7, target=4)
