"""Each bench measures, in small, and says what it could not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.bench.accuracy import Cell, run_cell
from transcode.bench.by_hand import Tools, by_hand, made_bytes, refuse_unwritten
from transcode.bench.chunks import _packets
from transcode.bench.jobs import done, recipe_of
from transcode.bench.peers import peers
from transcode.bench.quality import vmaf
from transcode.bench.telling import Tell
from transcode.bench.variants import kept, pictures_alone, without_copying
from transcode.contract import OutcomeKind
from transcode.errors import UsageError
from transcode.settings import Settings
from transcode.wiring import Wiring, wire

SILENT = Tell(lambda _line: None)


@pytest.fixture(scope="module")
def wired() -> Wiring:
    return wire(Settings())


def test_by_hand_is_set_beside_ours(
    make_clip: Callable[..., Path], wired: Wiring, tmp_path: Path
) -> None:
    """Equal work: the same renditions, of about the same bytes."""
    clip, tools = make_clip("one", seconds=1), Tools.found(wired.settings)
    plain = kept(without_copying(wired.catalog.profile("mp4")), tmp_path, "plain")
    recipe = recipe_of(clip, plain)
    hand = by_hand(recipe, clip, tmp_path / "hand", tools)
    ours, manifest = done(clip, tmp_path / "ours", plain)

    assert min(hand.cpu_seconds, ours.cpu_seconds) > 0
    [rendition] = [it for it in manifest.outputs if it.kind == "rendition"]
    [size] = made_bytes(recipe, tmp_path / "hand").values()
    assert rendition.bytes == pytest.approx(size, rel=0.2)


def test_what_no_hand_has_written_is_named(
    make_clip: Callable[..., Path],
) -> None:
    """A codec without a command here, instead of a comparison with another one."""
    recipe = recipe_of(make_clip("one", seconds=1), "av1")

    with pytest.raises(UsageError, match="no command by hand is written here for"):
        refuse_unwritten(recipe)


def test_a_peer_that_is_not_there_is_named(
    make_clip: Callable[..., Path],
    wired: Wiring,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The report is one all the same."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = peers([make_clip("one", seconds=1)], repeat=1, wired=wired, tell=SILENT)

    [unknown] = found.figures
    assert "shaka-streamer is not installed" in (unknown.reason or "")


def test_a_file_shorter_than_asked_for_is_taken_as_a_whole(
    make_clip: Callable[..., Path],
) -> None:
    """It had ended the bench, and the hours before it were for nothing."""
    cell = Cell(
        file=make_clip("one", seconds=1),
        profile="preview",
        memory=1024,
        milli_cpus=1000,
        seconds=6.0,
        platform="functiongraph",
        sample=False,
        settings=Settings(),
    )
    _, _, ran = run_cell(cell)

    assert ran is not None
    assert OutcomeKind.SUCCEEDED is ran.attempt.outcome
    assert 1.0 == pytest.approx(ran.media.duration_seconds, abs=0.1)


def test_a_variant_is_planned_as_it_says(
    make_clip: Callable[..., Path], wired: Wiring, tmp_path: Path
) -> None:
    """What is written as TOML is read as the same profile."""
    base = wired.catalog.profile("vp9")
    path = kept(without_copying(base), tmp_path, "mine")
    alone = kept(pictures_alone(base), tmp_path, "alone")

    assert wired.catalog.profile(path) == without_copying(base).model_copy(
        update={"name": "mine"}
    )
    recipe = recipe_of(make_clip("one", seconds=1), alone)
    assert ({"encoded"}, ()) == ({v.made_by for v in recipe.video}, recipe.audio)


def test_a_copy_is_as_good_as_its_source(
    make_clip: Callable[..., Path], wired: Wiring
) -> None:
    """VMAF of a copy is 97 and more, by its fit; some packets are keyframes."""
    ffmpeg = Tools.found(wired.settings).ffmpeg
    clip = make_clip("one", seconds=1)

    assert 97 < vmaf(clip, clip, ffmpeg)
    every, keys = _packets(clip, ffmpeg)
    assert isinstance(every, tuple)
    assert isinstance(keys, tuple)
    assert 0 < len(keys) < len(every)
