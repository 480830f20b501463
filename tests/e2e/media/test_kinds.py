"""Kinds of files that the corpus lacks, each of which once failed as no file should."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from .conftest import Eyes

Run = Callable[..., Any]
Made = Callable[..., Path]

PAINTS = (
    *("c04020", "20c040", "4020c0", "c0c020", "c020c0", "20c0c0", "c0c0c0", "404040"),
)
WRONG_COLOUR = 6
"""Of 255. Taken for BT.709, BT.2020 is 9 off in one of these paints and the others more
than 20; SMPTE 240M is 3, which nobody sees."""
PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=2")
QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def test_a_fragment_per_sample(ran: Run, made: Made, eyes: Eyes) -> None:
    """Its last sample's length is in no table: the next fragment's start tells it."""
    source = made("frag.mp4", *PICTURE, *SOUND, *QUICK, "-c:a", "aac",
                  "-movflags", "+frag_every_frame+empty_moov")  # fmt: skip

    run = ran(source)

    assert 2 == pytest.approx(eyes.lasts(run.path), abs=0.05)
    assert 2 == pytest.approx(
        run.document["media"]["audio"][0]["duration_seconds"], abs=0.05
    )


HOURS = """
name = "hours"
title = "One small rendition in segments"
[packaging]
type = "cmaf"
segment_seconds = 1
[video]
codec = "h264"
preset = "ultrafast"
gop_seconds = 0.5
[[video.rungs]]
short_side = 48
crf = 40
max_bit_rate_kbps = 100
"""


def test_segments_keep_their_length_for_hours(
    ran: Run, made: Made, tmp_path: Path
) -> None:
    """
    A boundary that comes a tick early with each of them is half a second off after two
    hours, where another keyframe is: everything would be made, and then refused.
    """
    bars = "smptebars=size=86x48:rate=2:d=8300"
    source = made("hours.mp4", "-f", "lavfi", "-i", bars, *QUICK)
    (tmp_path / "hours.toml").write_text(HOURS)

    playlists = ran(source, tmp_path / "hours.toml").outputs

    (uri,) = (it["uri"] for it in playlists if it["uri"].endswith("48p/index.m3u8"))
    text = Path(uri).read_text()
    lasts = [float(it) for it in re.findall(r"#EXTINF:([\d.]+)", text)]
    assert (8300, {1.0}) == (len(lasts), set(lasts))


@pytest.mark.parametrize(("picture", "sound"), [(4, 6), (8, 9.9), (3.52, 5)])
def test_sound_that_goes_on_across_a_cut(
    ran: Run, made: Made, eyes: Eyes, picture: float, sound: float
) -> None:
    """
    Where a segment is cut after the last picture, that is shown again for it: the one
    before would last until the sound ends, and everything be refused.
    """
    source = made(
        f"tail-{picture}.mp4",
        *("-f", "lavfi", "-i", f"testsrc2=size=160x90:rate=25:duration={picture}"),
        *("-f", "lavfi", "-i", f"sine=sample_rate=48000:duration={sound}"),
        *("-map", "0", "-map", "1", *QUICK, "-c:a", "aac"),
    )

    uri = ran(source, "hls").one("rendition")["uri"]

    lasts = lengths(uri)
    assert all(it <= 4.5 for it in lasts), lasts
    assert sound == pytest.approx(sum(lasts), abs=0.05)
    times = [it - eyes.times(uri)[0] for it in eyes.times(uri)]
    assert all(min(abs(it - at) for it in times) < 0.002 for at in sums(lasts))


def test_a_picture_that_begins_some_frames_after_the_sound(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """
    As in most transport streams. Its first picture is shown from the beginning, by a
    part of a frame longer than the others, and segments are said to last as long as
    they are seen.
    """
    source = made(
        "part-of-a-frame-late.ts", "-itsoffset", "0.05",
        *("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=9"),
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=9"),
        *("-map", "0", "-map", "1", *QUICK, "-c:a", "aac"),
    )  # fmt: skip
    first = eyes.times(source)[0] - eyes.times(source, "a")[0]
    assert first % 0.04 == pytest.approx(0.021, abs=0.001), "no case of it"

    run = ran(source, "hls")

    uri = run.one("rendition")["uri"]
    times, lasts = eyes.times(uri), lengths(uri)
    assert 4.021 == pytest.approx(lasts[0], abs=0.001)
    assert all(
        min(abs(it - times[0] - at) for it in times) < 0.002 for at in sums(lasts)
    )
    dash = {"": "urn:mpeg:dash:schema:mpd:2011"}
    mpd = ET.fromstring(run.text("manifest.mpd"))  # noqa: S314  ours
    (template,) = mpd.iterfind(
        ".//AdaptationSet[@contentType='video']//SegmentTemplate", dash
    )
    tick = 1 / int(template.attrib["timescale"])
    starts = [int(it.attrib["t"]) * tick for it in template.iterfind(".//S", dash)]
    assert sums(lasts) == pytest.approx(starts, abs=0.001)


def test_the_last_picture_of_a_converted_rate(ran: Run, made: Made, eyes: Eyes) -> None:
    """
    Every second picture of 60. The last one stands for what was left out after it, and
    where the first began an odd time after the sound, for a part of one more.
    """
    source = made(
        "late-at-60.ts", "-itsoffset", "1.37",
        *("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=60:duration=3"),
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=4"),
        *("-map", "0", "-map", "1", *QUICK, "-c:a", "aac"),
    )  # fmt: skip

    times = eyes.times(ran(source).path)

    assert {33} == {round((b - a) * 1000) for a, b in pairwise(times)}
    assert 131 == len(times)


@pytest.mark.parametrize("sound", [3.05, 3.4, 4.5, 6])
def test_sound_that_goes_on_after_pictures_of_a_converted_rate(
    ran: Run, made: Made, eyes: Eyes, sound: float
) -> None:
    """Of 120 a second every other is shown, the last one while there is sound."""
    source = made(
        f"fast-{sound}.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=120:duration=3"),
        *("-f", "lavfi", "-i", f"sine=sample_rate=48000:duration={sound}"),
        *(*QUICK, "-c:a", "aac"),
    )

    run = ran(source, "hls")

    assert 1 == len(run.document["tasks"][0]["attempts"])
    assert sound == pytest.approx(sum(lengths(run.one("rendition")["uri"])), abs=0.05)


def test_mxf_that_does_not_say_in_which_order_pictures_are_shown(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """As ffmpeg writes H.264: decoded in its order, pictures come at odd times."""
    source = made(
        "reordered.mxf", *PICTURE, *SOUND, *QUICK, "-bf", "2", "-g", "25",
        "-b:v", "1M", "-preset", "veryfast", "-c:a", "pcm_s16le",
    )  # fmt: skip

    path = ran(source).path

    times = eyes.times(path)
    assert 50 == len(times)
    assert {40} == {round((b - a) * 1000) for a, b in pairwise(times)}


@pytest.mark.parametrize("profile", ["mp4", "hls", "audio"])
def test_a_last_packet_of_slow_sound(ran: Run, made: Made, profile: str) -> None:
    """
    Of fragments nothing is cut off by an edit: at 8 kHz 0.1 s more come out of it than
    it is said to last.
    """
    source = made(
        "slow-sound.mp4", *PICTURE,
        *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000:duration=2.6"),
        *(*QUICK, "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"),
    )  # fmt: skip

    ran(source, profile).one("audio" if profile == "audio" else "rendition")


def test_sound_alone_of_a_picture_that_goes_on(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """Where only the whole says how long it lasts, its sound is not cut off."""
    noise = "testsrc2=size=640x368:rate=25:duration=4,noise=alls=60:allf=t"
    source = made(
        "picture-goes-on.ogv", "-f", "lavfi", "-i", noise,
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2"),
        *("-c:v", "libtheora", "-q:v", "10", "-c:a", "libopus"),
    )  # fmt: skip

    assert 2 == pytest.approx(eyes.lasts(ran(source, "audio").path), abs=0.1)
    assert 4 == pytest.approx(eyes.lasts(ran(source).path), abs=0.1)


def test_sound_that_begins_behind_megabytes_of_picture(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """
    A transport stream gathers slow sound for a third of a second; what was looked at
    had none of it by then, and it was left out.
    """
    noise = "testsrc2=size=640x360:rate=25:duration=3,noise=alls=80:allf=t"
    source = made(
        "sound-behind-picture.ts", "-f", "lavfi", "-i", noise,
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=3"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-qp", "8", "-g", "50"),
        *("-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k"),
    )  # fmt: skip
    assert source.stat().st_size > 20_000_000

    assert {"video", "audio"} == {
        it["codec_type"] for it in eyes.streams(ran(source).path)
    }


def test_a_copy_has_no_damage_of_its_source(
    ran: Run, made: Made, eyes: Eyes, tmp_path: Path
) -> None:
    """A packet of 500 that does not decode is no reason to refuse, but to encode."""
    whole = made(
        "to-be-damaged.mp4",
        *("-f", "lavfi", "-i", "smptebars=size=320x180:rate=25:duration=10"),
        *("-f", "lavfi", "-i", "anoisesrc=sample_rate=48000:duration=10:seed=1"),
        *(*QUICK, "-g", "50", "-c:a", "aac", "-b:a", "96k"),
    )
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packets = [*container.demux(audio=0)]
    at = packets[200].pos
    assert at is not None
    data[at + 8 : at + 40] = b"\xff" * 32
    (tmp_path / "damaged.mp4").write_bytes(data)
    assert "copied" == ran(whole, "mp4").one("rendition")["made_by"]

    run = ran(tmp_path / "damaged.mp4", "mp4")

    assert "encoded" == run.one("rendition")["made_by"]
    assert any("Copying gave no sound result" in it for it in run.document["warnings"])
    assert eyes.decodes(run.path)


def test_packets_of_sound_that_are_rounded(ran: Run, made: Made) -> None:
    """Short ones of Vorbis last 2.7 ms, in Matroska 3: what they add up to is more."""
    beeps = "0.05*sin(2770*t)+0.7*lt(mod(t*t*2.3+t,0.2),0.02)*sin(3456*t)"
    source = made(
        "rounded.mkv", *PICTURE,
        *("-f", "lavfi", "-i", f"aevalsrc='{beeps}':s=48000:d=8"),
        *(*QUICK, "-c:a", "libvorbis", "-ac", "2"),
    )  # fmt: skip

    lasts = ran(source, "hls").document["media"]["audio"][0]["duration_seconds"]

    assert 8 == pytest.approx(lasts, abs=0.03)


def test_avi_of_pictures_in_their_order(ran: Run, made: Made, eyes: Eyes) -> None:
    """
    As cameras make it, without B-frames: nothing says when they are shown but that they
    are not reordered, and the first one comes with the sound.
    """
    source = made(
        "camera.avi", *PICTURE, *SOUND, "-map", "0", "-map", "1",
        *(*QUICK, "-bf", "0", "-c:a", "mp3"),
    )  # fmt: skip

    run = ran(source)

    assert 0 == run.document["media"]["video"][0]["start_seconds"]
    assert [0, 0] == pytest.approx(
        [eyes.times(run.path, kind)[0] for kind in "va"], abs=0.03
    )
    assert 50 == len(eyes.times(run.path))


def test_avi_cut_so_that_its_picture_begins_late(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """
    Few pictures a second, reordered, and the first two left out by a cut. Where the
    result ends was reckoned as if it began with its sound, and it was refused.
    """
    picture = "testsrc2=size=320x240:rate=7:duration=4"
    whole = made("sevens.avi", *PICTURE[:3], picture, *SOUND[:3], "sine=duration=4",
                 *("-c:v", "mpeg4", "-bf", "2", "-c:a", "aac"))  # fmt: skip
    source = made("cut-sevens.avi", "-ss", "0.578", "-i", str(whole), "-c", "copy")

    run = ran(source, "mp4")

    times = eyes.times(run.path)
    assert 2 / 7 == pytest.approx(times[0], abs=0.01)
    assert 28 == len(times)


@pytest.mark.parametrize("later", [None, 0.5])
def test_nut_of_reordered_pictures_that_begins_late(
    ran: Run, made: Made, eyes: Eyes, later: float | None
) -> None:
    """
    libav tells no time of its first picture: ffmpeg begins with what it does tell,
    the clock's 0 or the sound, and pictures were dropped, or all came late.
    """
    sound = ("-itsoffset", str(later), *SOUND, "-map", "0", "-map", "1")
    source = made(
        f"reordered-{later}.nut", *PICTURE, *(sound if later else ()),
        *("-c:v", "mpeg2video", "-bf", "2", "-c:a", "pcm_s16le"),
        *("-output_ts_offset", "1.4"),
    )  # fmt: skip

    run = ran(source, "mp4")

    times = eyes.times(run.path)
    assert 50 == len(times)
    assert 0 == pytest.approx(times[0], abs=0.001)
    assert 2 + (later or 0) == pytest.approx(eyes.lasts(run.path), abs=0.05)


@pytest.mark.parametrize("counts", ["from the clock's 0", "from its beginning"])
def test_large_flash_video_of_reordered_pictures_before_the_sound(
    ran: Run, made: Made, eyes: Eyes, tmp_path: Path, counts: str
) -> None:
    """
    Its first picture is shown two later than the clock's 0, from which FFmpeg's header
    counts how long it lasts, and others' may not: what was made was refused for being
    shorter.
    """
    noise = f"{PICTURE[-1]},noise=alls=60:allf=t"
    source = made(
        "reordered.flv", *PICTURE[:-1], noise, "-itsoffset", "0.4", *SOUND,
        *("-map", "0", "-map", "1", *QUICK, "-bf", "2", "-crf", "5", "-c:a", "aac"),
    )  # fmt: skip
    assert source.stat().st_size > 3_000_000, "no case of it"
    if counts == "from its beginning":
        data = bytearray(source.read_bytes())
        at = data.index(b"duration") + len("duration") + 1
        (lasts,) = struct.unpack_from(">d", data, at)
        struct.pack_into(">d", data, at, lasts - 0.08)
        source = tmp_path / source.name
        source.write_bytes(data)

    run = ran(source, "mp4")

    told = run.document["media"]["duration_seconds"]
    assert told == pytest.approx(eyes.lasts(run.path), abs=0.03)


def without_order(source: Path, folder: Path) -> Path:
    """A copy that does not say when pictures are shown, but when they are decoded."""
    data = source.read_bytes()
    for box in (b"ctts", b"edts"):
        assert box in data
        # The first is the picture's.
        data = data.replace(box, b"free", 1)
    path = folder / source.name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("profile", ["preview", "hls"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_mp4_that_does_not_say_in_which_order(  # noqa: PLR0917 - fixtures
    ran: Run, made: Made, eyes: Eyes, tmp_path: Path, codec: str, profile: str
) -> None:
    """
    All pictures in the decoder's order, one after the other. One was missing, and the
    first had lasted three times as long; with sound that was longer it was refused.
    """
    source = made(
        f"unordered-{codec}.mp4", *PICTURE, *SOUND, *QUICK, "-c:v", codec, "-bf", "3"
    )
    unordered = without_order(source, tmp_path)

    run = ran(unordered, profile)

    assert [n / 25 for n in range(50)] == pytest.approx(eyes.times(run.path), abs=1e-3)
    for number in (1, 4, 49):
        then = eyes.picture(source, number=number)
        seen = eyes.picture(run.path, number=number)
        assert sum(abs(a - b) for a, b in zip(then, seen, strict=True)) / len(then) < 4
    assert [1] == [len(it["attempts"]) for it in run.document["tasks"]]


def test_mp4_of_a_variable_rate_that_does_not_say_in_which_order(
    ran: Run, made: Made, tmp_path: Path
) -> None:
    """Nothing tells when each is shown: it is refused before anything is billed."""
    source = made(
        "unordered-variable.mp4", *PICTURE, "-vf", "select='not(between(n,5,15))'",
        *("-fps_mode", "vfr", *QUICK, "-bf", "3"),
    )  # fmt: skip

    run = ran(without_order(source, tmp_path), "mp4")

    assert (3, "rejected") == (run.code, run.document["status"])
    assert "no ctts" in run.document["error"]["message"]
    assert [] == run.document["tasks"]


@pytest.mark.parametrize("profile", ["preview", "hls"])
@pytest.mark.parametrize(
    ("name", "codec", "rate", "late", "sound"),
    [
        # The decoder keeps back so many of few pictures that most of a second passes.
        ("slow", "libx264", 12, 0, ""),
        # Its first picture is stored at 0 and handed out with the second.
        ("late", "libx264", 25, 1.37, "sine=sample_rate=48000:duration=5.5"),
        ("late-alone", "libx264", 25, 1.37, ""),
    ],
)
def test_avi_of_reordered_pictures(  # noqa: PLR0917 - fixtures
    ran: Run,
    made: Made,
    eyes: Eyes,
    name: str,
    codec: str,
    rate: int,
    late: float,
    sound: str,
    profile: str,
) -> None:
    """
    They begin when the decoder hands out the first one, as in any other player, and
    alone at once. All had been refused: for a beginning without anything, or
    thumbnails that ended before the picture.
    """
    heard = ("-f", "lavfi", "-i", sound)
    source = made(
        f"{name}.avi", "-f", "lavfi", "-i",
        f"testsrc2=size=160x96:rate={rate}:duration=5",
        *(heard if sound else ()), "-map", "0", *(("-map", "1") if sound else ()),
        *("-vf", f"setpts=PTS+{late}/TB", "-fps_mode", "vfr", *QUICK, "-c:v", codec),
        *("-bf", "2", "-c:a", "mp3"),
    )  # fmt: skip

    run = ran(source, profile)

    times = eyes.times(run.path)
    assert 5 * rate == pytest.approx(len(times), abs=2)
    assert times[0] == pytest.approx(late if sound else 0, abs=0.05)
    if profile == "hls":
        lasts = re.findall(r"#EXTINF:([\d.]+)", run.text("thumbnails.m3u8"))
        assert sum(map(float, lasts)) == pytest.approx(times[-1], abs=0.2)


def test_a_still_stretch_by_a_coarse_clock(ran: Run, made: Made, eyes: Eyes) -> None:
    """
    AVI counts pictures: a keyframe that is due between two of them comes when it is
    due. It came with the nearest, and everything was refused.
    """
    source = made(
        "still.avi", "-f", "lavfi", "-i",
        "testsrc2=size=160x96:rate=60000/1001:duration=6,"
        "select='not(between(n,60,299))'",
        *("-fps_mode", "vfr", "-c:v", "mjpeg", "-q:v", "5"),
    )  # fmt: skip

    times = eyes.times(ran(source, "mp4").path)

    assert {2.0, 4.0} <= {round(it, 3) for it in times}


def lengths(playlist: str) -> list[float]:
    text = Path(playlist).read_text("utf-8")
    return [float(it) for it in re.findall(r"#EXTINF:([\d.]+)", text)]


def sums(lasts: Sequence[float]) -> list[float]:
    """When segments begin."""
    return [sum(lasts[:n]) for n in range(len(lasts))]


def test_windows_media_sound(ran: Run, made: Made, eyes: Eyes) -> None:
    """Packets of 46 ms, of which the header rounds the last away."""
    source = made("sound.wma", "-f", "lavfi", "-i", "sine=sample_rate=48000:duration=4",
                  "-c:a", "wmav2")  # fmt: skip

    assert 4 == pytest.approx(eyes.lasts(ran(source).path), abs=0.1)


def test_windows_media_sound_beside_few_short_pictures(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """
    Its last blocks of 64 ms reach beyond pictures that end before them: that was called
    too long, after it was made.
    """
    sound = "sine=sample_rate=32000:duration=2.7"
    picture = "testsrc=size=98x120:rate=60:duration=2.7,select='mod(n,7)'"
    source = made("short.wmv", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound,
                  "-c:v", "wmv2", "-fps_mode", "vfr", "-c:a", "wmav2")  # fmt: skip

    assert 2.75 == pytest.approx(eyes.lasts(ran(source).path), abs=0.1)


@pytest.mark.parametrize("profile", ["mp4", "hls"])
def test_a_gap_before_large_pictures(
    ran: Run, made: Made, eyes: Eyes, profile: str
) -> None:
    """
    Of the 22 that the probe reads all but two were left aside, as others might still
    come between them; the gap of 0.4 s between those was taken for a constant rate, and
    the last picture of a playlist for as long.
    """
    picture = "testsrc2=size=352x288:rate=12:duration=6,select='not(between(n,1,4))'"
    source = made("large.avi", "-f", "lavfi", "-i", picture, *SOUND[:3],
                  "sine=sample_rate=48000:duration=6", "-c:v", "huffyuv",
                  "-pix_fmt", "yuv422p", "-c:a", "mp2")  # fmt: skip

    run = ran(source, profile)

    assert run.document["media"]["video"][0]["variable_frame_rate"] is True
    assert 6 == pytest.approx(eyes.lasts(run.path), abs=0.1)


@pytest.mark.parametrize("rate", [5, 8])
def test_a_cut_in_the_middle_of_a_long_picture(
    ran: Run, made: Made, eyes: Eyes, rate: int
) -> None:
    """
    `ffmpeg -ss 0.3 -c copy` of a screen recording: an edit begins within a picture,
    which libav leaves out, and nothing waits for the next one. It was waited for, up to
    0.1 s, and what was made was refused.
    """
    picture = f"testsrc2=size=320x240:rate={rate}:duration=4"
    sound = "sine=sample_rate=48000:duration=4"
    whole = made(f"whole{rate}.mp4", *PICTURE[:3], picture, *SOUND[:3], sound,
                 *QUICK, "-c:a", "aac")  # fmt: skip
    source = made(f"cut{rate}.mov", "-ss", "0.3", "-i", str(whole), "-c", "copy")

    run = ran(source)

    starts = [
        it["start_seconds"]
        for it in (run.document["media"]["video"] + run.document["media"]["audio"])
    ]
    assert [0.0, 0.0] == pytest.approx(starts, abs=0.025)
    assert 3.6 == pytest.approx(eyes.lasts(run.path), abs=0.2)


OGG = ("-pix_fmt", "yuv420p", "-c:v", "libtheora", "-q:v", "7")


@pytest.mark.parametrize("profile", ["mp4", "hls"])
def test_ogg_whose_picture_stands_at_first(
    ran: Run, made: Made, eyes: Eyes, profile: str
) -> None:
    """
    Theora says so with empty packets, which were counted as pictures; and what Ogg has
    of sound before 0 is not to be heard, however much: the picture waited for it.
    """
    source = made("stands.ogv", "-itsoffset", "0.5", *PICTURE[:3],
                  "testsrc=size=176x320:rate=15:duration=4", "-itsoffset", "-0.3",
                  *SOUND[:3], "sine=sample_rate=32000:duration=4", *OGG,
                  "-c:a", "libvorbis")  # fmt: skip

    run = ran(source, profile)

    picture, sound = run.document["media"]["video"][0], run.document["media"]["audio"]
    assert (60, 0.0) == (picture["frames"], sound[0]["start_seconds"])
    assert 4.5 == pytest.approx(eyes.lasts(run.path), abs=0.1)


def test_ogg_whose_sound_goes_on_without_a_picture(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """
    In megabytes of sound behind it nothing says where the picture ended: the file's end
    was taken for it, and thumbnails that reached so far were refused.
    """
    noise = "anoisesrc=sample_rate=48000:duration=40:color=white:seed=1"
    source = made("early.ogv", "-f", "lavfi", "-i", noise, *PICTURE[:3],
                  "testsrc=size=426x240:rate=10:duration=3", *OGG,
                  "-c:a", "flac")  # fmt: skip

    run = ran(source, "hls")

    assert 3 == run.document["media"]["video"][0]["duration_seconds"]
    assert 40 == pytest.approx(eyes.lasts(run.path), abs=0.1)


def test_flash_screen_video_without_sound(ran: Run, made: Made, eyes: Eyes) -> None:
    """FLV says when the last picture begins, and nobody how long it is shown."""
    source = made("screen.flv", *PICTURE, "-c:v", "flashsv")

    assert 50 == len(eyes.times(ran(source).path))


def test_pixels_of_an_impossible_shape_are_square(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """A thousand times as wide as high: no encoder takes that, and no eye."""
    source = made("wide.mkv", *PICTURE, "-vf", "setsar=1000/1", *QUICK)

    run = ran(source)

    video = eyes.video(run.path)
    assert (320, 240) == (video["width"], video["height"])
    assert "claims pixels of 100" in str(run.document)


@pytest.mark.parametrize("matrix", ["ycgco", "smpte240m", "fcc", "bt2020nc"])
def test_matrices_that_few_players_know(
    ran: Run, made: Made, eyes: Eyes, matrix: str
) -> None:
    """The colours stay, under a name that every player knows."""
    # Its picture is flat in large parts: edges would hide what a matrix does.
    parts = [
        made(f"{colour}.mkv", "-f", "lavfi", "-i", f"color=0x{colour}:size=80x120:d=2",
             "-c:v", "ffv1", "-pix_fmt", "gbrp")
        for colour in PAINTS
    ]  # fmt: skip
    plain = made(
        "plain.mkv", *(word for part in parts for word in ("-i", part)),
        "-filter_complex", "xstack=inputs=8:grid=4x2", "-c:v", "ffv1",
    )  # fmt: skip
    source = made(
        f"{matrix}.mkv", "-i", plain,
        "-vf", "setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709,"
        f"zscale=matrix={matrix}:range=limited,"
        "format=yuv444p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4",
    )  # fmt: skip

    run = ran(source)

    assert eyes.video(run.path)["color_space"] in {"bt709", "smpte170m"}
    # Scaled as RGB: subsampled chroma of neighbours would run together.
    wanted, got = (eyes.picture(it, "format=gbrp") for it in (plain, run.path))
    for number in range(len(PAINTS)):
        # The middle of each part, in 32 x 32 pixels of the whole.
        at = 3 * ((8 + 16 * (number // 4)) * 32 + 4 + 8 * (number % 4))
        assert list(wanted[at : at + 3]) == pytest.approx(
            list(got[at : at + 3]), abs=WRONG_COLOUR
        )


def test_telecine_behind_what_fits_pictures(ran: Run, made: Made, eyes: Eyes) -> None:
    """ffmpeg died of it: pictures whose lines lie differently far apart."""
    source = made(
        "telecine.ts", "-f", "lavfi", "-i", "testsrc2=size=720x480:rate=24000/1001",
        *SOUND, "-t", 4, "-vf", "telecine=first_field=top:pattern=23",
        "-c:v", "mpeg2video", "-b:v", "6M", "-flags", "+ilme+ildct", "-c:a", "mp2",
    )  # fmt: skip

    assert 4 == pytest.approx(eyes.lasts(ran(source, "hls").path), abs=0.1)


def test_pieces_of_sound_that_overlap(
    ran: Run, made: Made, eyes: Eyes, tmp_path: Path
) -> None:
    """Each piece of a joined stream ends in a packet of sound too many."""
    pieces = [
        made(f"piece-{at}.ts", *PICTURE, *SOUND, *QUICK, "-c:a", "aac",
             "-output_ts_offset", at)
        for at in (0, 2, 4)
    ]  # fmt: skip
    source = tmp_path / "joined.ts"
    source.write_bytes(b"".join(piece.read_bytes() for piece in pieces))

    assert 6 == pytest.approx(eyes.lasts(ran(source).path), abs=0.06)


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("mpeg1video", "disc.mpg"),
        ("mpeg1video", "old.ts"),
        ("mpeg2video", "disc.mpg"),
        ("mpeg4", "asp.ts"),
        ("flv", "old.flv"),
    ],
)
def test_codecs_whose_headers_say_nothing_more(
    ran: Run, made: Made, eyes: Eyes, codec: str, name: str
) -> None:
    """Every MPEG-1 failed: ffmpeg's filter for headers does not know it."""
    source = made(
        name, "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-t", 2,
        "-c:v", codec, "-b:v", "1M",
    )  # fmt: skip

    assert 2 == pytest.approx(eyes.lasts(ran(source).path), abs=0.1)


