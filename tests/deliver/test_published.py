"""What is published is what was named, and nothing that lies beside it."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import MakeClip
from transcode.contract import Artifact, Manifest
from transcode.deliver.layout import leave_only
from transcode.errors import OutputRejected
from transcode.settings import Settings
from transcode.store.s3_objects import Objects
from transcode.work.toolchain import find_ffmpeg

BODY = b"verified"


def _named(*paths: str) -> tuple[Artifact, ...]:
    return tuple(
        Artifact(
            path=path,
            kind="segment",
            made_by="encoded",
            bytes=len(BODY),
            sha256=hashlib.sha256(BODY).hexdigest(),
        )
        for path in paths
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two files that somebody named, and a neighbour."""
    folder = tmp_path / "staging"
    (folder / "video/240p").mkdir(parents=True)
    for name in ("master.m3u8", "video/240p/00001.m4s"):
        (folder / name).write_bytes(BODY)
    (tmp_path / "neighbour").write_bytes(BODY)
    return folder


NAMES = ("master.m3u8", "video/240p/00001.m4s")


def test_what_nobody_named_goes(folder: Path) -> None:
    """
    Pages, links, pipes and folders beside the results; what they point to stays.
    """
    outside = folder.parent / "neighbour"
    (folder / "index.html").write_bytes(b"<script>")
    (folder / "video/240p/00002.m4s").symlink_to(outside)
    (folder / "others").symlink_to(folder.parent)
    os.mkfifo(folder / "video/pipe")
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/x.js").write_bytes(b"x")

    leave_only(folder, _named(*NAMES))

    left = {str(it.relative_to(folder)) for it in folder.rglob("*")}
    assert {*NAMES, "video", "video/240p"} == left
    assert BODY == outside.read_bytes()


def test_modes_are_ours(folder: Path) -> None:
    """
    Not those that whoever made the files gave to them.
    """
    (folder / NAMES[0]).chmod(0o4777)
    (folder / NAMES[1]).chmod(0o400)
    (folder / "video").chmod(0o1777)
    folder.chmod(0o750)

    leave_only(folder, _named(*NAMES))

    modes = [stat.S_IMODE((folder / name).stat().st_mode) for name in NAMES]
    assert [0o640, 0o640] == modes
    assert 0o750 == stat.S_IMODE((folder / "video").stat().st_mode)


def _link(file: Path, neighbour: Path) -> None:
    file.unlink()
    file.symlink_to(neighbour)


def _hard_link(file: Path, neighbour: Path) -> None:
    file.unlink()
    file.hardlink_to(neighbour)


def _pipe(file: Path, _neighbour: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _longer(file: Path, _neighbour: Path) -> None:
    file.write_bytes(BODY + b"<script>")


def _gone(file: Path, _neighbour: Path) -> None:
    file.unlink()


def _linked_folder(file: Path, neighbour: Path) -> None:
    aside = neighbour.with_name("aside")
    file.parent.rename(aside)
    file.parent.symlink_to(aside)


@pytest.mark.parametrize(
    "change", [_link, _hard_link, _pipe, _longer, _gone, _linked_folder]
)
def test_what_is_not_what_was_verified_is_refused(
    change: Callable[[Path, Path], None], folder: Path
) -> None:
    """
    A link, a pipe, another length, or nothing, where a verified file was.
    """
    change(folder / NAMES[1], folder.parent / "neighbour")

    with pytest.raises(OutputRejected, match=r"00001\.m4s is not what was verified"):
        leave_only(folder, _named(*NAMES))


def test_a_name_leads_nowhere_else(folder: Path) -> None:
    """
    The reporting process has met outputs: its names are not followed out either.
    """
    with pytest.raises(OutputRejected, match="neighbour"):
        leave_only(folder, _named(*NAMES, "../neighbour"))


def test_what_an_encoder_leaves_beside_is_not_published(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """
    A program in its place writes a page into the job's folder; readers do not see it.
    """
    wrapper = tmp_path / "ffmpeg"
    ffmpeg = find_ffmpeg(Settings())
    wrapper.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *libx264*) echo "<script>" > planted.html;; esac\n'
        f'exec {ffmpeg} "$@"\n',
        encoding="ascii",
    )
    wrapper.chmod(0o755)

    done = subprocess.run(
        [
            *(sys.executable, "-m", "transcode", "run", "--json", "--quiet"),
            *(str(make_clip("beside", 1, "64x64")), "--profile", "preview"),
        ],
        cwd=tmp_path,
        env=os.environ | {"TRANSCODE_FFMPEG": str(wrapper)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    manifest = Manifest.from_json(done.stdout)
    named = {Path(output.uri) for output in manifest.outputs}
    (folder,) = (tmp_path / "transcoded").iterdir()
    there = {path for path in folder.rglob("*") if path.is_file()}
    assert {*named, folder / "manifest.json"} == there


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("master.m3u8", "application/vnd.apple.mpegurl"),
        ("video/240p/00001.m4s", "video/iso.segment"),
        ("poster.jpg", "image/jpeg"),
        ("index.html", "application/octet-stream"),
        ("x.svg", "application/octet-stream"),
        ("x.js", "application/octet-stream"),
        ("X.HTML", "application/octet-stream"),
    ],
)
def test_content_types_are_from_a_closed_list(name: str, kind: str) -> None:
    """
    Nothing that we did not mean to make is a page to a browser.
    """

    class Door:
        client = None

    objects = Objects(Door(), "bucket", "")  # type: ignore[arg-type]

    assert kind == objects.about(name, {})["ContentType"]
