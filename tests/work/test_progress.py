"""What ffmpeg prints, understood as it comes."""

from __future__ import annotations

from transcode.contract import Progress
from transcode.work.progress import (
    TAIL_BYTES,
    Lines,
    ProgressLines,
    Summary,
    Tail,
    without_secrets,
)


def test_signatures_are_removed() -> None:
    """
    What stands behind a question mark in a URL is nobody's business.
    """
    text = "Error opening 'https://b.example/k.mp4?X-Amz-Signature=abc&x=1': 403"

    assert "Error opening 'https://b.example/k.mp4?…': 403" == without_secrets(text)


def test_tail_is_bounded() -> None:
    """
    A flood of messages, or one without an end, does not fill the memory.
    """
    tail = Tail()
    lines = Lines(tail.take)

    for _ in range(100):
        lines.feed(b"x" * 10_000)
    lines.feed(b"\r[error] first\n[error] second\n")
    lines.close()

    assert TAIL_BYTES >= len(tail.text)
    assert tail.text.endswith("[error] first\n[error] second")
    assert "[error] first" == tail.error


def test_summary() -> None:
    """
    The counts at the end are read; one line per packet is not kept.
    """
    summary = Summary()

    for line in (
        "[noise @ 0x1] [verbose] Stream #2 packet 1 pts 1 - amount 0 drop 0",
        (
            "[out#0/mp4 @ 0x1] [verbose]   Output stream #0:1 (audio): 216 frames "
            "encoded (221184 samples); 215 packets muxed (43433 bytes); "
        ),
        (
            "[in#0/mov @ 0x1] [verbose]   Input stream #0:0 (video): 150 packets read "
            "(507262 bytes); 149 frames decoded; 2 decode errors; "
        ),
        (
            "[in#0/mov @ 0x1] [verbose]   Input stream #0:1 (audio): 217 packets read "
            "(43558 bytes); 216 frames decoded; 1 decode errors (221184 samples); "
        ),
        (
            "[in#0/mov @ 0x1] [verbose]   Input stream #0:2 (data): 9 packets read "
            "(558 bytes); "
        ),
        "[AVIOContext @ 0x1] [verbose] Statistics: 554205 bytes read, 0 seeks",
    ):
        summary.take(line)

    assert {0: 150, 1: 217} == summary.packets
    assert {0: 149, 1: 216} == summary.decoded
    assert {1: 221184} == summary.samples
    assert {(0, 1): 215} == summary.muxed
    assert (3, 554205) == (summary.decode_errors, summary.read_bytes)
    assert "noise" not in summary.tail.text


def test_progress_blocks() -> None:
    """
    Each block is one report; what ffmpeg does not know yet is unknown, and no number
    passes the end.
    """
    said: list[Progress] = []
    progress = ProgressLines("task", 2.0, said.append)

    for line in (
        *("out_time_us=N/A", "speed=N/A", "progress=continue"),
        *("out_time_us=2500000", "speed=1.5x", "drop_frames=3", "progress=end"),
    ):
        progress.take(line)

    assert [(0.0, None), (2.0, 1.5)] == [(it.done_seconds, it.speed) for it in said]
    assert 3 == progress.dropped_frames


def test_damaged_pictures_are_counted() -> None:
    """
    Pictures with parts made up count, also where ffmpeg says it "again"; errors do not.
    """
    summary = Summary()
    damaged = "[vist#0:0/h264 @ 0x5] [dec:h264 @ 0x6] [warning] corrupt decoded frame"

    for line in (
        damaged,
        "    Last message repeated 3 times",
        "[h264 @ 0x7] [info] concealing 264 DC, 264 AC, 264 MV errors in I frame",
        "    Last message repeated 9 times",
        damaged,
    ):
        summary.take(line)

    assert 5 == summary.damaged_frames


def test_concealment_that_found_nothing_is_no_damage() -> None:
    """MPEG-1 on one thread: each whole picture is called corrupt, a damaged one too."""
    summary = Summary()
    corrupt = "[vist#0:0/mpeg1video @ 0x1] [dec:mpeg1video @ 0x2] corrupt decoded frame"
    for said in ("0 DC, 0 AC, 0 MV", "0 DC, 0 AC, 0 MV", "9 DC, 9 AC, 9 MV"):
        summary.take(f"[mpeg1video @ 0x3] [info] concealing {said} errors in P frame")
        summary.take(corrupt)

    assert 1 == summary.damaged_frames
