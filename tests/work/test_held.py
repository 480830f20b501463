"""What becomes of a rendition that is not as good as it was to be."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import FilePackaging, OutputFile, QualityFacts, Recipe, Task
from transcode.contract.recipe import QualityTarget
from transcode.work.held import Compared, corrected, said_of

_MISSED = QualityFacts(
    vmaf=90.0,
    least=80.0,
    deviation=2.0,
    worst_part=85.0,
    pictures=20,
    seconds=3.6,
    model="1080p",
    target=93.0,
    crf=24.0,
)


@pytest.fixture
def missed(
    make_recipe: Any, video: Any, audio: Any, make_task: Any
) -> Callable[..., Task]:
    """A task whose 270p came out 3 below its target; *most*: its cap, bits/s."""

    def make(made: Path, *, most: int) -> Task:
        target = QualityTarget(score=93.0, model="1080p", expected=93.0)
        packaging = FilePackaging(
            files=(
                OutputFile(
                    name=made.name, container="mp4", video="270p", audio=("aac",)
                ),
            )
        )
        recipe: Recipe = make_recipe(
            video=(video(480, 270, crf=24.0, max_bit_rate=most, target=target),),
            audio=(audio(bit_rate=320_000),),
            packaging=packaging,
        )
        task: Task = make_task(made, recipe)
        return task

    return make


@pytest.fixture(scope="module")
def made(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Ten seconds: four of noise, held at 600 kbit/s, and six of nothing; loud sound.
    """
    path = tmp_path_factory.mktemp("made") / "video.mp4"
    argv = f"{ffmpeg} -v error -f lavfi -i color=gray:s=480x270:r=25:d=10 -f lavfi"
    argv += " -i anoisesrc=r=48000:d=10 -vf noise=alls=40:allf=t:enable='lt(t,4)'"
    argv += " -c:v libx264 -preset ultrafast -crf 24 -maxrate 600k -bufsize 600k"
    subprocess.run([*argv.split(), "-c:a", "aac", "-b:a", "320k", path], check=True)
    return path


def test_what_its_cap_holds_is_not_encoded_again(
    missed: Callable[..., Task], made: Path
) -> None:
    """Of what is hard, though on average it is far below; whoever asks is told."""
    task, held = missed(made, most=600_000), Compared({"270p": _MISSED})

    assert corrected(task, held, made.parent) is None
    (said,) = said_of(task, held, None, made.parent)
    assert said.endswith(
        "from 80.0 up; at most 600 kbit/s, it had no more bits to get."
    )


def test_what_parts_scatter_by_is_no_miss(
    missed: Callable[..., Task], made: Path
) -> None:
    """Six parts of which one may be anything: it is said, and not paid for twice."""
    task = missed(made, most=1_000_000)
    facts = _MISSED.model_copy(update={"standard_error": 2.1})

    held = Compared({"270p": facts})

    assert corrected(task, held, made.parent) is None
    (said,) = said_of(task, held, None, made.parent)
    assert said == "270p misses VMAF 93: 90.0 ± 2.1 on 3.6 s of it, from 80.0 up."


@pytest.mark.parametrize(
    ("vmaf", "error", "crf"),
    [(94.5, None, 24.0), (95.6, None, 24.0), (95.6, 0.8, 24.0), (95.6, None, 38.0)],
)
def test_what_is_far_too_good_is_encoded_again(
    missed: Callable[..., Task],
    made: Path,
    *,
    vmaf: float,
    error: float | None,
    crf: float,
) -> None:
    """
    It would take a fifth too many bits for good: not where parts scatter by that, nor
    at the most frugal factor there is.
    """
    task = missed(made, most=1_000_000)
    (rendition,) = task.recipe.video
    video = (rendition.model_copy(update={"crf": crf}),)
    recipe = task.recipe.model_copy(update={"video": video})
    task = task.model_copy(update={"recipe": recipe})
    facts = _MISSED.model_copy(update={"vmaf": vmaf, "standard_error": error})

    other = corrected(task, Compared({"270p": facts}), made.parent)

    assert ((95.6, None, 24.0) == (vmaf, error, crf)) == (other is not None)
    if other is not None:
        (rendition,) = other.recipe.video
        assert rendition.crf is not None
        assert 24.0 < rendition.crf < 28.0


def test_what_has_bits_left_is_encoded_again(
    missed: Callable[..., Task], made: Path
) -> None:
    """Sound in the same file takes none of them."""
    task, held = missed(made, most=1_000_000), Compared({"270p": _MISSED})

    better = corrected(task, held, made.parent)

    assert better is not None
    (rendition,) = better.recipe.video
    assert rendition.crf is not None
    assert rendition.crf < 24.0
    (said,) = said_of(task, held, None, made.parent)
    assert said == "270p misses VMAF 93: 90.0 on 3.6 s of it, from 80.0 up."
