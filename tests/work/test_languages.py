"""Several soundtracks: each language and purpose is kept, named and the right one."""

from __future__ import annotations

import json
import math
import subprocess
from array import array
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import OutcomeKind
from transcode.work.verify.playlists import read_master_playlist, read_mpd

DESCRIBES = "public.accessibility.describes-video"
ALL = '[[audio]]\ncodec = "aac"\nlanguages = "all"\n'
TRACKS = {
    # Language, flags, title, Hz: each told by its tone. The default is not the first.
    "fra": ("fra", "dub", "Version française", 500),
    "eng": ("eng", "default", None, 700),
    "eng-commentary": ("eng", "comment", "The director, speaking", 900),
    "eng-description": ("eng", "visual_impaired", None, 1100),
    "eng again": ("eng", "0", "The same in stereo", 1300),
}


@pytest.fixture(scope="session")
def film(made: Callable[..., Path]) -> Path:
    """Two seconds, five soundtracks."""
    argv: list[str] = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=2"]
    said: list[str] = ["-map", "0:v"]
    for number, (language, flags, title, hertz) in enumerate(TRACKS.values()):
        tone = f"sine=frequency={hertz}:sample_rate=48000:duration=2"
        argv += ["-f", "lavfi", "-i", tone]
        said += ["-map", f"{number + 1}:a", f"-disposition:a:{number}", flags]
        said += [f"-metadata:s:a:{number}", f"language={language}"]
        if title is not None:
            said += [f"-metadata:s:a:{number}", f"title={title}"]
    coding = ["-c:v", "mpeg4", "-c:a", "flac"]
    return made("film.mkv", *argv, *said, *coding)


def hertz(ffmpeg: str, path: Path, track: int = 0) -> float:
    """The tone of a soundtrack, by counting where it crosses 0."""
    argv = [ffmpeg, "-nostdin", "-v", "error", "-i", str(path), "-map", f"0:a:{track}"]
    argv += ["-ss", "0.5", "-t", "1", "-ac", "1", "-ar", "48000", "-f", "f32le", "-"]
    samples = array("f", subprocess.run(argv, capture_output=True, check=True).stdout)
    signs = [math.copysign(1, it) for it in samples]
    return sum(a != b for a, b in pairwise(signs)) / 2


def test_streaming_offers_every_language_and_purpose(
    through: Any, film: Path, ffmpeg: str, tmp_path: Path
) -> None:
    """
    The default first; a second main track in a language is left out, with a warning.
    """
    produced, staging, task = through(film, f"hls\n{ALL}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    made_of = {it.name: TRACKS[it.name[4:]][3] for it in task.recipe.audio}
    assert list(made_of) == [
        "aac-eng",
        "aac-fra",
        "aac-eng-commentary",
        "aac-eng-description",
    ]
    for name, expected in made_of.items():
        parts = sorted((staging / "audio" / name).glob("*.m4s"))
        whole = tmp_path / f"{name}.mp4"
        header = staging / "audio" / name / "init.mp4"
        whole.write_bytes(b"".join(it.read_bytes() for it in [header, *parts]))
        assert abs(expected - hertz(ffmpeg, whole)) < 5
    master = read_master_playlist((staging / "master.m3u8").read_text())
    wanted = ("LANGUAGE", "NAME", "DEFAULT", "AUTOSELECT", "CHARACTERISTICS")
    assert [
        ("en", "English", "YES", "YES", None),
        ("fr", "Version française", "NO", "YES", None),
        ("en", "The director, speaking", "NO", None, None),
        (*("en", "English (audio description)", "NO", "YES"), DESCRIBES),
    ] == [tuple(it.attributes.get(name) for name in wanted) for it in master.groups]
    mpd = read_mpd((staging / "manifest.mpd").read_text())
    assert [
        ("en", {"main"}, "English"),
        ("fr", {"alternate"}, "Version française"),
        ("en", {"commentary"}, "The director, speaking"),
        ("en", {"description"}, "English (audio description)"),
    ] == [
        (it.attributes.get("lang"), set(it.roles), it.label)
        for it in mpd.representations
        if it.kind == "audio"
    ]
    assert 4 == len({it.group for it in mpd.representations if it.kind == "audio"})


def test_a_file_holds_every_language(
    through: Any, film: Path, ffmpeg: str, ffprobe: str
) -> None:
    """
    As tracks of one file, in the same order, the default flagged as such.
    """
    produced, staging, _ = through(film, f"mp4\n{ALL}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    path = staging / "video.mp4"
    argv = [ffprobe, "-v", "error", "-select_streams", "a", "-show_streams"]
    argv += ["-of", "json", str(path)]
    done = subprocess.run(argv, capture_output=True, check=True)
    streams = json.loads(done.stdout)["streams"]
    assert [("eng", 1), ("fra", 0), ("eng", 0), ("eng", 0)] == [
        (it["tags"]["language"], it["disposition"]["default"]) for it in streams
    ]
    assert [700, 500, 900, 1100] == [
        round(hertz(ffmpeg, path, n), -1) for n in range(len(streams))
    ]
    [made] = [it for it in produced.artifacts if it.path == "video.mp4"]
    assert ["eng", "fra", "eng", "eng"] == [it.language for it in made.soundtracks]
    assert made.audio == made.soundtracks[0]
    assert all(it.loudness is not None for it in made.soundtracks)


def test_sound_alone_is_a_file_for_each(through: Any, film: Path) -> None:
    """
    The default has the plain name, the others say what they are.
    """
    produced, staging, _ = through(film, f"sound\n{ALL}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert [
        "audio-eng-commentary.m4a",
        "audio-eng-description.m4a",
        "audio-fra.m4a",
        "audio.m4a",
    ] == sorted(it.name for it in staging.iterdir())
    said = [it.audio.language for it in produced.artifacts if it.audio]
    assert ["eng", "fra", "eng", "eng"] == said


def test_one_language_is_the_default_one(through: Any, film: Path, ffmpeg: str) -> None:
    """
    Without `languages = "all"` the track flagged as default, not the first.
    """
    produced, staging, _ = through(film, 'mp4\n[[audio]]\ncodec = "aac"\n')

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert 700 == round(hertz(ffmpeg, staging / "video.mp4"), -1)
