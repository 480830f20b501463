"""Which subtitle tracks become captions, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from transcode.contract import Capabilities, Media, SubtitleStream
from transcode.plan.captions import MOST_TRACKS, choose_captions
from transcode.plan.profile import Profile, parse_profile
from transcode.plan.recipe import make_recipe

Shipped = Callable[[str], Profile]
Subtitled = Callable[..., Media]


@pytest.fixture
def able(capable: Capabilities) -> Capabilities:
    """An ffmpeg that decodes what is usual."""
    decoders = frozenset({"subrip", "ass", "mov_text", "webvtt", "cc_dec"})
    return capable.model_copy(update={"decoders": capable.decoders | decoders})


@pytest.fixture
def subtitled(conforming: Media) -> Subtitled:
    """The conforming upload with subtitle tracks, each a text unless told otherwise."""

    def make(*tracks: dict[str, object]) -> Media:
        subtitles = tuple(
            SubtitleStream.model_validate(
                {"index": number, "codec": "subrip", "text": True} | track
            )
            for number, track in enumerate(tracks, 2)
        )
        return conforming.model_copy(update={"subtitles": subtitles})

    return make


@pytest.mark.parametrize(
    ("profile", "kept"),
    [
        *(("hls", 1), ("mp4", 1), ("hevc", 1), ("av1", 1), ("vp9", 1)),
        *(("preview", 0), ("audio", 0)),
    ],
)
def test_profiles_keep_text_or_say_that_they_do_not(
    subtitled: Subtitled, shipped: Shipped, able: Capabilities, profile: str, kept: int
) -> None:
    """
    What is not kept is named with its language and title.
    """
    media = subtitled({"language": "eng", "title": "Full"})

    decision = make_recipe(media, shipped(profile), able)

    assert kept == len(decision.recipe.captions)
    left = (
        'Subtitle track 2 "Full" (subrip, eng) is left out; the profile keeps no '
        "subtitles."
    )
    assert (kept == 0) == (left in decision.warnings)


def test_flags_and_languages_are_kept(
    subtitled: Subtitled, shipped: Shipped, able: Capabilities
) -> None:
    """
    One track is the default, forced ones say so, and names do not collide.
    """
    media = subtitled(
        {"language": "eng", "default": True},
        {"language": "eng", "default": True, "forced": True, "codec": "ass"},
        {"language": "eng", "title": "Commentary", "codec": "mov_text"},
        {"language": "../x", "codec": "webvtt"},
        {"codec": "eia_608"},
    )

    made = choose_captions(media, shipped("hls"), able)

    assert [
        ("eng", 2, "eng", True, False),
        ("eng-forced", 3, "eng", False, True),
        ("eng-4", 4, "eng", False, False),
        ("und", 5, None, False, False),
        ("und-6", 6, None, False, False),
    ] == [
        (it.name, it.source_index, it.language, it.default, it.forced)
        for it in made.renditions
    ]
    assert () == made.warnings


@pytest.mark.parametrize(
    ("track", "said"),
    [
        ({"codec": "hdmv_pgs_subtitle", "text": False}, "made of pictures"),
        ({"codec": "dvd_subtitle", "text": False}, "made of pictures"),
        ({"codec": "ttml"}, "cannot be decoded here"),
        ({"codec": "unknown"}, "cannot be decoded here"),
    ],
)
def test_what_is_no_text_stays_behind(
    subtitled: Subtitled,
    shipped: Shipped,
    able: Capabilities,
    track: dict[str, object],
    said: str,
) -> None:
    """
    The reason is given, and the other tracks are kept.
    """
    media = subtitled({"language": "fra", **track}, {"language": "eng"})

    made = choose_captions(media, shipped("hls"), able)

    assert ["eng"] == [it.name for it in made.renditions]
    assert [True] == [
        it.startswith(f"Subtitle track 2 ({track['codec']}, fra)") and said in it
        for it in made.warnings
    ]


def test_there_is_an_end_to_tracks(
    subtitled: Subtitled, shipped: Shipped, able: Capabilities
) -> None:
    """
    A thousand tracks would be a thousand outputs of one process.
    """
    media = subtitled(*({} for _ in range(MOST_TRACKS + 1)))

    made = choose_captions(media, shipped("hls"), able)

    assert MOST_TRACKS == len(made.renditions)
    assert 1 == len(made.warnings)


def test_hostile_titles_are_one_line(
    subtitled: Subtitled, shipped: Shipped, able: Capabilities
) -> None:
    """
    What cannot be printed is gone before it is put anywhere.
    """
    title = 'A"\n#EXT-X-ENDLIST\r\x00\u2028<b>\ufffe\ud800&' + "x" * 200
    media = subtitled({"title": title})

    captions = choose_captions(media, shipped("hls"), able).renditions[0]

    assert captions.title is not None
    assert captions.title.isprintable()
    assert 80 >= len(captions.title)


def test_the_field_is_read(shipped: Shipped) -> None:
    """
    A profile that says nothing keeps them.
    """
    text = 'name = "x"\ntitle = "x"\n[packaging]\ntype = "file"\n'
    text += '[[audio]]\ncodec = "aac"\n'

    assert parse_profile(text, origin="x").subtitles.keep
    no = parse_profile(text + "[subtitles]\nkeep = false\n", origin="x")
    assert not no.subtitles.keep
    assert shipped("hls").subtitles.keep
