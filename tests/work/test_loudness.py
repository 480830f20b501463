"""Every soundtrack that is encoded says how loud it is, and is as loud as asked."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import AudioFacts, LoudnessFacts, OutcomeKind

Made = Callable[..., Path]

AAC = '[[audio]]\ncodec = "aac"\n'
TARGET = "[audio.loudness]\nintegrated_lufs = -16\n"
FILES = {
    "hls": ("audio/aac/index.m3u8", "audio/aac/init.mp4"),
    "mp4": ("video.mp4", "video.mp4"),
    "sound": ("audio.m4a", "audio.m4a"),
}


def heard(produced: Any, path: str = "audio.m4a") -> AudioFacts:
    """What the artifact of this name says of its sound."""
    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    facts: AudioFacts = next(a.audio for a in produced.artifacts if a.path == path)
    return facts


def measured(ffmpeg: str, path: Path, scratch: Path) -> LoudnessFacts:
    """Another reading of the finished file."""
    if path.name == "init.mp4":
        parts = [path, *sorted(path.parent.glob("*.m4s"))]
        path = scratch / "whole.mp4"
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-nostats", "-i", str(path), "-vn"]
    argv += ["-af", "ebur128=peak=true:framelog=quiet", "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    summary = done.stderr.rpartition("Summary:")[2]
    said = dict(re.findall(r"\b(I|LRA|Peak):\s+(-?[\d.]+)", summary))
    return LoudnessFacts(
        integrated_lufs=float(said["I"]),
        range_lu=float(said["LRA"]),
        true_peak_dbtp=float(said["Peak"]),
    )


@pytest.fixture(scope="session")
def programme(made: Made) -> Path:
    """Eight quiet seconds, the second half quieter still."""
    noise = "anoisesrc=color=pink:amplitude=0.2:duration=8:seed=1:sample_rate=48000"
    picture = "testsrc2=size=160x120:rate=10:duration=8"
    sound = ["-af", "volume=0.4:enable='gte(t,4)'", "-ac", "2", "-c:a", "pcm_s16le"]
    sources = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", noise]
    return made("programme.mkv", *sources, "-c:v", "mpeg4", *sound)


@pytest.mark.parametrize("form", ["hls", "mp4", "sound"])
@pytest.mark.parametrize("target", ["", TARGET], ids=["as it is", "levelled"])
def test_loudness_is_reported(  # noqa: PLR0917
    form: str,
    target: str,
    through: Any,
    programme: Path,
    ffmpeg: str,
    tmp_path: Path,
) -> None:
    """
    In every form, with and without a target, as another tool measures it.
    """
    face, file = FILES[form]

    produced, staging, _ = through(programme, f"{form}\n{AAC}{target}")

    found = heard(produced, face).loudness
    other = measured(ffmpeg, staging / file, tmp_path)
    assert found is not None
    assert abs(other.integrated_lufs - found.integrated_lufs) <= 0.1
    assert abs(other.true_peak_dbtp - found.true_peak_dbtp) <= 0.1
    assert found.range_lu is not None
    assert other.range_lu is not None
    assert abs(other.range_lu - found.range_lu) <= 0.2
    if target:
        assert abs(-16 - found.integrated_lufs) <= 1
        assert ["loudness"] == [c.name for c in produced.checks if "loud" in c.name]
    else:
        assert found.integrated_lufs < -20


@pytest.mark.parametrize(
    ("seconds", "volume", "reason"),
    [(2, 0, "it is silent"), (0.2, 1, "it is shorter than 0.4 s")],
)
def test_what_has_no_loudness_says_why(
    seconds: float, volume: int, reason: str, through: Any, made: Made
) -> None:
    """
    Silence and a blink are None with a reason, and no failure with a target either.
    """
    tone = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
    clip = made(
        f"none-{volume}.wav", "-f", "lavfi", "-i", tone, "-af", f"volume={volume}"
    )

    produced, _, _ = through(clip, f"sound\n{AAC}{TARGET}")

    facts = heard(produced)
    assert (None, reason) == (facts.loudness, facts.unknown["loudness"])


def test_a_copy_is_not_listened_to(through: Any, made: Made) -> None:
    """
    What is copied sounds as it did: None, with the reason.
    """
    tone = "sine=frequency=440:sample_rate=48000:duration=2"
    clip = made("tone.m4a", "-f", "lavfi", "-i", tone, "-c:a", "aac", "-b:a", "64k")

    produced, _, _ = through(clip, f"sound\n{AAC}")

    facts = heard(produced)
    assert "it is copied, and not listened to" == facts.unknown["loudness"]
    assert facts.loudness is None


def test_a_track_that_peaks_leave_no_room_for_is_a_note(
    through: Any, made: Made
) -> None:
    """
    Clicks over near silence cannot be made loud below a ceiling: said, not refused.
    """
    clicks = "aevalsrc='0.9*lt(mod(t,2),0.0005)+0.002*sin(2764*t)':d=8:s=48000"
    clip = made("clicks.wav", "-f", "lavfi", "-i", clicks)
    loud = TARGET.replace("-16", "-6")

    produced, _, _ = through(clip, f"sound\n{AAC}{loud}")

    found = heard(produced).loudness
    assert found is not None
    assert found.integrated_lufs < -7
    assert [True] == ["no room for more" in note for note in produced.notes]


@pytest.mark.parametrize(
    "source",
    [
        "aevalsrc='sin(2764*t)*(0.003+0.3*lt(mod(t,0.7),0.2))':d=0.5:s=48000",
        "anoisesrc=color=pink:amplitude=0.3:duration=1.2:seed=1",
        "aevalsrc='0.9*random(0)':d=2.9:s=48000",
        "aevalsrc='sin(900*t)*(0.001+0.5*lt(mod(t,2),0.1))':d=6.3:s=48000",
    ],
    ids=["beep", "pink noise", "white noise", "rare beeps"],
)
def test_short_and_uneven_clips_come_out_as_loud_as_asked(
    source: str, through: Any, made: Made, ffmpeg: str, tmp_path: Path
) -> None:
    """
    In both codecs, as another tool measures it: at most 1 LU off, and no peak above
    the ceiling but by what a codec adds.
    """
    clip = made(f"uneven-{len(source)}.wav", "-f", "lavfi", "-i", source)
    opus = AAC.replace("aac", "opus")

    produced, staging, _ = through(clip, f"sound\n{AAC}{TARGET}{opus}{TARGET}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert () == produced.notes
    for name in ("audio.m4a", "audio.ogg"):
        found = measured(ffmpeg, staging / name, tmp_path)
        assert abs(-16 - found.integrated_lufs) <= 1
        assert found.true_peak_dbtp <= -0.5


def test_what_comes_last_is_weighed_too(through: Any, made: Made) -> None:
    """
    Louder at the end than before, and as loud as asked on the whole.
    """
    swell = "(0.03+0.02*sin(t)+0.1*gte(t,5.2))*sin(2764*t)"
    clip = made("swell.wav", "-f", "lavfi", "-i", f"aevalsrc='{swell}':d=8:s=48000")
    soft = TARGET.replace("-16", "-30")

    produced, _, _ = through(clip, f"sound\n{AAC}{soft}")

    found = heard(produced).loudness
    assert found is not None
    assert abs(-30 - found.integrated_lufs) <= 0.5


def test_levelling_leaves_no_hole_at_the_end(through: Any, made: Made) -> None:
    """
    Sound whose peaks are limited, and whose last frame is shorter than the others.
    """
    clicks = "aevalsrc='0.003*sin(2764*t)*(1+lt(mod(t,2),0.01)*20)':d=7.43:s=44100"
    clip = made("held.wav", "-f", "lavfi", "-i", clicks, "-ac", "2")

    produced, _, _ = through(clip, f"sound\n{AAC}{TARGET}")

    assert [] == [check for check in produced.checks if not check.passed]
    assert heard(produced).loudness is not None
