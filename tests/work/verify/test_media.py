"""The whole ladder passes; damaged media do not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest


def test_a_whole_ladder_passes_every_check(finished: Any) -> None:
    """
    Nothing is found where nothing is wrong, and each check has been made.
    """
    verified = finished.verify()

    assert [] == [c for c in verified.checks if not c.passed]
    assert [
        "decodable",
        "streams",
        "dimensions",
        "colour",
        "timestamps",
        "frame_count",
        "duration",
        "av_offset",
        "keyframes_aligned",
        "source_complete",
        "playlists",
        "soundtracks",
        "stills",
    ] == [check.name for check in verified.checks]


def test_facts_are_those_of_the_files(finished: Any) -> None:
    """
    Size, count, rate, duration and keyframes are read from the packets.
    """
    facts = finished.verify().facts
    big, main = facts["big"], facts["main"]

    assert (100, 4.0, 0.0) == (big.frames, big.duration_seconds, big.start_seconds)
    assert ("h264", 320, 240) == (big.codec, big.width, big.height)
    assert Fraction(25) == big.frame_rate
    assert (0.0, 1.0, 2.0, 3.0) == big.keyframe_seconds
    assert ("aac", 48000, 2) == (main.codec, main.sample_rate, main.channels)
    assert sum(
        p.stat().st_size
        for p in (finished.staging / "video/big").iterdir()
        if p.suffix in {".mp4", ".m4s"}
    ) == (big.media_bytes)


def test_full_verification_decodes_every_frame(finished: Any) -> None:
    """
    With `verify = "full"` damage in the middle is found, which sampling may miss.
    """
    full = finished.with_recipe(verify="full")

    assert set() == full.failed()
    assert "388 packets read, 388 of them decoded" == full.detail("decodable")

    finished.flip("video/big/00003.m4s", 3000, 2000)

    assert {"decodable"} == full.failed()


# ── segments ──────────────────────────────────────────────────────────────────


def test_a_missing_segment_is_found(finished: Any) -> None:
    """
    A segment that a playlist names and that is not there.
    """
    (finished.staging / "video/small/00002.m4s").unlink()

    assert {"decodable", "streams", "playlists"} == finished.failed()
    assert "video/small: 00002.m4s is missing" == finished.detail("decodable")


def test_a_segment_left_out_of_everything_is_found(finished: Any) -> None:
    """
    A hole that file, playlists and MPD agree on: the encoder made more.
    """
    (finished.staging / "video/small/00004.m4s").unlink()
    for name in ("index", "iframes"):
        finished.edit(
            f"video/small/{name}.m3u8",
            r"#EXTINF:1.000,\n(#EXT-X-BYTERANGE:\S+\n)?00004.m4s\n",
            "",
        )

    assert {"frame_count", "duration", "keyframes_aligned", "playlists"} == (
        finished.failed()
    )


def test_a_truncated_segment_is_found(finished: Any) -> None:
    """
    A segment whose end was never written.
    """
    path = finished.staging / "video/big/00004.m4s"
    path.write_bytes(path.read_bytes()[:-100])

    assert {"decodable", "streams", "playlists"} == finished.failed()
    assert "cut off" in finished.detail("decodable")


def test_an_empty_segment_is_found(finished: Any) -> None:
    """
    A segment without a byte in it.
    """
    (finished.staging / "audio/main/00002.m4s").write_bytes(b"")

    assert {"decodable", "streams", "playlists"} == finished.failed()


def test_swapped_segments_are_found(finished: Any) -> None:
    """
    Two segments that have each other's name.
    """
    folder = finished.staging / "video/big"
    (folder / "00002.m4s").rename(folder / "x")
    (folder / "00003.m4s").rename(folder / "00002.m4s")
    (folder / "x").rename(folder / "00003.m4s")

    assert {"timestamps", "keyframes_aligned", "playlists"} <= finished.failed()
    assert "decoding times do not increase" in finished.detail("timestamps")


@pytest.mark.parametrize("number", [1, 4])
@pytest.mark.parametrize("name", ["big", "small"])
def test_flipped_bytes_in_the_first_and_last_group_are_found(
    finished: Any, name: str, number: int
) -> None:
    """
    Media data that no longer decodes, behind boxes that are whole.
    """
    segment = f"video/{name}/{number:05d}.m4s"
    size = (finished.staging / segment).stat().st_size
    finished.flip(segment, size // 3, size // 3)

    assert {"decodable"} == finished.failed()


def test_a_header_that_is_no_header_is_found(finished: Any) -> None:
    """
    An initialisation segment of zeros.
    """
    (finished.staging / "video/big/init.mp4").write_bytes(bytes(800))

    assert {"decodable", "streams", "playlists"} == finished.failed()


# ── pictures and sound ────────────────────────────────────────────────────────


def test_a_wrong_size_is_found(other: Callable[..., Any]) -> None:
    """
    A rendition of another size than planned.
    """
    wide = other(size=(336, 240))

    assert {"dimensions"} == wide.failed()
    assert "big is 336x240, not 320x240" == wide.detail("dimensions")


def test_pixels_that_are_not_square_are_found(other: Callable[..., Any]) -> None:
    """
    A sample aspect ratio that the plan did not ask for.
    """
    assert {"dimensions", "playlists"} == other(small_filter="setsar=4/3").failed()


def test_another_codec_is_found(finished: Any) -> None:
    """
    A rendition in a codec that was not planned.
    """
    big, small = finished.task.recipe.video
    planned = small.model_copy(update={"codec": "hevc"})

    # Two codecs were to be two adaptation sets that name each other.
    failed = finished.with_recipe(video=(big, planned)).failed()
    assert {"streams", "playlists"} == failed


@pytest.mark.parametrize("wrong", [{"channels": 1}, {"sample_rate": 44100}])
def test_other_sound_than_planned_is_found(
    finished: Any, wrong: dict[str, int]
) -> None:
    """
    Another number of channels, another sample rate.
    """
    planned = finished.task.recipe.audio[0].model_copy(update=wrong)

    assert {"streams"} == finished.with_recipe(audio=(planned,)).failed()


def test_wrong_colour_tags_are_found(other: Callable[..., Any]) -> None:
    """
    A picture of BT.601 colours that is tagged as BT.2020 and HLG.
    """
    tags = "colorspace=bt2020nc:color_trc=arib-std-b67:color_primaries=bt2020"
    tagged = other(small_filter=f"setparams={tags}")

    # The packager puts it into an adaptation set of its own.
    assert {"colour", "playlists"} == tagged.failed()
    assert "small is tagged transfer arib-std-b67" in tagged.detail("colour")


def test_another_pixel_format_is_found(other: Callable[..., Any]) -> None:
    """
    4:4:4 where 4:2:0 was planned plays nowhere in hardware.
    """
    assert {"colour"} == other(small_filter="format=yuv444p").failed()
