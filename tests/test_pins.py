"""What is installed is what was tested, byte for byte."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HASHED = ("requirements.txt", "requirements-build.txt")


def canonical(name: str) -> str:
    """As the packaging specification compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\#]+)", text, re.MULTILINE)
    return {canonical(name): version for name, version in found}


@pytest.mark.parametrize("file", HASHED)
def test_every_pin_has_hashes(file: str) -> None:
    """Each has at least one, and of where it comes from nothing is said."""
    text = (ROOT / file).read_text(encoding="utf-8")
    entries = re.split(
        r"\n(?=[A-Za-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    )

    assert len(entries) == len(pins(file)) > 10
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", one) for one in entries)
    assert not re.search(r"://|index|trusted|find-links", text)


@pytest.mark.parametrize("file", HASHED)
def test_hashed_versions_are_the_tested_ones(file: str) -> None:
    """`make pins` after each change of constraints.txt."""
    tested = pins("constraints.txt")

    assert {} == {
        name: (version, tested[name])
        for name, version in pins(file).items()
        if tested.get(name, version) != version
    }


def test_all_that_we_need_is_hashed() -> None:
    """Our dependencies, and theirs as far as they are installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [re.match(r"[A-Za-z0-9._-]+", it) for it in project["dependencies"]]
    names = {canonical(it[0]) for it in wanted if it}
    seen: set[str] = set()
    while names - seen:
        name = (names - seen).pop()
        seen.add(name)
        try:
            further = requires(name) or []
        except PackageNotFoundError:
            continue
        plain = [it for it in further if ";" not in it]
        found = [re.match(r"[A-Za-z0-9._-]+", it) for it in plain]
        names |= {canonical(it[0]) for it in found if it}

    assert set() == names - pins("requirements.txt").keys()


def test_the_image_installs_nothing_else() -> None:
    """Every pip in it wants hashes, or installs what was built before."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    run = " ".join(re.findall(r"^RUN (.*)$", text, re.MULTILINE))
    installs = [it for it in run.split("&&") if re.search(r"pip.* install ", it)]

    assert 3 == len(installs)
    assert all("--require-hashes" in it or "--no-index" in it for it in installs)
    assert "sbom.cdx.json" in run
    assert {"${BASE}"} == set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))


def _instructions() -> list[tuple[str, str]]:
    """(word, the rest of it), comments left out and lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [it for it in text.splitlines() if it and not it.startswith("#")]
    return [(word, rest) for word, _, rest in (it.partition(" ") for it in lines)]


def test_what_the_image_copies_is_there() -> None:
    """
    All that is built from is let through to the builder, and is in the repository.
    """
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    through = [it.removeprefix("!") for it in ignored if it.startswith("!")]
    copied = [rest.split() for word, rest in _instructions() if word == "COPY"]

    assert [[".", "."]] == [it for it in copied if not it[0].startswith("--from=build")]
    assert [] == [it for it in through if not [*ROOT.glob(it)]]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name in (project["project"]["readme"], "LICENSE", "transcode", "handlers"):
        assert name in through


def test_the_image_says_how_it_is_run() -> None:
    """
    As nobody in particular, by number, since Kubernetes trusts no name; at the port of
    `serve`, with a check that asks it alone.
    """
    said = dict(_instructions())
    options, _, check = said["HEALTHCHECK"].partition(" CMD ")

    assert said["USER"].isdecimal()
    assert f"useradd --uid {said['USER']} " in said["RUN"]
    assert "8000" == said["EXPOSE"]
    assert "--timeout=" in options
    argv = json.loads(check)
    assert ":8000/healthz" in argv[-1]
    done = subprocess.run([sys.executable, *argv[1:]], check=False, capture_output=True)
    assert (0, b"") == (done.returncode, done.stderr)
    assert ["transcode", "--help"] == json.loads(said["CMD"])
