"""Recordings joined byte by byte, bytes that nothing plays, sizes left open."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.contract import Media
from transcode.errors import MediaTruncated, MediaUnsupported

Look = Callable[..., Media]

PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10:duration=1")
SOUND = ("-f", "lavfi", "-i", "sine=d=1:r=44100")
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")
FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4")
KINDS = {
    "plain.mp4": (*PICTURE, *SOUND, *H264),
    "fragments.mp4": (*PICTURE, *SOUND, *H264, *FRAGMENTS),
    "sized.mkv": (*PICTURE, *SOUND, *H264),
    "live.webm": (*PICTURE, *SOUND, "-c:v", "libvpx", "-live", "1"),
    "riff.avi": (*PICTURE, *SOUND, "-c:v", "mpeg4"),
    "tags.flv": (*PICTURE, *SOUND, "-c:v", "flv"),
    "windows.wma": SOUND,
    "wave.wav": SOUND,
    "iff.aiff": SOUND,
    "sun.au": SOUND,
    "free.flac": SOUND,
    "core.caf": SOUND,
    "blocks.wv": SOUND,
    "true.tta": SOUND,
    "frames.ivf": (*PICTURE, "-c:v", "libvpx"),
    "chain.ogv": (*PICTURE, *SOUND, "-c:v", "libtheora", "-c:a", "libvorbis"),
    "material.mxf": (*PICTURE, "-r", "25", "-c:v", "mpeg2video"),
    "again.apng": (*PICTURE, "-plays", "0"),
}
MAY_BE_JOINED = {
    "stream.ts": (*PICTURE, *SOUND, *H264),
    "frames.mp3": SOUND,
    "chain.opus": SOUND,
    "frames.aac": SOUND,
}


@pytest.fixture(scope="session")
def recorded(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of each kind."""
    folder = tmp_path_factory.mktemp("recorded")
    for name, how in (KINDS | MAY_BE_JOINED).items():
        argv = [ffmpeg, "-v", "error", *how, str(folder / name)]
        subprocess.run(argv, check=True)
    return folder


def written(tmp_path: Path, name: str, *parts: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("name", KINDS)
def test_two_recordings_in_one_file_are_named(
    name: str, recorded: Path, look: Look, tmp_path: Path
) -> None:
    """
    Players would show the first alone: refused, with the place where to split it.
    """
    one = (recorded / name).read_bytes()

    with pytest.raises(MediaUnsupported, match=f"joined.* byte {len(one)} of"):
        look(written(tmp_path, name, one, one))


@pytest.mark.parametrize("other", ["plain.mp4", "sized.mkv"])
def test_the_second_may_be_of_another_kind(
    other: str, recorded: Path, look: Look, tmp_path: Path
) -> None:
    """
    Also behind fragments, which a header may follow where a stream repeats it.
    """
    one = (recorded / "fragments.mp4").read_bytes()
    two = (recorded / other).read_bytes()

    with pytest.raises(MediaUnsupported, match="joined"):
        look(written(tmp_path, "two.mp4", one, two))


def test_a_stream_may_repeat_its_header(
    recorded: Path, look: Look, tmp_path: Path
) -> None:
    """
    Initialisation and fragments, again and again, whose times go on.
    """
    data = (recorded / "fragments.mp4").read_bytes()
    first = data.index(b"moof") - 4
    init, rest = data[:first], data[first:]

    seen = look(written(tmp_path, "again.mp4", init, init, rest))

    once = look(recorded / "fragments.mp4")
    assert once.duration_seconds == seen.duration_seconds


@pytest.mark.parametrize(
    "options",
    [("-ar", "22050"), ("-ac", "2"), ("-c:a", "flac"), ("-c:a", "libopus")],
    ids=["another rate", "stereo", "FLAC", "Opus"],
)
def test_a_chain_of_other_sound_is_named(
    options: tuple[str, ...], ffmpeg: str, look: Look, tmp_path: Path
) -> None:
    """
    What begins as Vorbis in mono is read as that: the rest would be lost.
    """
    parts = []
    for name, how in (("one.ogg", ()), ("two.ogg", options)):
        argv = [ffmpeg, "-v", "error", *SOUND, "-c:a", "libvorbis", *how]
        subprocess.run([*argv, str(tmp_path / name)], check=True)
        parts.append((tmp_path / name).read_bytes())

    with pytest.raises(MediaUnsupported, match=f"joined.* byte {len(parts[0])} of"):
        look(written(tmp_path, "both.ogg", *parts))


@pytest.mark.parametrize("name", MAY_BE_JOINED)
def test_bare_streams_may_be_joined(
    name: str, recorded: Path, look: Look, tmp_path: Path
) -> None:
    """
    What has no beginning and no end of its own lasts as long as both.
    """
    one = (recorded / name).read_bytes()

    seen = look(written(tmp_path, name, one, one))

    assert seen.duration_seconds == pytest.approx(2, abs=0.12)


@pytest.mark.parametrize("name", ["plain.mp4", "sized.mkv", "riff.avi", "wave.wav"])
def test_bytes_that_nothing_plays_are_told(
    name: str, recorded: Path, look: Look, tmp_path: Path
) -> None:
    """
    How many, which share, and from where on; nothing is said of a whole file.
    """
    one = (recorded / name).read_bytes()

    whole = look(recorded / name)
    seen = look(written(tmp_path, name, one, b"\x93\xf1\x07\xee" * 2500))

    assert () == whole.warnings
    assert [True] == [
        it.startswith("10000 of its bytes") and f"byte {len(one)} on" in it
        for it in seen.warnings
    ]


@pytest.mark.parametrize(
    "size",
    [0, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 36],
    ids=hex,
)
def test_a_size_that_was_left_open_is_no_promise(
    size: int, recorded: Path, look: Look, tmp_path: Path
) -> None:
    """
    WAV as it is streamed: as long as its samples are, and not cut off.
    """
    data = bytearray((recorded / "wave.wav").read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", size)
    data[4:8] = struct.pack("<I", min(size + 36, 0xFFFFFFFF))

    seen = look(written(tmp_path, "streamed.wav", bytes(data)))

    assert seen.duration_seconds == pytest.approx(1, abs=1e-3)
    assert () == seen.warnings


def test_a_size_that_was_meant_is_one(
    recorded: Path, look: Look, tmp_path: Path
) -> None:
    """
    A thousand bytes too few are a thousand bytes too few.
    """
    whole = (recorded / "wave.wav").read_bytes()

    with pytest.raises(MediaTruncated, match="1000 bytes past"):
        look(written(tmp_path, "cut.wav", whole[:-1000]))