@pytest.mark.parametrize("name", ["late.mp4", "late.mov", "late.mkv", "late.ts"])
@pytest.mark.parametrize("clip", [(), ("--start", "0.5")], ids=["whole", "clip"])
def test_of_a_late_picture_without_its_sound(  # noqa: PLR0917 - fixtures
    ran: Run, made: Made, eyes: Eyes, tmp_path: Path, name: str, clip: tuple[str, ...]
) -> None:
    """It begins at once: what came before it was sound, which nobody asked for."""
    source = made(
        name, "-itsoffset", "0.3", *PICTURE, *SOUND, "-map", "0:v", "-map", "1:a",
        *QUICK, "-bf", "2", "-c:a", "aac",
    )  # fmt: skip
    silent = tmp_path / "silent.toml"
    silent.write_text(
        'name = "silent"\ntitle = "A picture alone"\n'
        '[packaging]\ntype = "file"\ncontainer = "mp4"\n'
        '[video]\ncodec = "h264"\npreset = "ultrafast"\n'
        "[[video.rungs]]\nshort_side = 120\ncrf = 30\nmax_bit_rate_kbps = 300\n"
    )

    path = ran(source, silent, *clip).path

    left = 2 - (0.5 if clip else 0)
    assert 0 == pytest.approx(eyes.times(path)[0], abs=0.002)
    assert left == pytest.approx(eyes.lasts(path), abs=0.06)


