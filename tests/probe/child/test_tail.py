"""Files of every container, cut where chance wants it: each is found out."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.contract import Media
from transcode.errors import MediaError, MediaTruncated
from transcode.probe.child.reader import CountingReader, Opened
from transcode.probe.child.tail import cut_off

Look = Callable[..., Media]

CORPUS = {
    "edge/sample_h264_iframes_only.ts": "mpegts",
    "edge/te[s]t_ video ' _ .flv": "flv",
    "edge/weird_aspect.small.mpg": "mpeg",
    "formats/alpha-webm.webm": "matroska",
    "formats/av1_video.mkv": "matroska",
    "formats/fixture.apng": "apng",
    "formats/fixture.mxf": "mxf",
    "formats/fixture-raw.mts": "mpegts",
    "formats/fixture-realmedia-video.rm": "rm",
    "formats/fixture.swf": "swf",
    "formats/myvideo.avi": "avi",
    "formats/trailer.ogv": "ogg",
    "edge/jupyter-demo.gif": "gif",
    "malformed/testASF.asf": "asf",
}
"""Whole files with their demuxers."""
SOUND = {
    "wav": ("wav", ()),
    "mp3": ("mp3", ()),
    "xingless.mp3": ("mp3", ("-write_xing", "0")),
    "aac": ("aac", ()),
    "ac3": ("ac3", ()),
    "eac3": ("eac3", ()),
    "aiff": ("aiff", ()),
    "oga": ("ogg", ("-c:a", "libopus")),
    "44.ac3": ("ac3", ("-ar", "44100")),
    "au": ("au", ()),
    "amr": ("amr", ("-ar", "8000", "-ac", "1", "-b:a", "12200")),
    "caf": ("caf", ()),
    "flac": ("flac", ()),
    "tta": ("tta", ()),
    "w64": ("w64", ()),
    "wv": ("wv", ()),
}
CUTS = 25


def ends(data: bytes, demuxer: str) -> str | None:
    opened = Opened(len(data), lambda at, count: data[at : at + count], 4096)
    return cut_off(CountingReader(opened, budget=2 << 20), demuxer)


def cuts(data: bytes, seed: str) -> list[bytes]:
    chance = random.Random(seed)  # noqa: S311  places to cut, no secret
    lengths = [chance.randrange(len(data) // 20, len(data)) for _ in range(CUTS)]
    return [data[:length] for length in lengths]


@pytest.mark.parametrize(("name", "demuxer"), CORPUS.items())
def test_a_cut_is_seen_at_the_end(name: str, demuxer: str, media_dir: Path) -> None:
    """Nothing is wrong with the whole; with each of 25 cuts something is."""
    whole = (media_dir / name).read_bytes()

    assert ends(whole, demuxer) is None
    assert [] == [len(c) for c in cuts(whole, name) if ends(c, demuxer) is None]


@pytest.mark.parametrize(("kind", "how"), SOUND.items())
def test_cut_sound_is_seen_at_the_end(
    kind: str, how: tuple[str, tuple[str, ...]], tmp_path: Path, ffmpeg: str
) -> None:
    """Bare sound has no index, but its last frame has a size."""
    demuxer, options = how
    made = tmp_path / f"tone.{kind}"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=d=3:r=48000", *options]
    subprocess.run([*argv, str(made)], check=True)
    whole = made.read_bytes()

    assert ends(whole, demuxer) is None
    assert [] == [len(c) for c in cuts(whole, kind) if ends(c, demuxer) is None]


PICTURES = ("-f", "lavfi", "-i", "testsrc=s=64x64:d=3:r=25")
STREAMED = {
    "flac": ((), "flac", "flac"),
    "avi": ((*PICTURES, "-c:v", "mpeg4", "-c:a", "mp3"), "avi", "avi"),
    "asf": ((*PICTURES, "-c:v", "wmv2", "-c:a", "wmav2"), "asf", "asf"),
}


@pytest.mark.parametrize(("kind", "how"), STREAMED.items())
def test_a_cut_is_seen_where_the_header_was_left_open(
    kind: str, how: tuple[tuple[str, ...], str, str], ffmpeg: str
) -> None:
    """Written to a pipe: no header says how long it is, but its last units do."""
    options, muxer, demuxer = how
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=d=3:r=48000", *options]
    made = subprocess.run([*argv, "-f", muxer, "-"], check=True, stdout=subprocess.PIPE)
    whole = made.stdout

    assert ends(whole, demuxer) is None
    assert [] == [len(c) for c in cuts(whole, kind) if ends(c, demuxer) is None]


@pytest.mark.parametrize("timescale", [25, 90_000])
def test_frames_missing_from_ivf_are_counted(
    timescale: int, tmp_path: Path, ffmpeg: str
) -> None:
    """Cut right between two frames, whether the header counts those or ticks."""
    made = tmp_path / "frames.ivf"
    argv = [ffmpeg, "-v", "error", *PICTURES, "-c:v", "libvpx", "-fps_mode"]
    argv += ["passthrough", "-enc_time_base", f"1:{timescale}"]
    subprocess.run([*argv, str(made)], check=True, timeout=60)
    whole = made.read_bytes()
    at = 32
    for _ in range(40):
        at += 12 + int.from_bytes(whole[at : at + 4], "little")

    assert ends(whole, "ivf") is None
    assert "its header promises" in (ends(whole[:at], "ivf") or "")


def test_flac_followed_by_a_tag_is_whole(tmp_path: Path, ffmpeg: str) -> None:
    """Old taggers hang ID3v1 on whatever they are given, streamed or not."""
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=d=3:r=48000", "-f"]
    streamed = subprocess.run(
        [*argv, "flac", "-"], check=True, stdout=subprocess.PIPE
    ).stdout
    subprocess.run([*argv, "flac", str(tmp_path / "tone.flac")], check=True)
    for whole in (streamed, (tmp_path / "tone.flac").read_bytes()):
        assert ends(whole + b"TAG".ljust(128, b"\0"), "flac") is None


def test_the_end_of_a_short_picture_is_not_the_end_of_flv(
    tmp_path: Path, ffmpeg: str
) -> None:
    """It is marked behind all the sound that came after it, at its own time."""
    made = tmp_path / "short.flv"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x64:d=1"]
    argv += ["-f", "lavfi", "-i", "sine=d=4:r=44100", "-c:v", "libx264", "-c:a", "aac"]
    subprocess.run([*argv, str(made)], check=True)
    whole = made.read_bytes()

    assert ends(whole, "flv") is None
    assert [] == [len(c) for c in cuts(whole, "flv") if ends(c, "flv") is None]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("first.mp4", ("-movflags", "+faststart")),
        ("last.mov", ()),
        ("fragments.mp4", ("-movflags", "+frag_keyframe+empty_moov", "-g", "10")),
        ("live.webm", ("-c:v", "libvpx", "-c:a", "libopus", "-live", "1")),
        ("live.mkv", ("-live", "1")),
    ],
)
def test_a_cut_upload_is_refused(  # noqa: PLR0917  one fixture each
    kind: str,
    options: tuple[str, ...],
    tmp_path: Path,
    look: Look,
    ffmpeg: str,
    make_clip: Callable[..., Path],
) -> None:
    """By the probe as it runs, wherever it is cut; the whole one is not."""
    made = tmp_path / kind
    argv = [ffmpeg, "-v", "error", "-i", str(make_clip("cut.mp4", 2)), *options]
    subprocess.run([*argv, str(made)], check=True)
    assert look(made).truncated is None
    for number, part in enumerate(cuts(made.read_bytes(), kind)[:6]):
        cut = tmp_path / f"{number}.{kind}"
        cut.write_bytes(part)
        with pytest.raises(MediaError):
            look(cut)


def test_what_is_left_is_described_where_that_is_accepted(
    tmp_path: Path, look: Look, make_clip: Callable[..., Path]
) -> None:
    """Half an MP4: what its index promises, and that it is no promise."""
    whole = make_clip("half.mp4", 4, extra=("-movflags", "+faststart"))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    with pytest.raises(MediaTruncated, match="--accept-partial"):
        look(cut)
    media = look(cut, accept_partial=True)

    assert media.truncated is not None
    assert media.truncated.promised_seconds == pytest.approx(4, abs=0.1)
    assert media.duration_estimated


@pytest.mark.parametrize("length", [214_944, 344_902, 188 * 4461 + 1])
def test_a_cut_is_seen_where_more_than_the_head_was_left_to_read(
    length: int, tmp_path: Path, look: Look, media_dir: Path
) -> None:
    """The last block of a file is shorter than the others, and affordable."""
    cut = tmp_path / "cut.ts"
    cut.write_bytes((media_dir / "edge/0.ts").read_bytes()[:length])

    with pytest.raises(MediaTruncated, match=r"of 188 bytes"):
        look(cut)


def test_a_picture_missing_from_bare_h264_leaves_a_hole(
    tmp_path: Path, media_dir: Path, make_clip: Callable[..., Path], ffmpeg: str
) -> None:
    """By the numbers of the pictures: a lost one is told, whole streams are not."""
    lost = (media_dir / "malformed/BA_MW_D_P_LOST.264").read_bytes()
    bare = tmp_path / "whole.264"
    argv = [ffmpeg, "-v", "error", "-i", str(make_clip("bare.mp4", 2)), "-c", "copy"]
    subprocess.run([*argv, "-an", str(bare)], check=True)

    assert ends(bare.read_bytes(), "h264") is None
    said = ends(lost, "h264")
    assert said is not None
    assert said.startswith("1 picture is missing")
