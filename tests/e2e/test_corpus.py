"""Odd, damaged and hostile files: verified results or a refusal that names its kind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def _frames(ffprobe: str, path: str) -> int:
    """Video packets, counted by another tool."""
    argv = [ffprobe, "-v", "error", "-select_streams", "v:0", "-count_packets"]
    argv += ["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path]
    run = subprocess.run(argv, capture_output=True, text=True, check=True)
    return int(run.stdout.strip().rstrip(",") or 0)


def _spans(ffprobe: str, path: str) -> dict[str, tuple[float, float]]:
    """First presentation time and end of each kind of stream, by another tool."""
    argv = [ffprobe, "-v", "error", "-show_entries"]
    argv += ["packet=codec_type,pts_time,duration_time", "-of", "json", path]
    run = subprocess.run(argv, capture_output=True, text=True, check=True)
    spans: dict[str, tuple[float, float]] = {}
    for packet in json.loads(run.stdout)["packets"]:
        start = float(packet["pts_time"])
        end = start + float(packet.get("duration_time", 0))
        low, high = spans.get(packet["codec_type"], (start, end))
        spans[packet["codec_type"]] = min(low, start), max(high, end)
    return spans


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("edge/bear-vp9-odd-dimensions.webm", 30),
        ("edge/iibbibb_editlist_videoonly.mp4", 12),
        ("edge/sample_android_slow_motion.mp4", 7),
        ("edge/sample_vvc.mp4", 120),
        ("edge/sample_with_fake_auxiliary_tracks.mp4", 5),
        ("edge/te[s]t_ video ' _ .flv", 10),
        ("attack/PHP_exif_system.gif", 19),
    ],
)
def test_an_odd_file_is_transcoded(
    transcode: Run, media_dir: Path, ffprobe: str, name: str, frames: int
) -> None:
    """Every frame that is shown is in the result, as a second tool counts them."""
    ended = transcode("run", media_dir / name, "--profile", "preview", "--json")

    assert ended.code == 0, ended.err[-500:]
    made = ended.document["outputs"][0]
    assert frames == _frames(ffprobe, made["uri"])
    assert frames == made["video"]["frames"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("edge/annex-b.mp4", "MediaTruncated"),
        ("edge/bbb_init_only.mp4", "MediaRejected"),
        ("malformed/Error_I_P.264", "MediaTruncated"),
        ("malformed/bug603918.webm", "MediaRejected"),
        ("malformed/corrupted.mp4", "MediaTruncated"),
        ("malformed/encrypted_as_avc1.mp4", "MediaUnsupported"),
        ("malformed/sample_with_invalid_nalu.mp4", "MediaTruncated"),
        ("malformed/vvc_bitflip_hang_1.mp4", "MediaRejected"),
        ("attack/read_passwd.avi", "MediaRejected"),
        ("attack/ssrf_ffmpeg.avi", "MediaRejected"),
    ],
)
def test_a_damaged_or_hostile_file_is_refused(
    transcode: Run, tmp_path: Path, media_dir: Path, name: str, error: str
) -> None:
    """Exit 3, an error of its own kind, nothing to retry and nothing left behind."""
    ended = transcode("run", media_dir / name, "--profile", "preview", "--json")

    assert ended.code == 3, ended.err[-500:]
    assert error == ended.document["error"]["type"]
    assert ended.document["error"]["retryable"] is False
    assert not (tmp_path / "transcoded").exists()


def test_pictures_of_an_edit_without_keyframe_are_shown_when_it_says(
    transcode: Run, media_dir: Path, ffprobe: str
) -> None:
    """Sound ends 0.07 s before the picture, as in the tables, and not 0.4 s after."""
    name = "edge/sample_edit_list_no_sync_frame_before_edit.mp4"
    ended = transcode("run", media_dir / name, "--profile", "preview", "--json")

    assert ended.code == 0, ended.err[-500:]
    spans = _spans(ffprobe, ended.document["outputs"][0]["uri"])
    assert spans["video"][0] == pytest.approx(0.0156, abs=0.02)
    assert spans["video"][1] == pytest.approx(2.351, abs=0.04)
    assert spans["audio"][1] == pytest.approx(2.258, abs=0.03)


def test_a_picture_that_begins_after_the_sound_stays_with_it(
    transcode: Run, media_dir: Path, ffprobe: str
) -> None:
    """Fragments that begin 67 ms late end 67 ms late: the gap is filled, not closed."""
    name = "edge/sample_partially_fragmented.mp4"
    ended = transcode("run", media_dir / name, "--profile", "preview", "--json")

    assert ended.code == 0, ended.err[-500:]
    spans = _spans(ffprobe, ended.document["outputs"][0]["uri"])
    assert spans["video"][1] == pytest.approx(1.0677, abs=0.01)
    assert spans["audio"][1] == pytest.approx(1.1556, abs=0.03)


def test_sound_that_a_header_crams_into_a_moment_is_heard_whole(
    transcode: Run, media_dir: Path, ffprobe: str
) -> None:
    """AVI whose sound claims 12 samples a packet: two seconds of it are two seconds."""
    name = "edge/sample-with-large-length.avi"
    ended = transcode("run", media_dir / name, "--profile", "preview", "--json")

    assert ended.code == 0, ended.err[-500:]
    begins, ends = _spans(ffprobe, ended.document["outputs"][0]["uri"])["audio"]
    assert ends - max(0.0, begins) == pytest.approx(2.04, abs=0.03)