@pytest.mark.parametrize("clip", [(), ("--start", "1")], ids=["whole", "clip"])
@pytest.mark.parametrize("name", ["looked.mp4", "looked.ts"])
def test_pictures_after_the_first_are_compared(
    ran: Run, made: Made, name: str, clip: tuple[str, ...]
) -> None:
    """By what the decoder told: were none found, the check would pass by itself."""
    source = made(
        name, "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=6", *QUICK,
        "-bf", "2",
    )  # fmt: skip

    checks = ran(source, "preview", *clip).document["verification"]["checks"]

    (said,) = (it["detail"] for it in checks if it["name"] == "picture")
    assert "after it" in said
    assert "alike at the least" in said


def test_sound_that_begins_late_takes_the_memory_that_was_predicted(
    ran: Run, made: Made
) -> None:
    """Until it does, each decoded picture is kept: first attempts had been killed."""
    source = made(
        "late-sound.ts", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25:d=5",
        *("-itsoffset", "3", *SOUND, "-map", "0", "-map", "1", *QUICK, "-b:v", "4M"),
        *("-c:a", "aac"),
    )  # fmt: skip

    document = ran(source, "preview").document

    (attempt,) = document["tasks"][0]["attempts"]
    used = attempt["measured"]["peak_memory_bytes"]
    assert attempt["outcome"] == "succeeded"
    assert used <= attempt["predicted"]["peak_memory_bytes"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("in-a-row.ogg", ("-c:a", "libvorbis", "-q:a", "10")),
        ("in-a-row.mp3", ("-q:a", "0", "-b:a", "320k")),
    ],
)
def test_recordings_of_sound_in_a_row_are_made_as_a_whole(  # noqa: PLR0917 - fixtures
    ran: Run, made: Made, eyes: Eyes, tmp_path: Path, name: str, options: Sequence[str]
) -> None:
    """Too large to be read whole; made in full, and then refused as too long."""
    noise = "anoisesrc=d=60:r=44100:seed=1[a];anoisesrc=d=60:r=44100:seed=2[b];"
    one = made(name, "-f", "lavfi", "-i", f"{noise}[a][b]amerge", *options)
    both = tmp_path / name
    both.write_bytes(2 * one.read_bytes())

    run = ran(both, "audio")

    assert both.stat().st_size > 3 << 20
    assert 120 == pytest.approx(eyes.lasts(run.path), abs=0.2)


