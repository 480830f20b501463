"""Whatever lies in a watched folder: uploads beside it are taken, and nothing else."""

# Names here are bytes, which have no Path.
# ruff: noqa: PTH102, PTH118, PTH123, PTH211

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transcode.errors import SettingsError, SourceNotFound
from transcode.hooks import Taken, Troubled
from transcode.jobs.ingest import Ingest, Rule, refuse_overlap
from transcode.jobs.service import JobService
from transcode.jobs.source_look import refuse_source
from transcode.request import Request
from transcode.settings import Settings
from transcode.store.watched_folder import whole
from transcode.wiring import wire

YEAR_10209 = 260_000_000_000
KINDS = (
    *("empty", "folder", "fifo", "loop", "long link", "dangling", "outward", "future"),
    *("year 10209", "before 1970", "nested", "results"),
)
NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: not {b"/"[0], 0} & set(name) and name not in (b".", b"..", b"a.mp4")
)
MANIFEST = b'{\n "schema": "transcode/manifest/1",\n "job_id": "0"\n}\n'


def put(folder: Path, name: bytes, kind: str) -> None:
    """One entry of this kind, where the file system can have it."""
    path = os.path.join(os.fsencode(folder), name)
    if kind == "folder":
        os.mkdir(path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        os.symlink(path, path)
    elif kind == "long link":
        os.symlink(b"x/" * 2040, path)
    elif kind == "dangling":
        os.symlink(b"nowhere", path)
    elif kind == "outward":
        os.symlink(b"/etc/hostname", path)
    elif kind in ("nested", "results"):
        os.mkdir(path)
        inside = b"manifest.json" if kind == "results" else name
        for one in (inside, b"b.mp4"):
            with open(path + b"/" + one, "wb") as file:
                file.write(MANIFEST)
    else:
        with open(path, "wb") as file:
            file.write(b"" if kind == "empty" else b"not a film")
        when = {"future": 4e9, "year 10209": YEAR_10209, "before 1970": -1e9}
        if kind in when:
            with suppress(OSError, OverflowError):
                os.utime(path, (when[kind], when[kind]))


def picture_of(folder: Path) -> dict[bytes, tuple[int, int, int]]:
    """Everything in it, with what would tell of a write."""
    found = {}
    for parent, folders, names in os.walk(os.fsencode(folder)):
        for name in (b".", *folders, *names):
            status = os.lstat(os.path.join(parent, name))
            what = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
            found[os.path.join(parent, name)] = what
    return found


async def looked(home: Path, *, to: Path | None = None) -> list[Taken | Troubled]:
    """What two looks at `in` say."""
    async with JobService.open(wire(Settings()), to=str(to or home / "out")) as service:
        request = Request(source="", profile="mp4", to=service.to)
        ingest = Ingest(service, Rule(request=request, settle_seconds=0))
        return [
            event
            for _ in range(2)
            async for group in ingest.look(str(home / "in"))
            for event in group
        ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strange")


@given(entries=st.dictionaries(NAMES, st.sampled_from(KINDS), max_size=8))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_an_upload_is_taken_whatever_lies_beside_it(
    home: Path, entries: dict[bytes, str]
) -> None:
    """Nothing raises, nothing in the source is touched, nothing is said twice."""
    folder = home / "in"
    shutil.rmtree(os.fsencode(folder), ignore_errors=True)
    shutil.rmtree(home / "out", ignore_errors=True)
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"a film, perhaps")
    os.utime(folder / "a.mp4", (1e9, 1e9))
    for name, kind in entries.items():
        put(folder, name, kind)
    before = picture_of(folder)

    events = anyio.run(looked, home)

    assert before == picture_of(folder)
    assert not [one for one in events if isinstance(one, Troubled)]
    taken = [one for one in events if isinstance(one, Taken)]
    assert len(taken) == len({(one.uri, one.ignored) for one in taken})
    assert [True] == [one.new for one in taken if one.uri == str(folder / "a.mp4")]
    for one in taken:
        if one.report is not None:
            status = Path(one.uri).lstat()
            assert stat.S_ISREG(status.st_mode)
            assert status.st_size


@pytest.mark.parametrize("name", ["talk.srt", "Thumbs.db", "readme.txt", "a.JPG"])
def test_what_lies_beside_videos_is_none(tmp_path: Path, name: str) -> None:
    """Nor is what a file server keeps in folders of its own."""
    folder = tmp_path / "in"
    for place in ("@eaDir/talk.mp4", "#recycle/x", "$RECYCLE.BIN/y", "deep/"):
        (folder / place).mkdir(parents=True)
        (folder / place / "old.mp4").write_bytes(b"a film")
    (folder / name).write_bytes(b"no film")

    events = anyio.run(looked, tmp_path)

    uris = [str(one.uri) for one in events if isinstance(one, Taken) and one.new]
    assert [str(folder / "deep/old.mp4")] == uris


def test_a_folder_that_is_not_there_is_refused_and_not_made(
    tmp_path: Path,
) -> None:
    """A mistyped name would be watched for ever."""
    missing = tmp_path / "inn"

    with pytest.raises(SourceNotFound, match="There is no folder"):
        anyio.run(partial(refuse_source, str(missing), Settings()))
    argv = [sys.executable, "-m", "transcode", "watch", "inn", "--to", "out"]
    ended = subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False)

    assert 2 == ended.returncode
    assert not missing.exists()
    assert b"Traceback" not in ended.stderr


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Any]:
    """Mounts one folder on another, until the test ends."""
    aims: list[Path] = []

    def mount(folder: Path, aim: Path) -> None:
        aim.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "--bind", str(folder), str(aim)],  # noqa: S607
            capture_output=True,
            check=False,
        )
        if done.returncode:
            pytest.skip("needs the right to mount")
        aims.append(aim)

    yield mount
    for aim in reversed(aims):
        subprocess.run(["umount", str(aim)], check=True)  # noqa: S607
    assert tmp_path.exists()


