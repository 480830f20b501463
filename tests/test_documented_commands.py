"""Every command in README and docs can be typed; what needs no service is done."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import pytest

from tests.conftest import MakeClip
from transcode.cli.commands.run import transcode
from transcode.cli.main import run_command_line

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "handlers/README.md",
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CLIPS = ("clip.mov", "car-detection.mp4", "demo.mp4", "in/clip.mov")
# Why it is done elsewhere, or cannot be here; the tests of each are beside the code.
ELSEWHERE = {
    r"s3://": "wants a store: tests/store and tests/serve",
    r"--engine": "wants a cluster or a platform: tests/invoke, tests/handlers",
    r"^\w+ (deploy|bench)": "an account, and minutes: tests/deploy, tests/bench",
    r"^\w+ (serve|watch|play)": "they end when they are told: tests/serve, tests/cli",
    r"^\w+ doctor": "says what this machine lacks: tests/cli/test_doctor.py",
    r"--memory 128": "half a minute at 0.3 vCPU: tests/e2e/test_run.py",
    r"long_1080p|bbb_360p": "real media: tests/e2e/test_corpus.py",
    r"show 06a7|calibrate": "jobs of somebody's: tests/cli/test_ledger_commands.py",
}
REFUSED = {"plan car-detection.mp4 --deadline 1s": (0, 5), "bad.toml": (2,)}


def commands() -> Iterator[tuple[str, str]]:
    """Page and command, as a reader would copy it."""
    for page in PAGES:
        for kind, body in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in body.replace("\\\n", " ").splitlines():
                typed = line if kind == "sh" else line[2:] * line.startswith("$ ")
                found = re.match(r"(?:\w+=\S* +)*(transcode .*)", typed.strip())
                if found:
                    yield page.relative_to(ROOT).as_posix(), found[1]


def words(command: str) -> list[str]:
    """Up to a pipe, a redirection, a `&` or a comment, without quotes."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[str] = []
    for word in lexer:
        if re.fullmatch(r"[|&;<>]+", word):
            break
        found.append(word)
    return found[1:]


def parse(asked: list[str]) -> None:
    """As far as the command itself; raises what it would be told."""
    group: click.Command = transcode
    name: str | None = "transcode"
    context: click.Context | None = None
    with ExitStack() as stack:
        while True:
            made = group.make_context(name, asked, parent=context)
            context = stack.enter_context(made)
            if not isinstance(group, click.Group):
                return
            # As `Group.invoke` does.
            rest = [*context._protected_args, *context.args]
            name, found, asked = group.resolve_command(context, rest)
            assert found is not None
            group = found


@pytest.fixture(scope="module")
def here(make_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the pages speak of."""
    folder = tmp_path_factory.mktemp("docs")
    clip = make_clip("docs", 1, "160x120", audio=False)
    for name in CLIPS:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(clip, folder / name)
    (folder / "list.txt").write_text("clip.mov\n")
    (folder / "monday.json").write_text("{}")
    toml = [it for page in PAGES for kind, it in BLOCK.findall(page.read_text())]
    (folder / "clips.toml").write_text(next(it for it in toml if '"clips"' in it))
    (folder / "bad.toml").write_text("name = 1\n")
    return folder


def test_every_command_can_be_typed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each option exists, and takes what stands behind it."""
    monkeypatch.chdir(here)
    found = list(dict.fromkeys(commands()))

    assert len(found) > 60
    for page, command in found:
        try:
            parse(words(command))
        except click.ClickException as exc:
            pytest.fail(f"{page}: {command}: {exc.format_message()}")


def test_what_needs_no_service_does_what_it_should(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the pages, one folder for all: each as a reader would have it."""
    monkeypatch.chdir(here)
    monkeypatch.setenv("TRANSCODE_INDEX", str(here / "index"))
    done = 0
    for page, command in dict.fromkeys(commands()):
        if any(re.search(why, command) for why in ELSEWHERE):
            continue
        asked = [
            str(it)
            for word in words(command)
            for it in (here.glob(word) if "*" in word else [word])
        ]
        allowed = next((it for text, it in REFUSED.items() if text in command), (0,))
        try:
            code = run_command_line(asked)
        except SystemExit as exc:
            pytest.fail(f"{page}: {command}: {exc}")
        assert code in allowed, f"{page}: {command}"
        done += 1

    assert done > 25


STUBS = """
set -euo pipefail
heard() {
  printf '%s\\0' "$@" >> "$HEARD"
  # What nobody reads would end whoever writes it.
  case "$*" in *--password-stdin*) cat > /dev/null ;; esac
}
for name in docker curl sam pip rm zip transcode sleep; do
  eval "$name() { heard \\"\\$@\\"; }"
done
aws() { heard "$@"; echo 123456789012; }
mkdir function
"""


def test_what_platforms_are_told_by_hand_is_shell_and_json(tmp_path: Path) -> None:
    """
    All of handlers/README.md, typed one after another with nobody to hear it: each
    variable is set by then, and what is meant as JSON is JSON.
    """
    bash = shutil.which("bash")
    assert bash is not None
    page = (ROOT / "handlers/README.md").read_text(encoding="utf-8")
    typed = "\n".join(body for kind, body in BLOCK.findall(page) if kind == "sh")
    heard = tmp_path / "heard"
    subprocess.run(
        [bash, "-c", STUBS + typed],
        cwd=tmp_path,
        env={"PATH": os.defpath, "HEARD": str(heard), "PROJECT": "p", "TOKEN": "t"},
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )

    words = heard.read_text(encoding="utf-8").split("\0")
    files = [it.removeprefix("file://") for it in words if it.startswith("file://")]
    words += [(tmp_path / it).read_text(encoding="utf-8") for it in files]
    documents = [json.loads(it) for it in words if it.startswith("{")]
    assert 12 == len(documents)
    within = [
        value
        for one in documents
        for value in one.values()
        if isinstance(value, str) and value.startswith("{")
    ]
    assert 3 < len([json.loads(it) for it in within])
