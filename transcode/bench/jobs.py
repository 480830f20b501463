"""One job, as `transcode run` does it, measured from outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..contract import Manifest, Plan, Recipe
from .children import Took, run, transcode
from .report import Better, Figure


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with TemporaryDirectory(prefix="transcode-bench-") as name:
        yield Path(name)


def done(file: Path, to: Path, profile: str, *options: str) -> tuple[Took, Manifest]:
    """
    `transcode run` into *to*. Raises as `children.run`.
    """
    argv = transcode("run", str(file), "--profile", profile, "--to", str(to))
    took = run([*argv, *options, "--json", "--quiet"])
    return took, Manifest.from_json(took.out)


def planned(file: Path, profile: str, *options: str) -> Plan:
    """`transcode plan`. Raises as `children.run`."""
    argv = transcode("plan", str(file), "--profile", profile, *options, "--json")
    return Plan.from_json(run(argv).out)


def recipe_of(file: Path, profile: str) -> Recipe:
    """What the plan would make of it, in one piece."""
    [one] = planned(file, profile, "--chunks", "1").tasks
    return one.task.recipe


def figure(
    name: str,
    unit: str,
    better: Better,
    of: dict[str, str],
    values: Sequence[float],
) -> Figure:
    """One that was measured."""
    return Figure(name=name, unit=unit, better=better, of=of, values=tuple(values))
