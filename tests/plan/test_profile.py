"""Profiles: what ships parses, what is wrong is said so that it can be mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.errors import ProfileError
from transcode.plan.profile import Profile, parse_profile

PROFILES = Path(__file__).resolve().parents[2] / "profiles"
SHIPPED = (
    *("audio", "av1", "av1-hdr", "hevc", "hevc-hdr", "hls", "hls-multi", "mp4"),
    *("preview", "vp9"),
)

MINIMAL = """
name = "mine"
title = "Mine"

[packaging]
type = "cmaf"

[video]
codec = "h264"
preset = "veryfast"

[[video.rungs]]
short_side = 720
crf = 23
max_bit_rate_kbps = 3000

[[video.rungs]]
short_side = 360
crf = 23
max_bit_rate_kbps = 800

[[audio]]
codec = "aac"
"""


def test_these_profiles_ship() -> None:
    """
    The list in the documentation is the list of files.
    """
    assert list(SHIPPED) == sorted(path.stem for path in PROFILES.glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_parse(name: str, shipped: Callable[[str], Profile]) -> None:
    """
    Each parses, and is named like its file.
    """
    assert name == shipped(name).name


def test_defaults_are_part_of_the_digest() -> None:
    """
    A field that is spelled out with its default value changes nothing.
    """
    spelled_out = MINIMAL.replace("[video]", "segment_seconds = 4.0\n\n[video]")

    assert (
        parse_profile(MINIMAL, origin="a.toml").digest
        == parse_profile(spelled_out, origin="b.toml").digest
    )


def test_the_digest_of_a_content_never_changes() -> None:
    """
    Job ids depend on it: a change here gives every job in the world a new id.
    """
    expected = "sha256:917d5106ef2b36a878e0f7c28179e200903b018f68f9c4d0dd0baebafd8bfaf6"

    assert expected == parse_profile(MINIMAL, origin="mine.toml").digest


HEVC = """
[[also]]
codec = "hevc"
preset = "veryfast"

