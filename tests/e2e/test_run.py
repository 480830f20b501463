"""The main job as a user runs it: a video in, verified renditions and a bill out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import Manifest

MakeClip = Callable[..., Path]
Command = Callable[..., Any]


@pytest.fixture(scope="session")
def clip(make_clip: MakeClip) -> Path:
    """Four seconds with sound; x264's default GOPs are too long to be copied."""
    return make_clip("run.mp4", 4, size="640x360")


def test_a_video_becomes_a_ladder_and_a_bill(
    transcode: Command, tmp_path: Path, clip: Path
) -> None:
    """Every output exists as the manifest says, and the bill is the attempts' sum."""
    ended = transcode("run", clip, "--json", "--quiet")

    assert ended.code == 0, ended.err
    assert ended.err == ""
    manifest = Manifest.from_json(ended.out)
    assert manifest.status == "succeeded"
    assert manifest.verification.passed
    names = [Path(o.uri).parent.name for o in manifest.outputs if o.kind == "rendition"]
    assert names == ["360p", "240p"]
    for output in manifest.outputs:
        assert Path(output.uri).stat().st_size == output.bytes
    attempts = [a for task in manifest.tasks for a in task.attempts]
    assert manifest.cost.amount == sum((a.cost.amount for a in attempts), Decimal(0))
    assert manifest.location is not None
    written = Path(manifest.location) / "manifest.json"
    assert json.loads(written.read_text()) == ended.document
    assert [p.name for p in (tmp_path / "transcoded").iterdir()] == [
        written.parent.name
    ]
    # Nothing else is kept of it, and it is listed, shown and added up.
    (listed,) = transcode("jobs", "--json").document
    assert (manifest.job_id, "succeeded", True) == (
        *(listed["job_id"], listed["status"], listed["by_hand"]),
    )
    assert [str(manifest.cost.amount)] == [one["amount"] for one in listed["cost"]]
    shown = transcode("show", written.parent, "--json").document
    assert manifest.job_id == shown["job_id"]
    assert len(attempts) == len(shown["attempts"])
    (total,) = transcode("costs", "--json").document["totals"]
    assert manifest.cost.amount == Decimal(total["cost"])


def test_the_same_job_again_is_answered_with_its_manifest(
    transcode: Command, clip: Path
) -> None:
    """Nothing is done twice; the second answer is the first one's manifest."""
    first = transcode("run", clip, "--profile", "preview", "--json", "--quiet")
    second = transcode("run", clip, "--profile", "preview", "--json", "--quiet")

    assert second.code == 0
    assert second.document == first.document


def test_json_is_alone_on_stdout(transcode: Command, clip: Path) -> None:
    """Progress goes to stderr, also when nobody asked for quiet."""
    ended = transcode("run", clip, "--profile", "preview", "--json")

    assert ended.document["status"] == "succeeded"
    assert "plan" in ended.err


def test_an_attempt_killed_for_its_memory_is_repeated_larger_and_billed(
    transcode: Command, make_clip: MakeClip
) -> None:
    """128 MiB do not hold a 1080p ladder; both attempts stand on the bill."""
    large = make_clip("large.mp4", 2, size="1920x1080")

    ended = transcode(
        "run", large, "--platform", "functiongraph", "--memory", "128",
        "--json", "--quiet",
    )  # fmt: skip

    assert ended.code == 0, ended.err
    manifest = Manifest.from_json(ended.out)
    attempts = manifest.tasks[0].attempts
    if not attempts[0].enforced_by["memory"].startswith("cgroup"):
        pytest.skip("only a cgroup kills for memory")
    assert attempts[0].outcome == "out_of_memory"
    assert attempts[-1].outcome == "succeeded"
    assert all(a.cost.amount > 0 for a in attempts)
    assert attempts[-1].spec.memory_mib > attempts[0].spec.memory_mib


def test_small_and_large_pictures_get_different_specs(
    transcode: Command, make_clip: MakeClip
) -> None:
    """Both on FunctionGraph's list of memory values."""
    memory = []
    for name, size in (("small.mp4", "426x240"), ("huge.mp4", "3840x2160")):
        clip = make_clip(name, 1, size=size)
        ended = transcode("plan", clip, "--platform", "functiongraph", "--json")
        assert ended.code == 0, ended.err
        memory.append(ended.document["tasks"][0]["task"]["spec"]["memory_mib"])

    lattice = [128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584,
               4096, 8192, 10240]  # fmt: skip
    assert memory[0] < memory[1]
    assert set(memory) <= set(lattice)


def test_a_conforming_upload_keeps_its_picture_and_sound(
    transcode: Command, make_clip: MakeClip
) -> None:
    """Two-second closed GOPs of H.264 High: copied on top, the rest cut alike."""
    clip = make_clip(
        "conforming.mp4", 6, size="640x360", rate="25",
        extra=("-g", "50", "-keyint_min", "50", "-sc_threshold", "0",
               "-preset", "veryfast", "-b:v", "600k", "-maxrate", "700k",
               "-bufsize", "700k"),
    )  # fmt: skip

    ended = transcode("run", clip, "--json", "--quiet")

    assert ended.code == 0, ended.err
    made = {
        Path(o["uri"]).parent.name: o["made_by"]
        for o in ended.document["outputs"]
        if o["kind"] in ("rendition", "audio")
    }
    assert made["360p"] == "copied"
    assert made["240p"] == "encoded"
    checks = {c["name"]: c["passed"] for c in ended.document["verification"]["checks"]}
    assert checks["keyframes_aligned"]


def test_a_source_that_changes_meanwhile_is_not_published(
    tmp_path: Path, clip: Path
) -> None:
    """What was planned for is gone: exit 4 and nothing visible."""
    copy = tmp_path / "changing.mp4"
    copy.write_bytes(clip.read_bytes())
    run = subprocess.Popen(
        [sys.executable, "-m", "transcode", "run", str(copy), "--to", "out"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert run.stderr is not None
    # The first line tells the plan: the encoder starts now.
    said = run.stderr.readline()
    os.utime(copy, ns=(1, 1))
    _, rest = run.communicate(timeout=120)

    assert run.returncode == 4, said + rest
    assert "changed" in said + rest
    assert not (tmp_path / "out").exists()
