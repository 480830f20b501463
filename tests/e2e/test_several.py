"""Several sources in one command: each for itself, one answer for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MakeClip = Callable[..., Path]
Command = Callable[..., Any]


@pytest.fixture(scope="session")
def clips(make_clip: MakeClip) -> list[Path]:
    """Two that are no copies of each other."""
    return [
        make_clip("first.mp4", 1, size="320x180"),
        make_clip("second.mp4", 1, size="426x240"),
    ]


def test_one_that_fails_stops_none_of_the_others(
    transcode: Command, clips: list[Path], tmp_path: Path
) -> None:
    """
    The exit code is the highest, the one document has them in the order given; what
    failed is said on stderr, and a source that is given twice is one job.
    """
    (tmp_path / "text.mp4").write_text("no media at all " * 100)
    args = (clips[0], "missing.mp4", "text.mp4", clips[1], clips[0])

    ended = transcode("run", *args, "--profile", "preview", "--json", "--quiet")
    again = transcode("run", *args, "--profile", "preview")
    alone = transcode("run", clips[1], "--profile", "preview", "--json", "--quiet")

    assert 3 == ended.code, ended.err
    jobs = ended.document["jobs"]
    assert ["first.mp4", "missing.mp4", "text.mp4", "second.mp4"] == [
        Path(job["asked"]).name for job in jobs
    ]
    assert ["succeeded", "rejected", "rejected", "succeeded"] == [
        job["status"] for job in jobs
    ]
    assert ["SourceNotFound", "MediaRejected"] == [
        job["error"]["type"] for job in jobs[1:3]
    ]
    assert "failed" == ended.document["status"]
    assert "missing.mp4: There is no file" in ended.err
    assert alone.document == {k: v for k, v in jobs[3].items() if k != "asked"}
    assert 3 == again.code
    assert "Done: 2 of 4 sources" in again.out
    assert "there before" in again.out
    assert "Total 0 USD" in again.out


def test_several_that_succeed_are_a_success(
    transcode: Command, clips: list[Path], tmp_path: Path
) -> None:
    """Lines about progress say whose they are; no table is wider than 60 columns."""
    ended = transcode("run", *clips, "--profile", "preview", "--verbose")

    assert 0 == ended.code, ended.err
    assert "first.mp4: published" in ended.err
    assert "second.mp4 encode: attempt 1" in ended.err
    assert 2 == ended.out.count("Verified: ")
    table = ended.out.partition("Done: 2 of 2 sources\n")[2].partition("\n\n")[0]
    assert 60 >= max(map(len, table.splitlines()))
    assert 2 == len(list((tmp_path / "transcoded").iterdir()))
