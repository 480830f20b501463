from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.cli.show.data import list_text, one_text
from transcode.cli.show.media import media_text
from transcode.cli.show.result import result_text
from transcode.contract import Manifest, Media, Verification
from transcode.settings import Settings
from transcode.wiring import wire

Golden = Callable[[str, str], None]


def test_everything_known_of_a_media_is_shown(media: Media, golden: Golden) -> None:
    """Each stream has its block, and what is unknown says why."""
    golden("probe.txt", media_text("/srv/in/clip.mov", media) + "\n")


def test_unknown_facts_are_never_numbers() -> None:
    """A media of which nothing is known shows no zero."""
    media = Media(
        container="mpegts",
        format_name="mpegts",
        duration_seconds=None,
        unknown={"duration_seconds": "timestamps go backwards"},
    )

    text = media_text("/x.ts", media)

    assert "unknown (timestamps go backwards)" in text
    assert "0" not in text


def test_a_result_shows_outputs_bill_and_verification(
    manifest: Manifest, golden: Golden
) -> None:
    """The failed attempt stays on the bill; segments are not listed one by one."""
    golden("run.txt", result_text(manifest) + "\n")


def test_a_result_that_was_there_says_so(manifest: Manifest) -> None:
    """Somebody who runs twice must not think that it was done twice."""
    first, *_ = result_text(manifest, already=True).splitlines()

    assert (
        "Already done on 2026-11-22T19:00:00+00:00, nothing was done again: "
        "clip.mov, profile hls, job 0123456789ab" == first
    )


def test_tables_fit_a_terminal_of_few_columns(manifest: Manifest) -> None:
    """What an attempt is moves to a line of its own; what it cost stays."""
    wide, text = result_text(manifest), result_text(manifest, width=60)

    blocks = {one.split("\n")[0][:4]: one for one in text.split("\n\n")}
    for name in ("Outp", "Bill"):
        assert 60 >= max(map(len, blocks[name].splitlines())), blocks[name]
    assert "encode, try 1" in blocks["Bill"]
    costs = re.findall(r"0\.\d{4,}", wide)
    assert costs
    assert costs == re.findall(r"0\.\d{4,}", text)
    assert wide == result_text(manifest, width=200)


def test_sentences_break_between_words(manifest: Manifest) -> None:
    """As wide as the terminal is, and of the same words."""
    warned = manifest.model_copy(update={"warnings": ("a few words of it " * 9,)})
    wide, text = result_text(warned), result_text(warned, width=60)

    first, *_, verified, warnings = text.split("\n\n")
    for block in (first, verified, warnings):
        assert 60 >= max(map(len, block.splitlines())), block
    assert 2 < len(warnings.splitlines())
    assert all(line.startswith("  ") for line in warnings.splitlines()[1:])
    assert wide.split("\n\n")[-1].split() == warnings.split()


def test_an_attempt_without_a_trace_has_no_figures(manifest: Manifest) -> None:
    """What was not measured is unknown, not free of use."""
    task = manifest.tasks[0]
    lost = task.attempts[0].model_copy(update={"measured": None})
    changed = task.model_copy(update={"attempts": (lost,)})

    text = result_text(manifest.model_copy(update={"tasks": (changed,)}))

    assert "out of memory  unknown  unknown" in text


def test_a_job_without_checks_is_not_called_verified(manifest: Manifest) -> None:
    """Nothing checked is nothing verified."""
    nothing = Verification(passed=False, checks=())

    text = result_text(manifest.model_copy(update={"verification": nothing}))

    assert "Not verified: nothing was checked" in text


@pytest.mark.parametrize("kind", ["profiles", "platforms"])
def test_what_ships_is_listed_in_one_line_each(kind: str) -> None:
    """A name and a title, nothing else."""
    wired = wire(Settings())
    many = wired.catalog.profiles() if kind == "profiles" else wired.catalog.platforms()
    root = Path(__file__).resolve().parents[2] / "profiles"
    folder = root if kind == "profiles" else root / "platforms"

    lines = list_text(many).splitlines()

    names = sorted(path.stem for path in folder.glob("*.toml"))
    assert names == [line.split()[0] for line in lines]
    assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize(
    "name", ["hls", "mp4", "hevc", "av1", "vp9", "audio", "preview"]
)
def test_every_profile_can_be_shown(name: str) -> None:
    """Its digest stands there, so that two versions can be told apart."""
    profile = wire(Settings()).catalog.profile(name)

    text = one_text(profile)

    assert text.startswith(f"{name}: ")
    assert profile.digest in text


@pytest.mark.parametrize(
    "name",
    [
        "functiongraph",
        "aws-lambda",
        "aws-lambda-arm",
        "aws-fargate",
        "aws-ec2",
        "alibaba-fc",
        "cloud-run",
        "local",
    ],
)
def test_every_platform_can_be_shown(name: str, golden: Golden) -> None:
    """Specs, prices, limits, and the date of the price table."""
    platform = wire(Settings()).catalog.platform(name)

    golden(f"platform-{name}.txt", one_text(platform) + "\n")


def test_many_chunks_that_went_well_are_one_line_of_the_bill(
    manifest: Manifest,
) -> None:
    """The longest, the largest and the sum; one that was tried twice stands apart."""
    kind = manifest.tasks[0].model_copy(update={"kind": "chunk"})
    good = kind.attempts[-1]
    alone = [
        kind.model_copy(update={"task_id": f"chunk-{n}", "attempts": (good,)})
        for n in range(1, 6)
    ]
    again = kind.model_copy(update={"task_id": "chunk-6"})
    tasks = (*alone, again)

    text = result_text(manifest.model_copy(update={"tasks": tasks}))

    assert "  5 chunks " in text
    assert "chunk-5" not in text
    assert "chunk-6" in text
    assert f"{5 * good.cost.amount:.4f}" in text
    assert "Of the chunks, time and memory are the largest" in text
    few = result_text(manifest.model_copy(update={"tasks": tuple(alone[:4])}))
    assert "chunk-4" in few