[[also.rungs]]
short_side = 720
crf = 25
max_bit_rate_kbps = 2000
"""


def test_a_picture_may_be_made_in_another_codec_too() -> None:
    """
    Beside that of `[video]`, with keyframes at the same times.
    """
    profile = parse_profile(MINIMAL + HEVC, origin="mine.toml")

    assert ["h264", "hevc"] == [it.codec for it in profile.videos]
    assert profile.digest != parse_profile(MINIMAL, origin="mine.toml").digest


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (MINIMAL + HEVC + HEVC, "also.codec: one is given twice"),
        (MINIMAL + HEVC.replace("hevc", "h264"), "also.codec: one is given twice"),
        (
            MINIMAL + HEVC.replace("codec", "gop_seconds = 4.0\ncodec"),
            r"also\[1\].gop_seconds: given 4.0; allowed: video's, 2.0",
        ),
        (
            MINIMAL.replace('"cmaf"', '"file"') + HEVC,
            "also: given with files; allowed with packaging 'cmaf'",
        ),
    ],
)
def test_what_no_player_could_switch_between_is_refused(text: str, why: str) -> None:
    """
    With what is allowed.
    """
    with pytest.raises(ProfileError, match=why):
        parse_profile(text, origin="mine.toml")


def test_any_change_changes_the_digest() -> None:
    """
    Even of the title: the digest is over the whole content.
    """
    other = MINIMAL.replace('"Mine"', '"Yours"')

    assert (
        parse_profile(MINIMAL, origin="a").digest
        != parse_profile(other, origin="a").digest
    )


def test_rungs_may_stand_in_any_order() -> None:
    """
    They are used largest first.
    """
    profile = parse_profile(MINIMAL, origin="mine.toml")

    assert profile.video
    assert [720, 360] == [rung.short_side for rung in profile.video.descending]


WRONG = [
    (
        "[packaging]",
        "[packaging",
        (
            "not valid TOML: Expected ']' at the end of a table declaration "
            "(at line 5, column 11)"
        ),
    ),
    (
        'codec = "h264"',
        'codec = "h265"',
        "video.codec: given 'h265'; allowed: 'h264', 'hevc', 'av1' or 'vp9'",
    ),
    (
        'preset = "veryfast"',
        'preset = "quick"',
        (
            "video.preset: given 'quick'; allowed with this codec: 'ultrafast', "
            "'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower', "
            "'veryslow'"
        ),
    ),
    (
        'preset = "veryfast"',
        'preset = "veryfast"\nencoders = ["libx265"]',
        (
            "video.encoders: given 'libx265'; allowed with this codec: 'libx264', "
            "'h264_nvenc'"
        ),
    ),
    (
        'preset = "veryfast"',
        'preset = "veryfast"\ntune = "sport"',
        (
            "video.tune: given 'sport'; allowed with this codec: 'film', 'animation', "
            "'grain', 'stillimage', 'psnr', 'ssim', 'fastdecode', 'zerolatency'"
        ),
    ),
    (
        'preset = "veryfast"',
        'preset = "veryfast"\npixel_format = "yuv420p10le"',
        "video.pixel_format: given 'yuv420p10le'; allowed with codec 'h264': 'yuv420p'",
    ),
    (
        'preset = "veryfast"',
        'preset = "veryfast"\ngop_second = 2',
        "video.gop_second: no such field; did you mean 'gop_seconds'?",
    ),
    (
        'preset = "veryfast"',
        'preset = "veryfast"\ncopy = "yes"',
        "video.copy: given 'yes'; allowed: true or false",
    ),
    (
        "[[audio]]",
        "[thumbs]\n[[audio]]",
        (
            "thumbs: no such field; allowed: 'name', 'title', 'description', "
            "'packaging', 'video', 'also', 'audio', 'subtitles', 'poster', 'sprites', "
            "'verify', 'keep_metadata'"
        ),
    ),
    ("crf = 23", "crf = '23'", "video.rungs[1].crf: given '23'; allowed: a number"),
    (
        "crf = 23",
        "crf = nan",
        "video.rungs[1].crf: given nan; allowed: a finite number",
    ),
    ("crf = 23", "crf = 99", "video.rungs[1].crf: given 99; allowed: 63 or less"),
    (
        "crf = 23",
        "crf = 60",
        "video.rungs[1].crf: given 60; allowed with codec 'h264': 0 to 51",
    ),
    (
        "short_side = 360",
        "short_side = 361",
        "video.rungs[2].short_side: given 361; allowed: multiples of 2",
    ),
    (
        "short_side = 360",
        "short_side = 360.5",
        "video.rungs[2].short_side: given 360.5; allowed: a whole number",
    ),
    (
        "short_side = 360",
        "short_side = 720",
        "video.rungs[2].short_side: given 720 a second time; allowed: each size once",
    ),
    (
        'type = "cmaf"',
        'type = "cmaf"\nsegment_seconds = 5',
        (
            "packaging.segment_seconds: given 5; allowed: multiples of "
            "video.gop_seconds (2)"
        ),
    ),
    (
        'type = "cmaf"',
        'type = "cmaf"\nhls = false\ndash = false',
        "packaging.hls: given false like packaging.dash; allowed: one of them or both",
    ),
    (
        'type = "cmaf"',
        'type = "file"\ncontainer = "webm"',
        "video.codec: given 'h264'; allowed in WebM: 'av1', 'vp9'",
    ),
    (
        '[[audio]]\ncodec = "aac"',
        '[[audio]]\ncodec = "aac"\nlanguages = "en"',
        "audio[1].languages: given 'en'; allowed: 'default' or 'all'",
    ),
    (
        '[[audio]]\ncodec = "aac"',
        '[[audio]]\ncodec = "aac"\n[[audio]]\ncodec = "aac"',
        "audio: one codec is given twice; allowed: each codec once",
    ),
    (
        '[[audio]]\ncodec = "aac"',
        '[[audio]]\ncodec = "opus"\nsample_rate = 44100',
        "audio[1].sample_rate: given 44100; allowed with codec 'opus': 48000",
    ),
    ('name = "mine"', "", "name: missing; it is required"),
    (
        'name = "mine"',
        'name = "Mine!"',
        "name: given 'Mine!'; allowed: text that matches ^[a-z0-9][a-z0-9_-]{0,63}$",
    ),
    ("[packaging]", "packaging = 2020-01-01\n[x]", "packaging: given '2020-01-01'; "),
]


@pytest.mark.parametrize(("old", "new", "expected"), WRONG)
def test_errors_can_be_read_aloud(old: str, new: str, expected: str) -> None:
    """
    File, dotted field, what was given, what is allowed.
    """
    text = MINIMAL.replace(old, new, 1)
    assert text != MINIMAL

    with pytest.raises(ProfileError) as caught:
        parse_profile(text, origin="mine.toml")

    assert f"mine.toml: {expected}" in caught.value.message


def test_all_errors_are_said_at_once() -> None:
    """
    Nobody mends a file one run at a time.
    """
    text = MINIMAL.replace('"h264"', '"h265"').replace('"aac"', '"mp3"')

    with pytest.raises(ProfileError) as caught:
        parse_profile(text, origin="mine.toml")

    assert ["video.codec", "audio[1].codec"] == caught.value.evidence["fields"]


def test_a_profile_that_makes_nothing_is_refused() -> None:
    """
    Neither picture nor sound is a mistake, not a wish.
    """
    text = 'name = "n"\ntitle = "t"\n[packaging]\ntype = "file"\n'

    with pytest.raises(ProfileError, match="one of them is required"):
        parse_profile(text, origin="mine.toml")


@pytest.mark.parametrize(
    ("codec", "more", "said"),
    [
        ("h264", "", "dynamic_range: given 'keep'; allowed with codec 'h264': 'sdr'"),
        ("hevc", "", "pixel_format: given 'yuv420p'"),
        (
            "hevc",
            'pixel_format = "yuv420p10le"\nencoders = ["hevc_nvenc"]\n',
            "encoders: given 'hevc_nvenc'",
        ),
    ],
)
def test_hdr_needs_what_can_hold_it(codec: str, more: str, said: str) -> None:
    """
    HDR is kept in 10 bits of HEVC or AV1, by encoders that write its metadata.
    """
    text = MINIMAL.replace('codec = "h264"', f'codec = "{codec}"\n{more}', 1)
    text = text.replace("preset", 'dynamic_range = "keep"\npreset', 1)

    with pytest.raises(ProfileError) as raised:
        parse_profile(text, origin="mine.toml")

    assert said in raised.value.message
