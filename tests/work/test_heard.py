"""Whatever sound an upload brings comes out, or it is said why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import OutcomeKind
from transcode.errors import MediaUnsupported

Made = Callable[..., Path]

AAC = '[[audio]]\ncodec = "aac"\n'
CODECS: dict[str, tuple[object, ...]] = {
    "dts.mkv": ("-c:a", "dca", "-strict", "-2"),
    "vorbis.ogg": ("-c:a", "libvorbis"),
    "layer3.mp3": ("-c:a", "libmp3lame"),
    "surround.ac3": ("-c:a", "ac3"),
    "surround.eac3": ("-c:a", "eac3"),
    "lossless.flac": ("-c:a", "flac"),
    "alac.m4a": ("-c:a", "alac"),
    "eight bits.wav": ("-c:a", "pcm_u8"),
    "sixteen bits.mov": ("-c:a", "pcm_s16le"),
    "big endian.aiff": ("-c:a", "pcm_s24be"),
    "float.wav": ("-c:a", "pcm_f32le"),
    "a-law.wav": ("-c:a", "pcm_alaw", "-ar", 8000),
    "mu-law.mov": ("-c:a", "pcm_mulaw", "-ar", 8000),
    "opus.webm": ("-c:a", "libopus"),
    "96 kHz.flac": ("-c:a", "flac", "-ar", 96000),
    "8 kHz.wav": ("-ar", 8000),
    "7 kHz.wav": ("-ar", 7000),
    "layer2.ts": ("-c:a", "mp2"),
}
"""As most files are found; what the encoder makes of one channel."""


def tone(seconds: float, *, layout: str = "mono", rate: int = 48000) -> list[object]:
    """Arguments for a tone, equally loud in each channel."""
    wave = f"sine=frequency=440:sample_rate={rate}:duration={seconds}"
    count = 6 if layout == "5.1" else 1
    panned = f"pan={layout}|" + "|".join(f"c{n}=c0" for n in range(count))
    return ["-f", "lavfi", "-i", f"{wave},{panned}"]


def picture(seconds: float) -> list[object]:
    return ["-f", "lavfi", "-i", f"testsrc2=s=160x120:r=25:d={seconds}"]


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def heard(produced: Any) -> Any:
    """The one soundtrack that was made, verified."""
    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert [] == [it for it in produced.checks if not it.passed]
    return next(it for it in produced.artifacts if it.audio is not None)


@pytest.mark.parametrize("name", CODECS)
def test_usual_codecs_are_heard(name: str, through: Any, made: Made) -> None:
    """
    As loud as they were, for as long as they were.
    """
    clip = made(name, *tone(1), *CODECS[name])

    produced, _, _ = through(clip, f"sound\n{AAC}[audio.loudness]\n{LEVEL}")

    sound = heard(produced)
    assert pytest.approx(1, abs=0.08) == sound.duration_seconds
    assert pytest.approx(-21, abs=1) == sound.audio.loudness.integrated_lufs


LEVEL = "integrated_lufs = -21.0\n"
"""Asked for, so that nothing is copied; what is made is listened to."""


@pytest.mark.parametrize(
    "name",
    [
        "formats/fixture2.3gp",
        "formats/fixture-mjpeg.mov",
        "formats/fixture-realmedia-video.rm",
        "edge/sample_shorter_audio.mp4",
    ],
)
def test_real_sound_is_heard(name: str, through: Any, media_dir: Path) -> None:
    """
    AMR of a phone, eight bits, RealMedia, sound that ends before the picture.
    """
    produced, _, _ = through(media_dir / name, f"mp4\n{AAC}")

    heard(produced)


@pytest.mark.parametrize(("shown", "sounding"), [(2, 1), (1, 2)])
def test_sound_may_end_before_or_after_the_picture(
    shown: float, sounding: float, through: Any, made: Made
) -> None:
    """
    Neither is cut to the other.
    """
    argv = [*picture(shown), *tone(sounding), *H264, "-c:a", "aac"]
    clip = made(f"{shown}-{sounding}.mp4", *argv)

    produced, _, _ = through(clip, f"mp4\n{AAC}")

    assert pytest.approx(2, abs=0.08) == heard(produced).duration_seconds


def test_sound_that_changes_in_mid_stream_is_refused(
    through: Any, made: Made, tmp_path: Path
) -> None:
    """
    A broadcast goes from stereo to 5.1 and on to 44.1 kHz: refused by that name,
    since filters that begin anew lose sound, and what follows would come late.
    """
    kinds: list[dict[str, Any]] = [
        {"layout": "stereo"},
        {"layout": "5.1"},
        {"rate": 44100},
    ]
    pieces = [
        made(f"{n}.ts", *picture(1), *tone(1, **kind), *H264, "-c:a", "ac3",
             "-muxdelay", 0, "-output_ts_offset", n)
        for n, kind in enumerate(kinds)
    ]  # fmt: skip
    clip = tmp_path / "joined.ts"
    clip.write_bytes(b"".join(path.read_bytes() for path in pieces))

    produced, _, _ = through(clip, f"mp4\n{AAC}")

    assert OutcomeKind.REJECTED is produced.outcome
    assert produced.failure is not None
    assert "MediaUnsupported" == produced.failure.type
    assert "in mid-stream" in produced.failure.message


@pytest.mark.parametrize("level", ["", "loudness = { integrated_lufs = -16.0 }"])
def test_sound_alone_that_changes_is_refused(
    level: str, through: Any, made: Made, tmp_path: Path
) -> None:
    """
    Two pieces of MP3, of two rates: by the same name, heard for its level or not.
    """
    pieces = [made(f"{rate}.mp3", *tone(1, rate=rate)) for rate in (48000, 44100)]
    clip = tmp_path / "joined.mp3"
    clip.write_bytes(b"".join(path.read_bytes() for path in pieces))

    produced, _, _ = through(clip, f'sound\n[[audio]]\ncodec = "opus"\n{level}')

    assert produced.failure is not None
    assert "MediaUnsupported" == produced.failure.type
    assert "in mid-stream" in produced.failure.message


def test_a_picture_without_sound_has_none(through: Any, made: Made) -> None:
    """
    Nothing is made up: no silent track.
    """
    produced, _, _ = through(made("mute.mp4", *picture(1), *H264), f"mp4\n{AAC}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert [] == [it for it in produced.artifacts if it.audio is not None]


def test_no_sound_where_only_sound_is_asked_for(through: Any, made: Made) -> None:
    """
    A refusal with a type, before anything is encoded.
    """
    with pytest.raises(MediaUnsupported, match="no sound"):
        through(made("mute.mp4", *picture(1), *H264), f"sound\n{AAC}")