@pytest.mark.parametrize("clip", [(), ("--start", "1", "--end", "9")])
@pytest.mark.parametrize("name", ["slides.mp4", "slides.mkv", "slides.gif"])
def test_a_last_picture_that_stands_is_shown_in_segments_of_their_length(
    ran: Run, made: Made, name: str, clip: tuple[str, ...]
) -> None:
    """For 8 s, at a rate that is constant otherwise: it was made as one segment."""
    steady = made(
        "steady.mp4", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=3",
        *QUICK, "-bf", "0", "-bsf:v",
        "setts=duration='if(eq(N,29),80*DURATION,DURATION)'",
    )  # fmt: skip
    how = ("-fps_mode", "vfr") if name.endswith("gif") else ("-c", "copy")
    source = steady if name == "slides.mp4" else made(name, "-i", str(steady), *how)
    if name.endswith("gif"):
        # Its last block says for how long: hundredths of a second.
        data = bytearray(source.read_bytes())
        at = data.rindex(b"\x21\xf9\x04")
        data[at + 4 : at + 6] = (800).to_bytes(2, "little")
        source.write_bytes(data)

    run = ran(source, "hls", *clip)

    lasts = [
        float(it) for it in re.findall(r"#EXTINF:([\d.]+)", run.text("index.m3u8"))
    ]
    assert max(lasts) <= 4.2
    assert (8 if clip else 10.9) == pytest.approx(sum(lasts), abs=0.15)


