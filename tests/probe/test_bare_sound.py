"""Sound without an index that is too large to be read whole."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.contract import Media
from transcode.errors import MediaRejected, MediaUnsupported

Look = Callable[..., Media]

SECONDS = 80
LOUD_AND_QUIET = (
    f"anoisesrc=d={SECONDS}:r=44100:seed=1[a];anoisesrc=d={SECONDS}:r=44100:seed=2[b];"
    "[a][b]amerge,volume='if(lt(mod(t,40),20),0.0003,0.3)':eval=frame"
)


@pytest.fixture
def sound(ffmpeg: str, tmp_path: Path) -> Callable[..., Path]:
    """Quiet first, where an encoder at a variable rate needs little."""

    def make(name: str, *options: str) -> Path:
        argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", LOUD_AND_QUIET]
        subprocess.run([*argv, *options, tmp_path / name], check=True)
        assert (tmp_path / name).stat().st_size > 2 << 20
        return tmp_path / name

    return make


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vbr.mp3", ("-q:a", "0", "-write_xing", "0", "-id3v2_version", "0")),
        ("tagged.mp3", ("-q:a", "0", "-write_xing", "0", "-metadata", "title=tagged")),
        ("vbr.aac", ("-b:a", "320k")),
    ],
)
def test_of_a_variable_rate_the_length_is_estimated_by_several_places(
    look: Look, sound: Callable[..., Path], name: str, options: tuple[str, ...]
) -> None:
    """By the first frames alone it was 10 % off or more, and held for a promise."""
    media = look(sound(name, *options))

    assert media.duration_estimated
    assert SECONDS == pytest.approx(media.duration_seconds, rel=0.1)
    assert "its duration is estimated" in " ".join(media.warnings)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("counted.mp3", ("-q:a", "0")),
        ("constant.mp3", ("-b:a", "320k", "-write_xing", "0")),
        ("constant.ac3", ("-b:a", "320k")),
    ],
)
def test_what_is_counted_or_constant_is_exact(
    look: Look, sound: Callable[..., Path], name: str, options: tuple[str, ...]
) -> None:
    media = look(sound(name, *options))

    assert not media.duration_estimated
    assert SECONDS == pytest.approx(media.duration_seconds, abs=0.1)


def test_a_header_that_counts_half_of_the_frames_is_not_believed(
    look: Look, sound: Callable[..., Path]
) -> None:
    """Two MP3s joined byte by byte: the first one's header knows of itself alone."""
    path = sound("half.mp3", "-q:a", "0")
    path.write_bytes(2 * path.read_bytes())

    media = look(path)

    assert media.duration_estimated
    assert 2 * SECONDS == pytest.approx(media.duration_seconds, rel=0.1)


@pytest.mark.parametrize("times", [1, 3])
def test_recordings_in_ogg_that_were_joined_last_as_long_as_all_of_them(
    look: Look, sound: Callable[..., Path], times: int
) -> None:
    """The last page tells of the last one alone."""
    path = sound("chain.ogg", "-c:a", "libvorbis", "-q:a", "10")
    path.write_bytes(times * path.read_bytes())

    media = look(path)

    assert media.duration_estimated == (times > 1)
    assert times * SECONDS == pytest.approx(media.duration_seconds, rel=0.1)


def test_silence_between_words_is_heard_in_amr(look: Look, tmp_path: Path) -> None:
    """Frames of 12.2 kbit/s, and of silence (RFC 4867), which take a fifth of them."""
    spoken, silent = b"\x3c" + bytes(31), b"\x44" + bytes(5)
    a_minute = 2000 * spoken + 1000 * silent
    path = tmp_path / "call.amr"
    path.write_bytes(b"#!AMR\n" + 40 * a_minute)

    media = look(path)

    assert media.duration_estimated
    assert 40 * 60 == pytest.approx(media.duration_seconds, rel=0.15)


def test_a_format_that_is_not_read_here_is_named(look: Look, tmp_path: Path) -> None:
    """Instead of "it cannot be read as media", which sounds as if it were broken."""
    path = tmp_path / "upload"
    path.write_bytes(b"MAC \x96\x0f\0\0" + bytes(4000))

    with pytest.raises(
        MediaUnsupported, match=r"like Monkey's Audio \(ape\), which is"
    ):
        look(path)


def test_subtitles_alone_are_named(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n")

    with pytest.raises(MediaRejected, match=r"SubRip subtitle \(srt\), not like"):
        look(path)
