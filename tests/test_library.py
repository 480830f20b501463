"""`import transcode`: what is public, what it costs to import, and that it works."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

import anyio
import pytest

import transcode
from tests.conftest import MakeClip
from transcode.library import Options

PAGE = Path(__file__).parents[1] / "docs/library.md"


@pytest.fixture
def here(
    tmp_path: Path, make_clip: MakeClip, ffmpeg: str, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A working folder with the files that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(make_clip("library", 2), "clip.mov")
    shutil.copy(make_clip("another", 1), "other.mov")
    logo = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=red:s=32x32"]
    subprocess.run([*logo, "-frames:v", "1", "logo.png"], check=True)
    return tmp_path


def test_what_is_public_is_a_list() -> None:
    """It is sorted, each name is there, and the page has it."""
    page = PAGE.read_text(encoding="utf-8")
    names = sorted(transcode.__all__)

    assert names == transcode.__all__
    assert [] == [name for name in names if getattr(transcode, name, None) is None]
    assert {*names} <= {*dir(transcode)}
    assert [] == [name for name in names if f"`{name}`" not in page]
    assert [] == [name for name in Options.__annotations__ if f"`{name}`" not in page]


def test_what_is_not_public_is_told() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'encode'"):
        transcode.encode  # noqa: B018  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import transcode", ("typing", "pydantic", "anyio")),
        ("import transcode; transcode.run", ("av", "aiobotocore", "rich", "click")),
        ("import transcode; transcode.MediaError", ("anyio", "transcode.pipeline")),
    ],
)
def test_each_name_costs_what_it_needs(code: str, unwanted: tuple[str, ...]) -> None:
    """And the import alone next to nothing: cold starts are billed."""
    code = f"{code}; import sys; print(*sorted(set(sys.modules) & set({unwanted!r})))"
    argv = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path}; {code}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert "" == done.stdout.strip()


def test_functions_stay_what_they_are() -> None:
    """Stages of the same names are imported, before and after."""
    code = """
import transcode.probe.child.reader
import transcode
from transcode.plan.profile import Profile
print(transcode.probe.__name__, transcode.plan.__name__)
import transcode.plan.ladder
print(transcode.probe.__name__, transcode.plan.__name__)
"""
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert ["probe", "plan"] * 2 == done.stdout.split()


def test_results_are_typed() -> None:
    """A type checker sees what each function gives; nothing here is called."""

    def typed() -> None:
        assert_type(transcode.probe("a"), transcode.Media)
        assert_type(transcode.plan("a", budget=Decimal(1)), transcode.Plan)
        assert_type(transcode.run(Path("a"), chunks=2), transcode.Manifest)
        assert_type(transcode.submit("a", wait=True), transcode.JobReport)
        assert_type(transcode.report("a").tries, int)
        transcode.plan("a", budget=0.1)  # type: ignore[arg-type]
        transcode.run("a", memory=3)  # type: ignore[call-arg]

    assert callable(typed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budget": 0.1}, "budget=0.1 is neither a Decimal nor text"),
        ({"memory": 128}, "memory=128 is wrong"),
        ({"optimize": "size"}, "optimize='size' is wrong"),
        ({"clip": {"start_seconds": 2, "end_seconds": 1}}, "clip="),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], said: str) -> None:
    """Before anything is read."""
    with pytest.raises(transcode.UsageError, match=re.escape(said)):
        transcode.plan("nowhere.mov", **options)


def test_errors_are_those_of_the_command_line(tmp_path: Path) -> None:
    """With evidence, and with the exit code that the command would have."""
    with pytest.raises(transcode.UsageError) as caught:
        transcode.probe(tmp_path / "nothing.mov")

    assert ("SourceNotFound", 2) == (
        type(caught.value).__name__,
        caught.value.exit_code,
    )


async def test_in_a_loop_the_plain_form_names_the_other() -> None:
    """It would block everything else that the loop does."""
    with pytest.raises(transcode.UsageError, match=r"transcode\.probe_async"):
        transcode.probe("clip.mov")


async def test_plain_forms_work_in_a_thread(here: Path) -> None:
    """As a web server's handlers have one."""
    media = await anyio.to_thread.run_sync(transcode.probe, "clip.mov")

    assert 320 == media.video[0].display_width


def test_the_page_does_what_it_says(here: Path) -> None:
    """Every example, in the order of the page."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    heard: list[str] = []
    for number, block in enumerate(blocks):
        names["print"] = lambda *words: heard.append(" ".join(map(str, words)))
        exec(compile(block, f"{PAGE.name}, example {number}", "exec"), names)  # noqa: S102

    text = "\n".join(heard)
    assert "2.0 h264 320" in text
    assert "succeeded" in text
    assert "encode" in text
    assert "DeadlineTooShort No spec of local" in text
    assert 3 == len([*(here / "out").glob("*.preview.*/manifest.json")])
