"""Bad input: the right exit code, one clear paragraph, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import Manifest

MakeClip = Callable[..., Path]


def _paragraph(text: str) -> str:
    """The message on stderr, which must be one paragraph without a traceback."""
    assert "Traceback" not in text
    lines = [line for line in text.strip().splitlines() if line.strip()]
    assert lines, "nothing was said"
    assert len(lines) <= 6
    return " ".join(lines)


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.mp4", b""), ("text.mp4", b"Dear diary, today I was renamed.\n" * 50)],
)
def test_what_is_no_media_is_rejected(
    transcode: Callable[..., Any], tmp_path: Path, name: str, content: bytes
) -> None:
    """Exit 3, the file named, no destination made."""
    (tmp_path / name).write_bytes(content)

    ended = transcode("run", name)

    assert ended.code == 3
    assert name in _paragraph(ended.err)
    assert not (tmp_path / "transcoded").exists()


def test_a_truncated_file_is_rejected(
    transcode: Callable[..., Any], tmp_path: Path, make_clip: MakeClip
) -> None:
    """An MP4 cut in the middle is the upload's fault, and retrying is no use."""
    whole = make_clip("whole.mp4", 4, extra=("-movflags", "+faststart")).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])

    ended = transcode("run", "cut.mp4", "--json", "--quiet")

    assert ended.code == 3
    # The manifest's own shape, though there never was a plan.
    failure = Manifest.from_json(ended.out)
    assert ("rejected", (), ()) == (failure.status, failure.outputs, failure.tasks)
    assert failure.source.uri.endswith("cut.mp4")
    assert failure.error is not None
    assert failure.error.retryable is False
    assert not (tmp_path / "transcoded").exists()


def test_audio_only_makes_audio_renditions(
    transcode: Callable[..., Any], tmp_path: Path, ffmpeg: str
) -> None:
    """A song under the `hls` profile is no error."""
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=d=3", "-c:a", "aac"]
    subprocess.run([*argv, str(tmp_path / "song.m4a")], check=True)

    ended = transcode("run", "song.m4a", "--json", "--quiet")

    assert ended.code == 0, ended.err
    kinds = {output["kind"] for output in ended.document["outputs"]}
    assert "audio" in kinds
    assert "rendition" not in kinds


def test_a_missing_source_is_a_usage_error(transcode: Callable[..., Any]) -> None:
    """Exit 2, the path named."""
    ended = transcode("run", "nowhere.mp4")

    assert ended.code == 2
    assert "nowhere.mp4" in _paragraph(ended.err)


def test_an_unknown_profile_is_a_usage_error(
    transcode: Callable[..., Any], make_clip: MakeClip
) -> None:
    """Exit 2, with the profiles there are."""
    ended = transcode("run", make_clip("tiny.mp4", 1), "--profile", "hsl")

    assert ended.code == 2
    assert "hls" in _paragraph(ended.err)


def test_a_broken_profile_names_its_line(
    transcode: Callable[..., Any], tmp_path: Path, make_clip: MakeClip
) -> None:
    """Exit 2, file and place named."""
    (tmp_path / "mine.toml").write_text('name = "mine"\n[video\n')

    ended = transcode("run", make_clip("tiny.mp4", 1), "--profile", "mine.toml")

    assert ended.code == 2
    said = _paragraph(ended.err)
    assert "mine.toml" in said
    assert "line 2" in said


def test_a_destination_that_cannot_be_written_is_a_usage_error(
    transcode: Callable[..., Any], tmp_path: Path, make_clip: MakeClip
) -> None:
    """Exit 2 before anything is encoded: here a file stands in the way."""
    (tmp_path / "taken").write_text("a file")

    ended = transcode("run", make_clip("tiny.mp4", 1), "--to", "taken")

    assert ended.code == 2
    assert "taken" in _paragraph(ended.err)


def test_memory_off_the_lattice_is_a_usage_error(
    transcode: Callable[..., Any], make_clip: MakeClip
) -> None:
    """Refused, never clamped; the neighbours are named."""
    ended = transcode(
        "run", make_clip("tiny.mp4", 1), "--platform", "functiongraph",
        "--memory", "300",
    )  # fmt: skip

    assert ended.code == 2
    said = _paragraph(ended.err)
    assert "256" in said
    assert "512" in said


def test_a_deadline_nothing_meets_is_refused_with_what_would(
    transcode: Callable[..., Any], make_clip: MakeClip
) -> None:
    """Exit 5, with what was asked for and how long it may take instead."""
    ended = transcode("plan", make_clip("tiny.mp4", 1), "--deadline", "0.01")

    assert ended.code == 5
    said = _paragraph(ended.err)
    assert "in 0.01 s" in said
    assert "may take" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    argv = ["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(argv, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting is not permitted here")
    yield disk
    subprocess.run(["/bin/umount", str(disk)], check=True)


def test_no_space_left_fails_and_leaves_nothing(
    transcode: Callable[..., Any], make_clip: MakeClip, small_disk: Path
) -> None:
    """Exit 4, named as what it is, and the disk is as empty as before."""
    clip = make_clip("noisy.mp4", 6, size="1280x720")

    out = small_disk / "out"
    ended = transcode("run", clip, "--profile", "hls", "--to", out, "--quiet")

    assert ended.code == 4
    assert f"no space left on '{small_disk}'" in _paragraph(ended.err)
    assert list(small_disk.iterdir()) == []


def test_a_full_scratch_disk_is_said_to_be_full(
    transcode: Callable[..., Any], make_clip: MakeClip, small_disk: Path
) -> None:
    """Exit 5 when nothing at all is free: a refusal, and no bug of ours."""
    (small_disk / "full").write_bytes(bytes(700_000))
    env = {**os.environ, "TRANSCODE_SCRATCH": str(small_disk)}

    ended = transcode("run", make_clip("tiny.mp4", 1), "--quiet", env=env)

    assert ended.code == 5
    assert "scratch" in _paragraph(ended.err)