@pytest.mark.parametrize("rate", ["30000/1001", "24000/1001", "25"])
@pytest.mark.parametrize(
    ("codec", "form"),
    [("mpeg1video", "mpeg1video"), ("mpeg2video", "mpeg2video"), ("mpeg4", "m4v")],
)
def test_bare_pictures_are_as_far_apart_as_their_rate_says(  # noqa: PLR0917 - fixtures
    ran: Run, made: Made, eyes: Eyes, codec: str, form: str, rate: str
) -> None:
    """
    Of MPEG-1, whose clock is finer than a microsecond, more than half had been left
    out; of MPEG-4 FFmpeg 9 has them in a thousandth of their time. All was refused.
    """
    name = f"bare-{codec}-{rate.partition('/')[0]}.bin"
    pictures = f"testsrc2=size=320x240:rate={rate}:duration=3"
    argv = ("-f", "lavfi", "-i", pictures, "-c:v", codec, "-bf", "2", "-f", form)
    source = made(name, *argv)

    times = eyes.times(ran(source, "mp4").path)

    steps = [b - a for a, b in pairwise(times)]
    assert len(times) == round(3 * Fraction(rate))
    assert {round(float(1 / Fraction(rate)), 3)} == {round(it, 3) for it in steps}


def test_sound_alone_is_cut_into_segments_however_long(ran: Run, made: Made) -> None:
    """In one fragment of more than a minute the packager saw no end: all was lost."""
    sound = "sine=frequency=440:sample_rate=48000:duration=200"
    source = made("long.wav", "-f", "lavfi", "-i", sound, "-ac", "2")

    playlists = ran(source, "hls").outputs

    [uri] = (it["uri"] for it in playlists if it["uri"].endswith("/index.m3u8"))
    lasts = lengths(uri)
    assert 200 == pytest.approx(sum(lasts), abs=0.05)
    assert max(lasts) == pytest.approx(4, abs=0.1)


