"""Recipes: which streams are used, what is made of them, and how it is put."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from transcode.contract import (
    AudioStream,
    Capabilities,
    CmafPackaging,
    DynamicRange,
    FilePackaging,
    Media,
    OtherStream,
    Poster,
    Recipe,
    Rung,
    Sprites,
    SubtitleStream,
)
from transcode.errors import EncoderMissing, MediaRejected, MediaUnsupported
from transcode.plan.profile import Profile, parse_profile
from transcode.plan.recipe import make_recipe
from transcode.plan.video import choose_video

Change = Callable[..., Media]
Shipped = Callable[[str], Profile]


def files(recipe: Recipe) -> list[tuple[str, str, str | None, tuple[str, ...]]]:
    assert isinstance(recipe.packaging, FilePackaging)
    return [
        (it.name, it.container, it.video, it.audio) for it in recipe.packaging.files
    ]


def tracks(media: Media, *updates: Mapping[str, object]) -> tuple[AudioStream, ...]:
    """The upload's soundtrack, once for each of *updates*."""
    return tuple(
        media.audio[0].model_copy(update={"index": number, "default": False, **update})
        for number, update in enumerate(updates, 1)
    )


# ── rungs ─────────────────────────────────────────────────────────────────────


def test_a_conforming_upload_is_copied_at_the_top(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    The smaller renditions follow its keyframes; its sound is copied too.
    """
    decision = make_recipe(conforming, shipped("hls"), capable)
    recipe = decision.recipe

    assert Rung.FULL is decision.rung
    assert [
        ("720p", "copied", None),
        ("480p", "encoded", "libx264"),
        ("360p", "encoded", "libx264"),
        ("240p", "encoded", "libx264"),
    ] == [(it.name, it.made_by, it.encoder) for it in recipe.video]
    assert [("aac", "copied", None)] == [
        (it.name, it.made_by, it.encoder) for it in recipe.audio
    ]
    assert "source" == recipe.keyframes
    assert (
        "The picture conforms and is copied.",
        "The smaller renditions have to be encoded.",
        (
            "The source's own 1.93 Mbit/s justify no more than 1.05 Mbit/s for 480p, "
            "682 kbit/s for 360p and 371 kbit/s for 240p."
        ),
        "The sound conforms and is copied.",
    ) == decision.reasons
    assert () == decision.warnings


def test_an_mp4_that_conforms_is_copied_whole(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Same container: copy. Another container: remux.
    """
    mkv = conforming.model_copy(update={"container": "matroska"})

    assert Rung.COPY is make_recipe(conforming, shipped("mp4"), capable).rung
    assert Rung.REMUX is make_recipe(mkv, shipped("mp4"), capable).rung


def test_only_the_sound_is_encoded_when_only_it_does_not_conform(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    The picture is copied beside it.
    """
    decision = make_recipe(change(audio={"codec": "ac3"}), shipped("mp4"), capable)

    assert Rung.AUDIO_ONLY is decision.rung
    assert (
        "The picture conforms and is copied.",
        "The sound's codec is ac3, not aac.",
    ) == decision.reasons


def test_an_obstacle_is_the_reason_for_a_full_encode(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Every rendition is encoded, at regular keyframes.
    """
    decision = make_recipe(change(video={"interlaced": True}), shipped("hls"), capable)

    assert Rung.FULL is decision.rung
    assert {"encoded"} == {it.made_by for it in decision.recipe.video}
    assert "interval" == decision.recipe.keyframes
    assert decision.recipe.deinterlace
    assert "The picture is interlaced." == decision.reasons[0]


def test_hdr_is_tone_mapped(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    All shipped profiles are SDR.
    """
    hdr = change(video={"dynamic_range": DynamicRange.HDR10})

    assert make_recipe(hdr, shipped("hls"), capable).recipe.tone_map
    assert not make_recipe(change(), shipped("hls"), capable).recipe.tone_map


# ── which streams ─────────────────────────────────────────────────────────────


def test_the_default_picture_is_used_then_the_largest(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    What cannot be decoded and what holds no frames is passed over.
    """
    first = conforming.video[0]
    small = first.model_copy(update={"width": 10, "height": 12, "default": False})
    large = first.model_copy(update={"index": 2, "default": False})
    empty = first.model_copy(update={"index": 3, "frames": 0})
    alien = first.model_copy(update={"index": 4, "decodable": False})
    default = first.model_copy(update={"index": 5, "width": 640, "height": 360})

    def chosen(*video: object) -> int | None:
        it = choose_video(conforming.model_copy(update={"video": video}))
        return it.index if it else None

    assert 2 == chosen(small, large, empty, alien)
    assert 5 == chosen(small, large, empty, alien, default)
    assert chosen(empty, alien) is None


def test_streams_left_out_are_named(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    A second picture, an undecodable soundtrack, subtitles; and what probing warned of.
    """
    second = conforming.video[0].model_copy(update={"index": 4, "default": False})
    spatial = conforming.audio[0].model_copy(
        update={"index": 5, "codec": "apac", "decodable": False, "default": False}
    )
    media = conforming.model_copy(
        update={
            "video": (*conforming.video, second),
            "audio": (*conforming.audio, spatial),
            "subtitles": (SubtitleStream(index=6, codec="dvb_subtitle", text=False),),
            "others": (
                OtherStream(index=7, kind="data", codec="mebx", reason="metadata"),
            ),
            "warnings": ("The header's duration is wrong.",),
        }
    )

    assert (
        "The header's duration is wrong.",
        "Video track 4 (h264 1280x720) is left out; track 0 is used.",
        "Audio track 5 (apac) cannot be decoded here and is left out.",
        (
            "Subtitle track 6 (dvb_subtitle) is left out; it is made of pictures, and "
            "captions are text."
        ),
    ) == make_recipe(media, shipped("hls"), capable).warnings


def test_one_soundtrack_per_language_is_kept(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    The default one first; names are unique and safe in a path.
    """
    audio = tracks(
        conforming,
        {"language": "deu"},
        {"language": "eng", "default": True},
        {"language": "eng", "title": "Commentary"},
        {"language": "../../x"},
        {"language": "und"},
    )
    decision = make_recipe(
        conforming.model_copy(update={"audio": audio}), shipped("hls"), capable
    )

    assert [
        ("aac-eng", 2, "eng", True),
        ("aac-deu", 1, "deu", False),
        ("aac-und", 4, None, False),
    ] == [
        (it.name, it.source_index, it.language, it.default)
        for it in decision.recipe.audio
    ]
    assert (
        "Audio track 3 (aac, eng) is left out; the profile keeps another one."
        in decision.warnings
    )


def test_at_most_eight_languages_are_kept(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    A disc of forty dubs does not become forty encodes.
    """
    audio = tracks(conforming, *({"language": f"a{c}"} for c in "bcdefghijklm"))
    media = conforming.model_copy(update={"audio": audio})

    assert 8 == len(make_recipe(media, shipped("hls"), capable).recipe.audio)


def test_a_file_keeps_one_soundtrack(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Most players offer no choice there.
    """
    audio = tracks(
        conforming, {"language": "deu"}, {"language": "eng", "default": True}
    )
    media = conforming.model_copy(update={"audio": audio})

    assert [2] == [
        it.source_index
        for it in make_recipe(media, shipped("mp4"), capable).recipe.audio
    ]


@pytest.mark.parametrize("profile", ["mp4", "hls"])
def test_a_silent_soundtrack_is_not_the_one_that_is_meant(
    conforming: Media, shipped: Shipped, capable: Capabilities, profile: str
) -> None:
    """
    What a mixer left empty is the default of some recordings.
    """
    audio = tracks(conforming, {"silent": True, "default": True}, {"silent": False})
    media = conforming.model_copy(update={"audio": audio})

    decision = make_recipe(media, shipped(profile), capable)

    assert [2] == [it.source_index for it in decision.recipe.audio]
    assert "is silent wherever it was listened to" in "".join(decision.warnings)


def test_surround_is_mixed_down(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    To the profile's channels; mono stays mono; unknown counts as stereo.
    """

    def shape(channels: int | None) -> tuple[int, int | None]:
        media = change(audio={"codec": "ac3", "channels": channels, "bit_rate": None})
        (made,) = make_recipe(media, shipped("hls"), capable).recipe.audio
        return made.channels, made.bit_rate

    assert (2, 128_000) == shape(6)
    assert (1, 64_000) == shape(1)
    assert (2, 128_000) == shape(None)


def test_poor_sound_is_not_made_large(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Lossy sound gets what it has, a phone call at 12 kb/s 24; lossless what is asked.
    """

    def rate(codec: str, has: int) -> int | None:
        media = change(audio={"codec": codec, "channels": 1, "bit_rate": has})
        (made,) = make_recipe(media, shipped("mp4"), capable).recipe.audio
        return made.bit_rate

    assert 24_000 == rate("amr_nb", 12_200)
    assert 48_000 == rate("mp3", 48_000)
    assert 80_000 == rate("mp3", 96_000)
    assert 64_000 == rate("pcm_mulaw", 64_000)
    assert 80_000 == rate("pcm_u8", 64_000)
    assert 80_000 == rate("flac", 30_000)


# ── packaging ─────────────────────────────────────────────────────────────────


def test_hls_makes_segments(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    HLS and DASH, I-frame playlists, poster and thumbnails.
    """
    recipe = make_recipe(conforming, shipped("hls"), capable).recipe

    assert CmafPackaging(segment_seconds=4) == recipe.packaging
    assert Poster(width=1280, height=720, candidates=8) == recipe.poster
    assert (
        Sprites(
            interval_seconds=2,
            columns=6,
            rows=1,
            tile_width=160,
            tile_height=90,
            count=6,
        )
        == recipe.sprites
    )


def test_a_long_film_has_a_bounded_number_of_thumbnails(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    They move apart instead.
    """
    film = change(media={"duration_seconds": 10_000.0})

    sprites = make_recipe(film, shipped("hls"), capable).recipe.sprites

    assert sprites
    assert (10.0, 1000, 10, 10) == (
        sprites.interval_seconds,
        sprites.count,
        sprites.columns,
        sprites.rows,
    )


def test_a_single_frame_has_one_thumbnail(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    However short it is.
    """
    still = change(media={"duration_seconds": 0.04})

    sprites = make_recipe(still, shipped("hls"), capable).recipe.sprites

    assert sprites
    assert (1, 1, 1) == (sprites.count, sprites.columns, sprites.rows)


def test_no_duration_no_thumbnails(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Said, not guessed.
    """
    decision = make_recipe(
        change(media={"duration_seconds": None}), shipped("hls"), capable
    )

    assert decision.recipe.sprites is None
    assert "The duration is not known, so no thumbnails are made." in decision.warnings


def test_files_hold_what_their_names_say(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    One MP4; the sound alone as M4A and Ogg.
    """
    assert [("video.mp4", "mp4", "720p", ("aac",))] == files(
        make_recipe(conforming, shipped("mp4"), capable).recipe
    )
    assert [
        ("audio.m4a", "mp4", None, ("aac",)),
        ("audio.ogg", "ogg", None, ("opus",)),
    ] == files(make_recipe(conforming, shipped("audio"), capable).recipe)


def test_several_files_are_told_apart(conforming: Media, capable: Capabilities) -> None:
    """
    By the rendition's name.
    """
    rung = "[[video.rungs]]\nshort_side = {}\ncrf = 23\nmax_bit_rate_kbps = 900\n"
    text = (
        'name = "two"\ntitle = "Two"\n[packaging]\ntype = "file"\n'
        '[video]\ncodec = "h264"\npreset = "veryfast"\ncopy = false\n'
        + rung.format(720)
        + rung.format(360)
    )

    recipe = make_recipe(
        conforming, parse_profile(text, origin="two.toml"), capable
    ).recipe

    assert ["video-720p.mp4", "video-360p.mp4"] == [name for name, *_ in files(recipe)]


def test_sound_alone_can_be_streamed_and_filed(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    An upload without a picture makes audio renditions, and no stills.
    """
    sound = change(media={"video": ()}, audio={"codec": "mp3"})
    streamed = make_recipe(sound, shipped("hls"), capable)

    assert (None, (), None, None) == (
        streamed.recipe.video_index,
        streamed.recipe.video,
        streamed.recipe.poster,
        streamed.recipe.sprites,
    )
    assert Rung.AUDIO_ONLY is streamed.rung
    assert isinstance(streamed.recipe.packaging, CmafPackaging)
    assert not streamed.recipe.packaging.iframe_playlists
    assert [("audio.m4a", "mp4", None, ("aac",))] == files(
        make_recipe(sound, shipped("mp4"), capable).recipe
    )


def test_a_silent_picture_makes_no_sound(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    And no complaint.
    """
    decision = make_recipe(change(media={"audio": ()}), shipped("hls"), capable)

    assert () == decision.recipe.audio
    assert () == decision.warnings


@pytest.mark.parametrize(
    "name", ["audio", "av1", "hevc", "hls", "mp4", "preview", "vp9"]
)
def test_every_shipped_profile_makes_something(
    name: str, conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Of an ordinary upload, on an ordinary machine.
    """
    recipe = make_recipe(conforming, shipped(name), capable).recipe

    assert recipe.video or recipe.audio


# ── refusals ──────────────────────────────────────────────────────────────────


def test_nothing_to_make_is_refused(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    With the reason, before anything is paid for.
    """
    with pytest.raises(MediaUnsupported, match="neither picture nor sound"):
        make_recipe(change(media={"video": (), "audio": ()}), shipped("hls"), capable)
    with pytest.raises(MediaUnsupported, match="no sound in it, and profile audio"):
        make_recipe(change(media={"audio": ()}), shipped("audio"), capable)


def test_a_picture_nobody_can_decode_is_refused(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Its sound alone would pass for a result.
    """
    alien = change(video={"codec": "dav1", "decodable": False})

    with pytest.raises(
        MediaUnsupported, match=r"cannot be decoded here \(codec dav1\)"
    ):
        make_recipe(alien, shipped("hls"), capable)
    assert make_recipe(alien, shipped("audio"), capable).recipe.audio


def test_sound_nobody_can_decode_is_refused(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    A silent picture would pass for a result.
    """
    with pytest.raises(MediaUnsupported, match="sound cannot be decoded here"):
        make_recipe(change(audio={"decodable": False}), shipped("hls"), capable)


def test_dolby_vision_without_a_base_layer_is_refused(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Green and purple faces are no rendition.
    """
    dolby = change(video={"dynamic_range": DynamicRange.DOLBY_VISION})

    with pytest.raises(MediaUnsupported, match="Dolby Vision"):
        make_recipe(dolby, shipped("hls"), capable)


def test_a_bomb_is_rejected(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    12336x12336 pixels in 12 kilobytes.
    """
    side = {"width": 12336, "height": 12336}
    bomb = change(video=side | {"display_width": 12336, "display_height": 12336})

    with pytest.raises(MediaRejected, match="12336x12336"):
        make_recipe(bomb, shipped("hls"), capable)


def test_a_stamp_is_too_small_for_some_encoders(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    x264 makes 10x12, x265 does not, and of SVT-AV1 it depends on the colours.
    """
    stamp = change(
        video={"width": 10, "height": 12, "display_width": 10, "display_height": 12}
    )

    assert make_recipe(stamp, shipped("hls"), capable).recipe.video
    with pytest.raises(MediaUnsupported, match="hevc encoders need 16"):
        make_recipe(stamp, shipped("hevc"), capable)
    with pytest.raises(MediaUnsupported, match="av1 encoders need 16"):
        make_recipe(stamp, shipped("av1"), capable)


def test_a_missing_encoder_is_named(
    change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    The first of the preference list that works is taken; hardware only when proven.
    """
    source = change(video={"codec": "vp9"})
    profile = shipped("hls")
    assert profile.video
    both = profile.model_copy(
        update={
            "video": profile.video.model_copy(
                update={"encoders": ("h264_nvenc", "libx264")}
            )
        }
    )

    def encoder(has: Capabilities) -> str | None:
        return make_recipe(source, both, has).recipe.video[0].encoder

    listed = capable.encoders | {"h264_nvenc"}
    assert "libx264" == encoder(capable.model_copy(update={"encoders": listed}))
    assert "h264_nvenc" == encoder(
        capable.model_copy(update={"hardware_encoders": frozenset({"h264_nvenc"})})
    )
    with pytest.raises(EncoderMissing, match="h264_nvenc, libx264"):
        encoder(capable.model_copy(update={"encoders": frozenset({"aac"})}))
    with pytest.raises(EncoderMissing, match="encoder aac"):
        make_recipe(
            change(audio={"codec": "mp3"}),
            profile,
            capable.model_copy(update={"encoders": frozenset({"libx264"})}),
        )


def test_segments_need_the_packager(
    conforming: Media, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Files do not.
    """
    bare = capable.model_copy(update={"packager": None})

    assert make_recipe(conforming, shipped("mp4"), bare).recipe.video
    with pytest.raises(EncoderMissing, match="Shaka Packager"):
        make_recipe(conforming, shipped("hls"), bare)


def test_alpha_needs_a_decoder_that_sees_it(
    change: Change, shipped: Callable[[str], Profile], capable: Capabilities
) -> None:
    """
    VP9's usual decoder leaves transparency out; other pictures keep theirs.
    """
    profile = shipped("mp4")
    for codec, alpha, expected in (
        ("vp9", True, "libvpx-vp9"),
        ("vp9", False, None),
        ("vp8", True, None),  # not on this machine
        ("prores", True, None),
    ):
        media = change(video={"codec": codec, "has_alpha": alpha})
        recipe = make_recipe(media, profile, capable).recipe
        assert expected == recipe.decoder


def test_hdr_is_kept_where_the_profile_asks_for_it(
    change: Change, shipped: Callable[[str], Profile], capable: Capabilities
) -> None:
    """
    HDR10 and HLG stay in `hevc-hdr`, and are tone-mapped in `hevc`; SDR is neither.
    """
    for dynamic_range, name, expected in (
        (DynamicRange.HDR10, "hevc-hdr", False),
        (DynamicRange.HLG, "av1-hdr", False),
        (DynamicRange.HDR10, "hevc", True),
        (DynamicRange.SDR, "hevc-hdr", False),
    ):
        media = change(video={"dynamic_range": dynamic_range})
        recipe = make_recipe(media, shipped(name), capable).recipe
        assert expected == recipe.tone_map


@pytest.mark.parametrize(
    "name", ["av1", "av1-hdr", "hevc", "hevc-hdr", "hls", "mp4", "preview", "vp9"]
)
def test_no_shipped_profile_makes_a_poor_source_larger(
    name: str, change: Change, shipped: Shipped, capable: Capabilities
) -> None:
    """
    Whatever its crf asks for, no rendition may take more than the source's own rate,
    and the plan says so.
    """
    poor = change(video={"bit_rate": 241_000, "longest_gop_seconds": 2.0})
    wanted = shipped(name)
    assert wanted.video
    encoding = wanted.video.model_copy(update={"copy_conforming": False})

    decision = make_recipe(poor, wanted.model_copy(update={"video": encoding}), capable)

    seconds = poor.duration_seconds or 0.0
    for it in decision.recipe.video:
        assert it.max_bit_rate
        assert it.buffer_bits
        spent = it.max_bit_rate * seconds + 0.9 * it.buffer_bits
        assert spent <= (it.most_bit_rate or 0) * seconds * 1.001 <= 241_500 * seconds
    assert any(
        it.startswith("The source's own 241 kbit/s justify no more than ")
        for it in decision.reasons
    )