def test_results_are_known_behind_a_mount(tmp_path: Path, mounted: Any) -> None:
    """Whichever of the two is mounted into the other, or both are one folder."""
    uploads, results = tmp_path / "in", tmp_path / "out"
    (uploads / "sub").mkdir(parents=True)
    (results / "a.mp4").mkdir(parents=True)
    (results / "a.mp4/a.mp4").write_bytes(b"made by us")
    mounted(uploads, tmp_path / "elsewhere")
    with pytest.raises(SettingsError):
        refuse_overlap(str(uploads), str(tmp_path / "elsewhere/sub/out"))
    with pytest.raises(SettingsError):
        refuse_overlap(str(tmp_path / "elsewhere/sub"), str(uploads))
    mounted(results, uploads / "mirror")
    mounted(uploads, uploads / "again")

    assert [] == anyio.run(partial(looked, tmp_path, to=results))


def test_what_may_not_be_read_is_taken_once_it_may(
    tmp_path: Path, mounted: Any
) -> None:
    """
    A folder and a file without rights, a source that cannot be written: what may be
    read is taken beside them, they are named, and taken when their rights are mended.
    """
    for name in ("in/closed/c.mp4", "in/shut.mp4", "in/a.mp4", "disc/b.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Dear diary, {name} is no film.\n" * 20)
        os.utime(path, (1e9, 1e9))
    mounted(tmp_path / "disc", tmp_path / "in/disc")
    only_read = ["mount", "-o", "remount,bind,ro", str(tmp_path / "in/disc")]
    subprocess.run(only_read, check=True)
    closed = (tmp_path / "in/closed", tmp_path / "in/shut.mp4")
    for path in closed:
        path.chmod(0)

    said = swept_without_rights(tmp_path)
    for path in closed:
        path.chmod(0o755)
    again = swept_without_rights(tmp_path)

    assert 2 == json.loads(said.stdout)["uploads_taken"]
    assert b"in/closed' may not be read" in said.stderr
    assert b"in/shut.mp4' may not be read" in said.stderr
    assert 2 == json.loads(again.stdout)["uploads_taken"]
    assert b"Traceback" not in said.stderr + again.stderr


def swept_without_rights(home: Path) -> subprocess.CompletedProcess[bytes]:
    """By somebody who may read what is his to read, root or not."""
    lost = "-dac_override,-dac_read_search"
    without = ["setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}"]
    argv = [sys.executable, "-m", "transcode", "sweep", "in", "--to", "out", "--json"]
    argv = [*(without if os.geteuid() == 0 else []), *argv, "--profile", "mp4"]
    return subprocess.run(argv, cwd=home, capture_output=True, check=False)


def test_many_files_at_once_are_asked_for_in_few_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Who writes a file is asked of all processes at once for each group: asked for each
    file, 3,000 took the loop for half a minute and lost the lease of what it worked on.
    """
    (tmp_path / "in").mkdir()
    for number in range(600):
        (tmp_path / f"in/{number}.mp4").write_text(f"no film {number}")
    asked: list[int] = []

    async def counted(files: Any) -> Any:
        asked.append(len(files))
        return await whole(files)

    async def none_of_them(*_: object, **__: object) -> tuple[()]:
        return ()

    monkeypatch.setattr("transcode.jobs.ingest.whole", counted)
    monkeypatch.setattr(Ingest, "take_each", none_of_them)

    anyio.run(looked, tmp_path)

    # Two looks, in groups of 256.
    assert 2 * 600 == sum(asked)
    assert len(asked) <= 2 * 3