def test_sound_may_go_on_for_minutes_behind_the_picture(ran: Run, made: Made) -> None:
    """Nothing ended its fragment until all of it had been read, and all was lost."""
    source = made(
        "goes-on.mp4", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:d=5",
        *("-f", "lavfi", "-i", "sine=d=160", *QUICK, "-c:a", "aac", "-ac", "2"),
    )  # fmt: skip

    playlists = ran(source, "hls").outputs

    uris = [it["uri"] for it in playlists if it["uri"].endswith("/index.m3u8")]
    for uri in uris:
        lasts = lengths(uri)
        assert 160 == pytest.approx(sum(lasts), abs=0.1)
        assert max(lasts) == pytest.approx(4, abs=0.1)
    assert len(uris) >= 2


def test_a_picture_that_begins_late_takes_the_memory_that_was_predicted(
    ran: Run, made: Made
) -> None:
    """
    What fills its beginning comes all at once, beside thumbnails: of a picture that
    begins after 20 s two attempts had been killed, after 60 s all five.
    """
    source = made(
        "late-picture.mp4", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:d=5",
        *("-f", "lavfi", "-i", "sine=d=25", "-filter_complex"),
        *("[0:v]setpts=PTS+20/TB[v]", "-map", "[v]", "-map", "1:a", *QUICK),
        *("-c:a", "aac", "-ac", "2"),
    )  # fmt: skip

    document = ran(source, "hls").document

    [attempt] = document["tasks"][0]["attempts"]
    used = attempt["measured"]["peak_memory_bytes"]
    assert attempt["outcome"] == "succeeded"
    assert used <= attempt["predicted"]["peak_memory_bytes"]


