"""In hardware, and what stands in for it when that fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..contract import Task
from .command.codecs import SOFTWARE, software_stand_in
from .toolchain import proves

__all__ = ["Way", "ways_to_do"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do the task; the next is tried when its hardware fails."""

    task: Task
    hardware_decode: bool
    note: str | None
    """What to tell when this way was taken."""


def ways_to_do(task: Task, ffmpeg: str) -> Iterator[Way]:
    """The best one first; one at least."""
    recipe = task.recipe
    named = set() if recipe.chunks else {r.encoder for r in recipe.video}
    hardware = [encoder for encoder in SOFTWARE if encoder in named]
    if not hardware:
        yield Way(task, hardware_decode=False, note=None)
        return
    names = ", ".join(hardware)
    unproven = [name for name in hardware if not proves(ffmpeg, name)]
    if unproven:
        note = f"{', '.join(unproven)} made no test picture here: encoded in software."
    else:
        yield Way(task, hardware_decode=True, note=None)
        yield Way(
            task,
            hardware_decode=False,
            note=f"Decoded in software, encoded by {names}.",
        )
        note = f"Encoded in software instead of by {names}."
    renditions = tuple(software_stand_in(r) for r in recipe.video)
    softened = recipe.model_copy(update={"video": renditions})
    yield Way(task.model_copy(update={"recipe": softened}), False, note)
