"""Names that look like options, patterns, addresses or commands are names."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.conftest import MakeClip
from transcode.contract import OutcomeKind, Progress, Source, Task
from transcode.deliver import folder_name
from transcode.plan.make_plan import job_id
from transcode.plan.profile import parse_profile
from transcode.settings import Settings
from transcode.work.command.build import build
from transcode.work.perform import perform

NAMES = (
    "it's.mp4",
    'say "hello".mp4',
    "two\nlines.mp4",
    "-y.mp4",
    "-i",
    "frame-%03d.mp4",
    "%d%s%n.mp4",
    "..mp4..",
    "a:b.mp4",
    "concat:one|two.mp4",
    "http:x.mp4",
    "pipe:0",
    "[0:v]split;movie=x.mp4",
    "a,b=c'd\\e.mp4",
    "$(touch pwned) `id` ; rm x & .mp4",
    "ünï-видео-🎬.mp4",
    "te[s]t_ video ' _ *?.mp4",
    "x" * 250 + ".mp4",
)


def _ignore(progress: Progress) -> None:
    pass


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_name_is_encoded_like_any_other(
    name: str, make_clip: MakeClip, tmp_path: Path, honest: dict[str, Task]
) -> None:
    """
    The same outputs, in the same places, and nothing beside them.
    """
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    path = uploads / name
    shutil.copyfile(make_clip("honest.mp4", 1, "64x64"), path)
    task = honest["mp4"].model_copy(
        update={
            "source": Source(uri=name, bytes=None, etag=None, location=str(path)),
        }
    )

    produced = perform(
        task,
        staging=tmp_path / "staging",
        scratch=tmp_path / "scratch",
        settings=Settings(),
        report=_ignore,
    )

    assert (OutcomeKind.SUCCEEDED, None) == (produced.outcome, produced.failure)
    assert () == produced.notes
    listed = {artifact.path for artifact in produced.artifacts}
    made = {
        str(it.relative_to(tmp_path / "staging"))
        for it in (tmp_path / "staging").rglob("*")
        if it.is_file()
    }
    assert listed == made
    assert [path] == list(uploads.iterdir())
    assert {"scratch", "staging", "uploads"} == {it.name for it in tmp_path.iterdir()}


@pytest.mark.parametrize("name", [*NAMES, "../../etc/passwd", "/..", "a/../b.mp4"])
def test_no_name_leads_results_elsewhere(name: str) -> None:
    """
    The folder of a job's results is one folder, whatever the upload is called.
    """
    folder = folder_name(f"s3://bucket/{name}", "hls", "0123456789abcdef" * 2)

    assert folder == Path(folder).name
    assert folder not in {"", ".", ".."}
    assert not folder.startswith("-")
    assert folder.isprintable()
    assert len(folder.encode()) <= 255


def _generated(count: int) -> list[str]:
    """Names of what breaks shells, patterns, options, addresses and graphs; seeded."""
    chance = random.Random(5)  # noqa: S311 - the same names every time
    parts = [
        *(
            "'",
            '"',
            "\n",
            "\r",
            "\t",
            "%d",
            "%05d",
            "%s",
            "-",
            "--",
            "-i",
            "\\",
            "`",
            "$(",
        ),
        *(
            " ",
            ";",
            "|",
            "&",
            "*",
            "?",
            "[",
            "]",
            "{",
            "}",
            ":",
            "=",
            ",",
            "#",
            "@",
            "!",
        ),
        *(
            "file:",
            "http:x",
            "concat:",
            "pipe:",
            "é",
            "e\u0301",
            "видео",
            "🎬",
            "\u202e",
        ),
        *("%2B", "+", "..", "~", "a", "b", "mp4", "."),
    ]
    names = {"-", "--", "x" * 255, "é" * 127}
    while len(names) < count:
        name = "".join(chance.choices(parts, k=chance.randint(1, 30)))
        if len(name.encode()) <= 255 and name not in {".", ".."}:
            names.add(name)
    return sorted(names)


def test_two_hundred_names_are_one_argument_each(
    honest: dict[str, Task], tmp_path: Path
) -> None:
    """
    Each is a path of its own, one argument behind `-i`, and a folder of its own.

    Everything else of the command is the same, whatever the name.
    """
    names = _generated(200)
    text = (Path(__file__).parents[2] / "profiles" / "mp4.toml").read_text()
    profile = parse_profile(text, origin="mp4.toml")
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    task = honest["mp4"]
    plain = build(task, program="ffmpeg", fifo="/fifo").argv
    at = plain.index("-i") + 1
    folders = set()
    for name in names:
        path = uploads / name
        path.write_bytes(b"")
        source = Source(uri=str(path), bytes=0, etag="1", location=str(path))

        argv = build(
            task.model_copy(update={"source": source}), program="ffmpeg", fifo="/fifo"
        ).argv

        assert (*plain[:at], f"file:{path}", *plain[at + 1 :]) == argv
        assert path == Path(argv[at].removeprefix("file:"))
        folders.add(folder_name(source.uri, "mp4", job_id(source, profile)))
    assert {*names} == {it.name for it in uploads.iterdir()}
    assert len(names) == len(folders)
    assert all(it == Path(it).name and len(it.encode()) <= 255 for it in folders)
