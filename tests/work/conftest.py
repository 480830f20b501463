"""Tasks made by hand for real clips: what a plan would say, without a planner."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest

from transcode.contract import (
    AudioRendition,
    CmafPackaging,
    Interval,
    Media,
    Money,
    OutcomeKind,
    Produced,
    Progress,
    Recipe,
    Source,
    Spec,
    Task,
    Usage,
    VideoRendition,
)
from transcode.plan.profile import parse_profile
from transcode.plan.recipe import make_recipe as choose_recipe
from transcode.probe.probe import probe
from transcode.settings import Settings
from transcode.work.perform import perform
from transcode.work.toolchain import capabilities

Done = Callable[..., tuple[Produced, Path]]


class MakeTask(Protocol):
    """Makes a task for a recipe; the media are probed unless given."""

    def __call__(
        self, path: Path, recipe: Recipe, *, media: Media | None = None
    ) -> Task: ...


class Perform(Protocol):
    """Performs a task in a fresh folder; what came out, and where."""

    def __call__(
        self, task: Task, settings: Settings | None = None
    ) -> tuple[Produced, Path]: ...


class MakeRecipe(Protocol):
    """Two H.264 renditions and AAC as CMAF, unless told otherwise."""

    def __call__(self, **changes: Any) -> Recipe: ...


@pytest.fixture(scope="session")
def made(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A file of its own made by ffmpeg from the given arguments."""
    folder = tmp_path_factory.mktemp("made")

    def make(name: str, *arguments: object) -> Path:
        path = folder / name
        argv = [ffmpeg, "-nostdin", "-v", "error", "-y", *map(str, arguments)]
        subprocess.run([*argv, str(path)], check=True)
        return path

    return make


class Through(Protocol):
    """Probes, plans and performs: an upload and a profile in, what came out."""

    def __call__(self, path: Path, profile: str) -> tuple[Produced, Path, Task]: ...


SMALL = """
[video]
codec = "h264"
preset = "ultrafast"
[[video.rungs]]
short_side = 120
crf = 30
max_bit_rate_kbps = 300
"""
FORMS = {
    "hls": '[packaging]\ntype = "cmaf"\n' + SMALL,
    "mp4": '[packaging]\ntype = "file"\n' + SMALL,
    "fine": '[packaging]\ntype = "file"\n'
    + SMALL.replace("crf = 30", "crf = 3").replace("= 300", "= 30000"),
    "large": '[packaging]\ntype = "file"\n' + SMALL.replace("= 120", "= 240"),
    "sound": '[packaging]\ntype = "file"\n[subtitles]\nkeep = false\n',
}
"""The beginning of a small profile in each form; what is asked of sound follows."""


@pytest.fixture
def through(make_task: MakeTask, performed: Perform) -> Through:
    """*profile* is the name of one of `FORMS`, a line's end, and the rest of it."""

    def do(path: Path, profile: str) -> tuple[Produced, Path, Task]:
        form, _, rest = profile.partition("\n")
        text = f'name = "test"\ntitle = "test"\n{FORMS[form]}\n{rest}'
        source = Source(
            uri=path.name,
            bytes=path.stat().st_size,
            etag=None,
            location=str(path),
        )
        media = anyio.run(probe, source)
        wanted = parse_profile(text, origin="test")
        decision = choose_recipe(media, wanted, capabilities(Settings()))
        task = make_task(path, decision.recipe, media=media)
        produced, staging = performed(task)
        return produced, staging, task

    return do


@pytest.fixture(scope="session")
def make_task() -> MakeTask:
    """A task of one CPU for a file."""
    usage = Usage(wall_seconds=1.0, cpu_seconds=1.0, peak_memory_bytes=1)
    cost = Money(amount=Decimal(0), currency="USD")

    def make(path: Path, recipe: Recipe, *, media: Media | None = None) -> Task:
        size = path.stat().st_size if path.exists() else None
        source = Source(uri=path.name, bytes=size, etag=None, location=str(path))
        if media is None:
            media = anyio.run(probe, source)
        return Task(
            task_id="task",
            job_id="job",
            source=source,
            media=media,
            recipe=recipe,
            spec=Spec(memory_mib=1024, milli_cpus=1000),
            predicted=usage,
            predicted_wall=Interval(low=1.0, high=1.0),
            predicted_cost=cost,
        )

    return make


@pytest.fixture
def performed(tmp_path: Path) -> Perform:
    """Each call has its own folders."""
    count = 0

    def do(task: Task, settings: Settings | None = None) -> tuple[Produced, Path]:
        nonlocal count
        count += 1
        staging = tmp_path / f"staging-{count}"
        produced = perform(
            task,
            staging=staging,
            scratch=tmp_path / f"scratch-{count}",
            settings=settings or Settings(),
            report=ignore,
        )
        return produced, staging

    return do


def ignore(progress: Progress) -> None:
    """Nobody watches."""


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """What is made by a task, of another recipe, in a folder of its own."""

    def do(task: Task, recipe: Recipe, **changes: Any) -> tuple[Produced, Path]:
        folder = tmp_path_factory.mktemp("done")
        produced = perform(
            task.model_copy(update={"recipe": recipe, **changes}),
            staging=folder / "staging",
            scratch=folder / "scratch",
            settings=Settings(),
            report=ignore,
        )
        assert (OutcomeKind.SUCCEEDED, None) == (produced.outcome, produced.failure)
        return produced, folder / "staging"

    return do


@pytest.fixture(scope="session")
def video() -> Callable[..., VideoRendition]:
    """An H.264 rendition of the given size, changed as told."""

    def make(width: int, height: int, **changes: Any) -> VideoRendition:
        rendition = VideoRendition(
            name=f"{height}p",
            made_by="encoded",
            codec="h264",
            encoder="libx264",
            width=width,
            height=height,
            codec_profile="high",
            crf=23,
            max_bit_rate=1_000_000,
            buffer_bits=2_000_000,
            preset="ultrafast",
        )
        return rendition.model_copy(update=changes)

    return make


@pytest.fixture(scope="session")
def audio() -> Callable[..., AudioRendition]:
    """AAC, stereo, of the clip's second stream, changed as told."""

    def make(**changes: Any) -> AudioRendition:
        rendition = AudioRendition(
            name="aac",
            made_by="encoded",
            codec="aac",
            encoder="aac",
            source_index=1,
            bit_rate=96_000,
            sample_rate=48_000,
            channels=2,
            default=True,
        )
        return rendition.model_copy(update=changes)

    return make


@pytest.fixture(scope="session")
def make_recipe(
    video: Callable[..., VideoRendition], audio: Callable[..., AudioRendition]
) -> MakeRecipe:
    """The recipe of a small streaming ladder."""

    def make(**changes: Any) -> Recipe:
        recipe = Recipe(
            video_index=0,
            video=(video(320, 240), video(160, 120)),
            audio=(audio(),),
            packaging=CmafPackaging(segment_seconds=4),
            gop_seconds=2,
        )
        return Recipe.model_validate(recipe.model_dump() | changes)

    return make
