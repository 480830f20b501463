"""What ffmpeg prints, understood as it comes."""

from __future__ import annotations

import pytest

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


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_progress_blocks() -> None:
    """
    Each block is one report; what ffmpeg does not know yet is unknown, and no number
    passes the end.
    """
    said: list[Progress] = []
    clock = Hands()
    progress = ProgressLines("task", 2.0, said.append, now=clock)

    for line in (
        *("out_time_us=N/A", "speed=N/A", "progress=continue"),
        *("out_time_us=1000000", "progress=continue"),
        *("out_time_us=2500000", "drop_frames=3", "progress=end"),
    ):
        progress.take(line)
        clock.seconds += 0.5

    assert [(0.0, None), (1.0, None), (2.0, 1.0)] == [
        (it.done_seconds, it.speed) for it in said
    ]
    assert 3 == progress.dropped_frames


def test_the_first_picture_taken_is_the_first_report() -> None:
    """Also while `-progress` says nothing, because an output has not been opened."""
    said: list[Progress] = []

    ProgressLines("task", 30.0, said.append).take("taken=0.08")

    assert [0.04] == [it.done_seconds for it in said]


def test_what_lies_in_an_encoder_is_half_done() -> None:
    """A short video that fits into the lookahead moves before and after its half."""
    said: list[Progress] = []
    clock = Hands()
    progress = ProgressLines("task", 2.0, said.append, now=clock)

    for line in ("taken=1", "taken=2", "made=0", "made=1", "made=0.5", "made=2"):
        progress.take(line)
        clock.seconds += 1.0

    assert [0.5, 1.0, 1.0, 1.5, 1.5, 2.0] == [it.done_seconds for it in said]


def test_reports_come_at_most_four_times_a_second() -> None:
    """However fast pictures are; and the last block's report is not left out."""
    said: list[Progress] = []
    clock = Hands()
    progress = ProgressLines("task", 10.0, said.append, now=clock)

    for picture in range(1000):
        progress.take(f"taken={picture / 100}")
        clock.seconds += 0.001
    progress.take("progress=end")

    assert 4 + 1 == len(said)


def test_the_time_left_is_steady() -> None:
    """
    At one pace the end that is foretold stays where it is, within a twentieth,
    however long it took to start and to fill the encoder's lookahead.
    """
    said: list[tuple[float, Progress]] = []
    clock = Hands()
    progress = ProgressLines(
        "task", 60.0, lambda it: said.append((clock.seconds, it)), now=clock
    )

    clock.seconds += 2.0  # opening a source far away
    for picture in range(50 * 25):
        progress.take(f"taken={picture / 25}")
        # Two seconds of pictures are looked ahead at, in no time; packets in bursts.
        if picture > 50:
            clock.seconds += 0.02
        if picture > 50 and picture % 5 == 0:
            progress.take(f"made={picture / 25 - 2}")

    ends = [
        at + (60.0 - it.done_seconds) / it.speed
        for at, it in said
        if it.speed is not None
    ]
    whole = 60 * 25 * 0.02
    assert len(ends) > 80
    assert whole / 20 >= max(ends) - min(ends)


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


def test_pictures_whose_references_are_lost_are_damaged() -> None:
    """HEVC: the decoder goes on without them, and counts no error."""
    summary = Summary()
    lost = "[hevc @ 0x5] [error] Error constructing the frame RPS."
    for line in (lost, "[error]     Last message repeated 3 times", lost):
        summary.take(line)

    assert 5 == summary.damaged_frames


@pytest.mark.parametrize("source", [0, 1])
def test_places_where_a_container_is_torn_are_counted(source: int) -> None:
    """Of a transport stream those of the picture; of a file of open size none. Not
    again by who reads it a second time."""
    summary = Summary(source=source)
    ebml = "invalid as first byte of an EBML number"
    part = "[warning] corrupt input packet in stream"
    for line in (
        f"[in#{source}/matroska,webm @ 0x5] [error] 0x00 at pos 42 (0x2A) {ebml}",
        f"[in#{source}/ogg @ 0x5] [error] CRC mismatch!",
        f"[in#{1 - source}/ogg @ 0x5] [error] CRC mismatch!",
        f"[in#{source}/mpegts @ 0x5] {part} 1",
        f"[in#{source}/mpegts @ 0x5] {part} 0",
        f"[in#{1 - source}/mpegts @ 0x5] {part} 0",
        f"[in#{source}/wav @ 0x5] {part} 0",
    ):
        summary.take(line)

    assert [3, 2] == [summary.torn(0), summary.torn(None)]


def test_a_picture_of_which_several_parts_are_wrong_is_one() -> None:
    """FFV1 tells of each part whose checksum is not right."""
    summary = Summary()
    for crc, seconds in ("A1", "1.250000"), ("B2", "1.250000"), ("C3", "2.000000"):
        said = f"slice CRC mismatch {crc}!at {seconds} seconds"
        summary.take(f"[ffv1 @ 0x5] [error] {said}")

    assert 2 == summary.damaged_frames
