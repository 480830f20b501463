"""Playlists, MPD and stills that do not say what the files are."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

MASTER, MPD = "master.m3u8", "manifest.mpd"
BIG, FRAMES = "video/big/index.m3u8", "video/big/iframes.m3u8"


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (BIG, "EXTINF:1.000", "EXTINF:1.100", "00001.m4s is said to last 1.100 s"),
        (BIG, "TARGETDURATION:2", "TARGETDURATION:0", "exceeds TARGETDURATION"),
        (BIG, "#EXT-X-ENDLIST", "", "no EXT-X-ENDLIST"),
        (BIG, "#EXTINF:1.000,\n00004.m4s\n", "", "big: 4 segments listed, there are 3"),
        (BIG, "00003.m4s", "00002.m4s", "lists a segment twice"),
        (BIG, "#EXTM3U", "", "does not begin with #EXTM3U"),
        (MASTER, r"BANDWIDTH=\d+", "BANDWIDTH=1000", "bandwidth 1000, its peak"),
        (MASTER, r"BANDWIDTH=\d+", "BANDWIDTH=99000000", "above its peak of"),
        (MASTER, "avc1", "hvc1", "lack its h264"),
        (MASTER, "mp4a.40.2", "opus", "lack its aac"),
        (MASTER, "RESOLUTION=320x240", "RESOLUTION=640x480", "it is 320x240"),
        (MASTER, "FRAME-RATE=25.000", "FRAME-RATE=50.000", "it is 25.000"),
        (MASTER, r",AUDIO=\"audio\"", "", "no AUDIO group"),
        (MASTER, "video/small/index", "video/tiny/index", "not list video/small"),
        (MASTER, r"#EXT-X-MEDIA:.*\n", "", "does not list audio/main"),
        (MASTER, r"#EXT-X-I-FRAME.*big.*\n", "", f"does not list {FRAMES}"),
        (FRAMES, r"BYTERANGE:\d+@", "BYTERANGE:100@", "no keyframe at"),
        (FRAMES, r"@\d+", "@0", "no keyframe at"),
        (FRAMES, "#EXT-X-I-FRAMES-ONLY", "", "not marked"),
        (FRAMES, "EXTINF:1.000", "EXTINF:3.000", "said to last 3.000 s, the next"),
        (FRAMES, r"#EXTINF.*\n.*\n00003.m4s\n", "", "the next comes after 2.000 s"),
        (
            FRAMES,
            r"1.000,\n(.*\n00002.m4s\n)#EXTINF.*\n.*\n00003.m4s\n",
            r"2.000,\n\1",
            "does not list the keyframe at 2.000 s",
        ),
        (
            MASTER,
            r"AVERAGE-BANDWIDTH=\d+",
            "AVERAGE-BANDWIDTH=9",
            "average bandwidth 9",
        ),
        (MASTER, r"(FRAME.*:BANDWIDTH)=\d+", r"\1=9999", "keyframes of big: bandwidth"),
        (MASTER, r"(FRAME.*AVERAGE-BAND\w+)=\d+", r"\1=999999", "of big: average"),
        (MASTER, r"(I-FRAME.*SOLUTION)=320", r"\1=640", "of big: RESOLUTION 640x240"),
        (MASTER, r"FRAME-RATE=25.000", "FRAME-RATE=25.510", "rate 25.510, it is 25.0"),
        (MPD, 'height="240" frameRate="25"', 'height="240" frameRate="9"', "rate 9"),
        (MPD, ' startWithSAP="1"', "", "startWithSAP None, its segments begin with"),
        (MPD, 'startWithSAP="1"', 'startWithSAP="2"', "begin with type 1"),
        (MPD, "PT4.000S", "PT5S", "lasts 5.000 s"),
        (MPD, 'type="static"', 'type="dynamic"', "not static"),
        (MPD, r'd="12800" r="3"', 'd="12800" r="2"', "3 segments listed, there are 4"),
        (MPD, r'd="12800"', 'd="12000"', "is listed at"),
        (MPD, 'codecs="avc1', 'codecs="hvc1', "it is h264"),
        (MPD, 'width="320"', 'width="640"', "size 640x240, it is 320x240"),
        (MPD, r'bandwidth="\d+"', 'bandwidth="1"', "bandwidth 1, its peak"),
        (MPD, 'SamplingRate="48000"', 'SamplingRate="44100"', "44100 Hz"),
        (MPD, 'config.*value="2"|2011" value="2"', '2011" value="6"', "6 channels"),
        (MPD, "audio/main/init", "audio/x/init", "does not list audio/main"),
        (MPD, "<Period", "<Perod", "not well-formed XML"),
    ],
)
def test_a_playlist_that_says_something_else_is_found(
    finished: Any, name: str, old: str, new: str, said: str
) -> None:
    """
    One word of one playlist is wrong, and the detail says which.
    """
    finished.edit(name, old, new)

    assert "playlists" in finished.failed()
    assert said in finished.detail("playlists")


def test_only_the_playlists_are_blamed_for_what_they_say(finished: Any) -> None:
    """
    The files are in order when a playlist lies about them.
    """
    finished.edit(MASTER, "RESOLUTION=320x240", "RESOLUTION=640x480")

    assert {"playlists"} == finished.failed()


@pytest.mark.parametrize("name", [MASTER, MPD, FRAMES])
def test_a_missing_playlist_is_found(finished: Any, name: str) -> None:
    """
    A playlist that was never written.
    """
    (finished.staging / name).unlink()

    # Thumbnails that no master names are told of, too.
    assert {"playlists"} <= finished.failed() <= {"playlists", "stills"}
    assert f"{name}: missing" in finished.detail("playlists")


def test_a_stray_file_is_found(finished: Any) -> None:
    """
    A file that nobody lists would be uploaded and paid for.
    """
    (finished.staging / "video/big/00005.m4s.tmp").write_bytes(b"x")

    assert {"playlists"} == finished.failed()
    assert "00005.m4s.tmp is in no playlist" in finished.detail("playlists")


# ── stills ────────────────────────────────────────────────────────────────────


def test_an_empty_poster_is_found(finished: Any) -> None:
    """
    A poster of no bytes.
    """
    (finished.staging / "poster.jpg").write_bytes(b"")

    assert {"stills"} == finished.failed()


def test_a_missing_poster_is_found(finished: Any) -> None:
    """
    A poster that was not made.
    """
    (finished.staging / "poster.jpg").unlink()

    assert {"stills"} == finished.failed()
    assert "poster.jpg: poster.jpg is missing" == finished.detail("stills")


def test_a_poster_of_another_size_is_found(finished: Any) -> None:
    """
    A poster that is a sprite sheet.
    """
    shutil.copy(finished.staging / "sprites/00001.jpg", finished.staging / "poster.jpg")

    assert {"stills"} == finished.failed()
    assert "poster.jpg is 240x60, not 320x240" == finished.detail("stills")


def test_a_missing_sheet_is_found(finished: Any) -> None:
    """
    A sprite sheet that thumbnails point into.
    """
    (finished.staging / "sprites/00002.jpg").unlink()

    assert {"stills"} == finished.failed()
    assert "00002.jpg, which does not exist" in finished.detail("stills")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("WEBVTT", "WEBVT", "does not begin with WEBVTT"),
        ("sprites/00001.jpg", "sprites/nowhere.jpg", "which does not exist"),
        ("sprites/00001.jpg", "sprites/../poster.jpg", "which does not exist"),
        ("xywh=80,0", "xywh=180,0", "no tile of its sheet"),
        ("xywh=80,0,80", "xywh=80,0,40", "no tile of its sheet"),
        ("00:00:01.000 -->", "00:00:01.500 -->", "not where the last one ends"),
        ("--> 00:00:04.000", "--> 00:00:09.000", "thumbnails end at 9.000 s"),
        (r"00:00:03.000 --> (.*\n)*", "", "3 cues, planned were 4"),
    ],
)
def test_a_thumbnails_track_that_points_elsewhere_is_found(
    finished: Any, old: str, new: str, said: str
) -> None:
    """
    Cues that leave gaps, end elsewhere or point to nothing.
    """
    finished.edit("thumbnails.vtt", old, new)

    assert {"stills"} == finished.failed()
    assert said in finished.detail("stills")


def test_sound_that_begins_with_a_hole_is_found(other: Any) -> None:
    """
    13.5 ms, which no player can play: it has to jump over them.
    """
    late = other(audio_filter="asetpts=PTS+0.0135/TB")

    assert "audio/main begins at 0.0135 s" in late.detail("playlists")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (MPD, 'contentType="image"', 'contentType="text"', "0 sets of thumbnails"),
        (MPD, r"sprites/\$N", "sprite/$N", "has thumbnails in sprite/00001.jpg"),
        (MPD, 'value="3x1"', 'value="1x3"', "1x3 thumbnails in a sheet"),
        (MPD, 'duration="3"', 'duration="4"', "a thumbnail every 1.333 s"),
        (MPD, 'width="240"', 'width="80"', "there is none"),
        (MASTER, "#EXT-X-IMAGE-STREAM.*", "", "does not list thumbnails.m3u8"),
        ("thumbnails.m3u8", "00002", "00001", "does not list the sheets"),
        ("thumbnails.m3u8", "LAYOUT=3x1", "LAYOUT=3x2", "does not say RESOLUTION=80x"),
        ("thumbnails.m3u8", "EXTINF:3", "EXTINF:1", "lasts 2.000 s"),
    ],
)
def test_thumbnails_that_are_listed_otherwise_are_found(
    finished: Any, name: str, old: str, new: str, said: str
) -> None:
    """
    A player that counts sheets and tiles would show another moment, or nothing.
    """
    finished.edit(name, old, new)

    assert said in finished.detail("stills")