@pytest.mark.parametrize("rate", ["30000/1001", "24000/1001"])
def test_a_last_picture_that_is_held_takes_the_memory_that_was_predicted(
    ran: Run, made: Made, rate: str
) -> None:
    """All pictures waited for one that was shown again between two of them."""
    source = made(
        f"held-{rate[:2]}.mp4", "-f", "lavfi",
        *("-i", f"testsrc2=size=640x360:rate={rate}:duration=16"),
        *("-f", "lavfi", "-i", "sine=d=20", *QUICK, "-c:a", "aac", "-ac", "2"),
    )  # fmt: skip

    run = ran(source, "hls")

    [attempt] = run.document["tasks"][0]["attempts"]
    used = attempt["measured"]["peak_memory_bytes"]
    assert used <= attempt["predicted"]["peak_memory_bytes"]
    assert 20 == pytest.approx(sum(lengths(run_video(run))), abs=0.1)


def test_bare_pictures_that_were_not_all_seen_are_kept(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """Above 2 MiB any may stand still; what looks for that counts in microseconds."""
    noise = "testsrc2=size=352x288:rate=30000/1001:duration=4,noise=alls=60:allf=t"
    source = made(
        "large-bare.bin", "-f", "lavfi", "-i", noise, "-c:v", "mpeg1video", "-q:v", "2",
        *("-bf", "2", "-f", "mpeg1video"),
    )  # fmt: skip

    times = eyes.times(ran(source, "mp4").path)

    assert source.stat().st_size > 2 << 20
    assert len(times) == 120
    assert {0.033} == {round(b - a, 3) for a, b in pairwise(times)}


def test_reordered_pictures_of_asf_begin_where_they_do(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """libav names no beginning of them, alone; ffmpeg takes 0, and all was refused."""
    bars = "testsrc2=size=160x90:rate=5:duration=4"
    source = made("alone.asf", "-f", "lavfi", "-i", bars, "-c:v", "mpeg4", "-bf", "2")

    times = eyes.times(ran(source, "mp4").path)

    assert (20, 0) == (len(times), times[0])


@pytest.mark.parametrize("kind", ["gif", "apng"])
def test_an_animation_that_was_read_in_part_is_made_as_long_as_it_is(
    ran: Run, made: Made, eyes: Eyes, kind: str
) -> None:
    """libav adds up a GIF's pictures as far as it may read: refused as longer."""
    noise = "testsrc2=size=240x240:rate=25:duration=3,noise=alls=60:allf=t"
    source = made(f"large.{kind}", "-f", "lavfi", "-i", noise, "-f", kind)

    run = ran(source, "hls")

    assert source.stat().st_size > 2 << 20
    assert 3 == pytest.approx(sum(lengths(run_video(run))), abs=0.05)
    assert "damaged" not in " ".join(run.document["warnings"])


@pytest.mark.parametrize(("cluster", "off"), [(900, 0.05), (30_000, 1.5)])
@pytest.mark.parametrize("kind", ["webm", "mkv"])
def test_a_live_recording_of_any_size_has_a_length(
    ran: Run, made: Made, cluster: int, off: float, kind: str
) -> None:
    """
    Browsers write none, and whoever is killed while recording: above 2 MiB neither
    price nor thumbnails were known. By the last cluster or, where it begins too far
    from the end, by the bytes.
    """
    source = made(
        f"live-{cluster}.{kind}", "-f", "lavfi", "-i",
        *("testsrc2=size=240x180:rate=25:d=9", "-f", "lavfi", "-i", "sine=d=9"),
        *("-vf", "noise=alls=60:allf=t", "-c:v", "libvpx", "-b:v", "4M"),
        *("-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"),
        *("-live", "1", "-cluster_time_limit", f"{cluster}"),
        *("-cluster_size_limit", "9M"),
    )  # fmt: skip

    run = ran(source, "hls")

    found = run.document["media"]
    assert source.stat().st_size > 2 << 20
    assert found["duration_seconds"] == pytest.approx(9, abs=off)
    assert found["duration_estimated"]
    cues = Path(run.one("thumbnails")["uri"]).read_text(encoding="utf-8")
    assert "--> 00:00:09" in cues.split("\n\n")[-1]


@pytest.mark.parametrize("kind", ["h264", "mxf"])
def test_pictures_without_times_do_not_wait_for_ever(
    ran: Run, made: Made, eyes: Eyes, kind: str
) -> None:
    """ffmpeg waited until its time was up, and all of that was billed."""
    noise = "testsrc2=size=352x288:rate=30000/1001:duration=4,noise=alls=60:allf=t"
    source = made(
        f"high-rate.{kind}", "-f", "lavfi", "-i", noise, "-c:v", "libx264",
        *("-b:v", "12M", "-pix_fmt", "yuv420p", "-f", kind),
    )  # fmt: skip

    times = eyes.times(ran(source, "mp4").path)

    assert source.stat().st_size > 2 << 20
    assert len(times) == 120


def test_sound_may_end_before_the_picture_of_a_stream(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """ffmpeg waited until its time was up where any picture might have stood still."""
    source = made(
        "early-end.ts", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=50:duration=9",
        *("-f", "lavfi", "-i", "sine=d=6", "-vf", "noise=alls=40:allf=t", *QUICK),
        *("-b:v", "8M", "-c:a", "aac", "-ac", "2"),
    )  # fmt: skip

    times = eyes.times(ran(source, "mp4").path)

    assert source.stat().st_size > 2 << 20
    assert times[-1] == pytest.approx(9, abs=0.05)


def test_the_picture_may_end_before_the_sound_of_a_stream_of_unknown_lengths(
    ran: Run, made: Made
) -> None:
    """Thumbnails go on until it ends, not until the sound does."""
    source = made(
        "early-picture.webm", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:d=6",
        *("-f", "lavfi", "-i", "sine=d=9", "-vf", "noise=alls=60:allf=t"),
        *("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "6M"),
        *("-c:a", "libopus", "-live", "1"),
    )  # fmt: skip

    run = ran(source, "hls")

    cues = Path(run.one("thumbnails")["uri"]).read_text(encoding="utf-8")
    assert source.stat().st_size > 2 << 20
    assert "--> 00:00:06.0" in cues.split("\n\n")[-1]


def test_sound_of_an_unknown_length_may_end_before_a_clip_does(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """It was expected to last as long, and all was refused."""
    source = made(
        "early-sound.webm", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:d=7",
        *("-f", "lavfi", "-i", "sine=d=5", "-vf", "noise=alls=60:allf=t"),
        *("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "6M"),
        *("-c:a", "libopus", "-live", "1"),
    )  # fmt: skip

    times = eyes.times(ran(source, "mp4", "--end", "6.2").path)

    assert source.stat().st_size > 2 << 20
    assert times[-1] == pytest.approx(6.16, abs=0.01)


@pytest.mark.parametrize(
    ("header", "codec"),
    [
        ("told", ("libx264", "-preset", "ultrafast", "-bf", "2")),
        ("untold", ("libx264", "-preset", "ultrafast", "-bf", "2")),
        ("untold", ("libx265", "-preset", "ultrafast", "-x265-params", "bframes=2")),
        ("untold", ("libsvtav1", "-preset", "12")),
    ],
    ids=lambda it: str(it[0]) if isinstance(it, tuple) else it,
)
def test_picture_and_sound_of_flv_end_where_their_last_tags_are(
    ran: Run, made: Made, header: str, codec: tuple[str, ...]
) -> None:
    """
    Its header says when the last of both ends; without one, a last tag did that says
    the picture's end: what was made was refused as longer.
    """
    flags = () if header == "told" else ("-flvflags", "no_duration_filesize")
    source = made(
        f"ends-{codec[0]}-{header}.flv",
        *("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:d=4", "-f", "lavfi"),
        *("-i", "sine=r=44100:d=7", "-vf", "noise=alls=60:allf=t", "-c:v", *codec),
        *("-pix_fmt", "yuv420p", "-b:v", "6M", "-c:a", "aac", "-ac", "2", *flags),
    )  # fmt: skip

    run = ran(source, "hls")

    media = run.document["media"]
    assert source.stat().st_size > 2 << 20
    assert 4 == pytest.approx(media["video"][0]["duration_seconds"], abs=0.01)
    assert 7 == pytest.approx(media["audio"][0]["duration_seconds"], abs=0.05)
    assert 7 == pytest.approx(sum(lengths(run_video(run))), abs=0.05)


@pytest.mark.parametrize(
    ("name", "rate", "codecs"),
    [
        ("apart.asf", 25, ("-c:v", "wmv2", "-c:a", "wmav2")),
        (
            "apart.nut",
            25,
            ("-c:v", "mpeg4", "-c:a", "mp2", "-output_ts_offset", "7"),
        ),
        ("apart.flv", 120, ("-c:v", "flv1", "-c:a", "libmp3lame", "-ar", "44100")),
    ],
)
def test_what_a_header_says_of_all_streams_is_no_single_one_s(
    ran: Run, made: Made, name: str, rate: int, codecs: tuple[str, ...]
) -> None:
    """Which ends when was not known, and a whole one was called cut off."""
    heard = 6 if name.endswith("flv") else 3
    source = made(
        name, "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={rate}:duration=4",
        *("-f", "lavfi", "-i", f"sine=d={heard}", "-vf", "noise=alls=60:allf=t"),
        *(*codecs, "-b:v", "8M", "-ac", "2"),
    )  # fmt: skip

    run = ran(source, "hls")

    assert source.stat().st_size > 2 << 20
    assert max(4, heard) == pytest.approx(sum(lengths(run_video(run))), abs=0.1)


def test_fragments_of_pictures_that_come_before_they_are_decoded(
    ran: Run, made: Made
) -> None:
    """By libav they begin later; where the last one is held no keyframe was one."""
    source = made(
        "smooth.ismv", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=60:duration=7",
        *("-f", "lavfi", "-i", "sine=d=11", *QUICK, "-bf", "2", "-c:a", "aac"),
    )  # fmt: skip

    run = ran(source, "hls")

    assert [4, 4, 3] == [round(it) for it in lengths(run_video(run))]


def test_thumbnails_go_on_where_a_length_was_a_guess(ran: Run, made: Made) -> None:
    """Those of 8 s, guessed by its first bytes, were refused beside 24 s of picture."""
    source = made(
        "guess.h264", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=24",
        *("-vf", "noise=alls=80:allf=t:enable='lt(t,3)'", *QUICK, "-crf", "18"),
        *("-f", "h264"),
    )  # fmt: skip

    run = ran(source, "hls")

    folder = Path(run.one("thumbnails")["uri"]).parent
    cues = (folder / "thumbnails.vtt").read_text(encoding="utf-8")
    listed = (folder / "thumbnails.m3u8").read_text(encoding="utf-8")
    assert run.document["media"]["duration_seconds"] < 10
    assert 12 == cues.count("-->")
    assert "--> 00:00:24.000" in cues
    assert ["6.000"] * 4 == re.findall(r"#EXTINF:([\d.]+)", listed)


def test_grain_that_an_encoder_drops_is_no_wrong_picture(ran: Run, made: Made) -> None:
    """With it 11 % of a dull picture's contrast went, and it was refused."""
    source = made(
        "grain.mp4", "-f", "lavfi", "-i", "testsrc2=size=128x96:rate=25:duration=4",
        *("-vf", "format=gray,eq=contrast=0.4,noise=c0s=88:c0f=t,format=yuv420p"),
        *(*QUICK, "-crf", "10"),
    )  # fmt: skip

    assert ran(source).one("rendition")


def test_pictures_above_the_profiles_rate_may_end_before_the_sound(
    ran: Run, made: Made
) -> None:
    """What is held then, at that rate, is counted: 3 pictures were wanted of 62."""
    source = made(
        "fast.mp4", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=240:duration=2",
        *("-f", "lavfi", "-i", "sine=d=3.5", "-vf", "select='gt(mod(n,7),1)'"),
        *("-fps_mode", "vfr", *QUICK, "-bf", "0", "-c:a", "aac", "-ac", "2"),
    )  # fmt: skip

    run = ran(source, "hls")

    [video] = run.document["media"]["video"]
    assert video["variable_frame_rate"]
    assert 3.5 == pytest.approx(sum(lengths(run_video(run))), abs=0.1)


def run_video(run: Any) -> str:
    """The media playlist of its picture."""
    uris = [str(it["uri"]) for it in run.outputs]
    return next(it for it in uris if it.endswith("p/index.m3u8"))
