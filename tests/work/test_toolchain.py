"""Which tools are found, and what they say that they can do."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from transcode.errors import SettingsError, WorkerLost
from transcode.settings import Settings
from transcode.work import toolchain
from transcode.work.toolchain import (
    capabilities,
    find_ffmpeg,
    find_packager,
    proves,
    yardstick_seconds,
)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program that answers whatever it is asked with `answer.txt` beside it."""
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\ncat '{tmp_path}/answer.txt'\n")
    program.chmod(0o755)
    return program


def test_bundled_tools_are_found(ffmpeg: str) -> None:
    """
    Without settings the wheels' own binaries are used.
    """
    assert Path(ffmpeg).samefile(find_ffmpeg(Settings()))
    packager = find_packager(Settings())
    assert packager is not None
    assert os.access(packager, os.X_OK)


def test_settings_win(script: Path) -> None:
    """
    A configured path is used as it is.
    """
    settings = Settings(ffmpeg=str(script), packager=str(script))

    assert (str(script), str(script)) == (
        find_ffmpeg(settings),
        find_packager(settings),
    )


def test_absent_programs(tmp_path: Path) -> None:
    """
    A configured path that is no program is refused by the variable's name.
    """
    absent = str(tmp_path / "absent")

    with pytest.raises(SettingsError, match="TRANSCODE_FFMPEG"):
        find_ffmpeg(Settings(ffmpeg=absent))
    with pytest.raises(SettingsError, match="TRANSCODE_PACKAGER"):
        find_packager(Settings(packager=absent))


def test_capabilities() -> None:
    """
    What the bundled tools can do is asked of them.
    """
    found = capabilities(Settings())

    assert found.encoders >= {"libx264", "libx265", "libsvtav1", "aac", "libopus"}
    assert found.decoders >= {"h264", "hevc", "vp9", "aac", "png"}
    assert found.packager_version is not None
    assert frozenset() == found.hardware_encoders


@pytest.mark.parametrize("kind", ["encoders", "decoders"])
def test_all_codecs_are_known_by_their_names(ffmpeg: str, kind: str) -> None:
    """As many, and the same, as its own list of this kind has: ` V....D libx264 …`."""
    argv = [ffmpeg, "-hide_banner", f"-{kind}"]
    listed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    _, _, rows = listed.partition(" ------\n")
    names = {row.split()[1] for row in rows.splitlines()}

    assert "h264_cuvid" in names or "libx264" in names
    assert names == getattr(capabilities(Settings()), kind)


def test_hardware_is_proven(ffmpeg: str) -> None:
    """
    An encoder that is listed counts only if it made a picture.
    """
    found = capabilities(Settings(), prove_hardware=True)

    assert proves(ffmpeg, "libx264")
    assert not proves(ffmpeg, "no_such_encoder")
    for encoder in ("h264_nvenc", "hevc_nvenc"):
        believed = encoder in found.hardware_encoders
        assert proves(ffmpeg, encoder) == believed
        assert believed == (encoder not in found.unavailable)


def test_old_ffmpeg_is_refused(script: Path) -> None:
    """
    Decoders with known holes see no upload.
    """
    answer = "ffmpeg version 7.1\nlibavcodec     61. 19.100 / 61. 19.100\n"
    (script.parent / "answer.txt").write_text(answer)

    with pytest.raises(SettingsError, match=r"libavcodec 61\.19\.100; 62\.28\.102"):
        capabilities(Settings(ffmpeg=str(script)))


def test_impostor_is_refused(script: Path) -> None:
    """
    A program that does not answer like an ffmpeg is none.
    """
    (script.parent / "answer.txt").write_text("hello\n")

    with pytest.raises(SettingsError, match="does not answer like an ffmpeg"):
        capabilities(Settings(ffmpeg=str(script)))


def test_broken_program_is_refused(script: Path) -> None:
    """
    One that fails is refused with what it said.
    """
    with pytest.raises(SettingsError, match="ends with status 1"):
        capabilities(Settings(ffmpeg=str(script)))


def test_a_killed_program_is_not_at_fault(tmp_path: Path) -> None:
    """
    Whoever was short of memory may have more of it the next time.
    """
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nkill -9 $$\n", encoding="ascii")
    program.chmod(0o755)

    with pytest.raises(WorkerLost, match="was killed"):
        capabilities(Settings(ffmpeg=str(program)))


@pytest.fixture
def timings(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the small encode takes, one after the other, in place of running it."""
    left: list[float] = []
    monkeypatch.setattr(toolchain, "small_encode_seconds", lambda _ffmpeg: left.pop(0))
    return left


def test_a_small_encode_takes_some_time(ffmpeg: str) -> None:
    """
    CPU time of a real one; a program that cannot do it has no figure.
    """
    seconds = yardstick_seconds(ffmpeg)

    assert seconds is not None
    assert 0.001 < seconds < 10
    assert None is yardstick_seconds("/bin/false")


def test_five_timings_of_a_day_are_enough(tmp_path: Path, timings: list[float]) -> None:
    """
    Their median counts, whichever of them was disturbed; then nothing is timed.
    """
    kept = tmp_path / "new" / "yardstick.json"
    timings += [5.0, 1.0, 9.0, 2.0, 3.0]

    found = [yardstick_seconds("ffmpeg", kept) for _ in range(7)]

    assert [5.0, 3.0, 5.0, 3.5, 3.0, 3.0, 3.0] == found
    assert [] == timings


def test_old_timings_and_those_of_another_ffmpeg_do_not_count(
    tmp_path: Path, timings: list[float]
) -> None:
    """
    Nor does what is no timing at all.
    """
    kept = tmp_path / "yardstick.json"
    yesterday = time.time() - 90_000
    timings += [1.0, 2.0, 3.0]

    kept.write_text(json.dumps({"ffmpeg": [[yesterday, 9.0]] * 5}))
    assert 1.0 == yardstick_seconds("ffmpeg", kept)
    assert 2.0 == yardstick_seconds("other", kept)
    kept.write_text("[]")
    assert 3.0 == yardstick_seconds("ffmpeg", kept)
