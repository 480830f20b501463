"""`transcode run` beside the best command that an expert would write by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract import Recipe
from ..errors import UsageError
from ..wiring import Wiring
from .by_hand import Tools, by_hand, made_bytes, refuse_unwritten
from .children import Took, run
from .clips import named, own_clip
from .jobs import done, figure, recipe_of, scratch
from .report import Figure, Found
from .telling import Tell
from .variants import kept, without_copying

_NOTE = (
    "Both make the same renditions: sizes, presets, quality, caps and keyframes of the "
    "command by hand are read from the plan. What only transcode does counts against "
    "it (probing, planning, stills, verification, checksums, the bill), what it saves "
    "by scaling from the next larger rendition for it. They alternate, and take turns "
    "at going first, after one uncounted warm-up each."
)
_COPIED = (
    "Where the plan copies the picture, `copied` sets that against encoding by hand; "
    "`encoded` is the same file with copying switched off, the row of equal work."
)
_IMPORTED = {
    "command line": "transcode.cli.main",
    "job": "transcode.jobs.several",
    "worker": "transcode.invoke.worker",
}
"""What is imported before a job begins; a worker imports the rest while it is read."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """One run of each, made back to back."""

    ours: Took
    hand: Took


def overhead(
    files: Sequence[Path],
    profiles: Sequence[str],
    *,
    repeat: int,
    wired: Wiring,
    tell: Tell,
) -> Found:
    """Each file under each profile, the difference on one second, and the imports."""
    tools = Tools.found(wired.settings)
    figures: list[Figure] = []
    with scratch() as folder:
        given = named(files) or [
            own_clip(folder, wired.settings, seconds=10, height=height)
            for height in (480, 720)
        ]
        short = own_clip(folder, wired.settings, seconds=1, height=240)
        for name in profiles:
            profile = wired.catalog.profile(name)
            plain = kept(without_copying(profile), folder, f"{profile.name}-encoded")
            for file in given:
                figures += _compared(file, plain, name, "encoded", repeat, tools, tell)
                if _copies(recipe_of(file, name)):
                    figures += _compared(
                        file, name, name, "copied", repeat, tools, tell
                    )
            figures += _fixed(short, plain, name, repeat, tools, tell)
    figures += _imports(repeat, tell)
    return Found(figures=tuple(figures), notes=(_NOTE, _COPIED))


def _copies(recipe: Recipe) -> bool:
    return any(video.made_by == "copied" for video in recipe.video)


def _compared(  # noqa: PLR0913, PLR0917 - a row is just this
    file: Path,
    profile: str,
    name: str,
    work: str,
    repeat: int,
    tools: Tools,
    tell: Tell,
) -> Iterator[Figure]:
    of = {"file": file.name, "profile": name, "work": work}
    try:
        pairs, size = _pairs(file, profile, f"{file.name}, {name}, {work}", repeat,
                             tools, tell)  # fmt: skip
    except UsageError as exc:
        yield Figure(name="ratio", unit="", better="less", of=of, reason=exc.message)
        return
    wall = [it.ours.wall_seconds / it.hand.wall_seconds for it in pairs]
    cpu = [it.ours.cpu_seconds / it.hand.cpu_seconds for it in pairs]
    yield figure("ratio", "", "less", of, wall)
    yield figure("cpu_ratio", "", "less", of, cpu)
    yield figure("ours", "s", "less", of, [it.ours.wall_seconds for it in pairs])
    yield figure("by_hand", "s", None, of, [it.hand.wall_seconds for it in pairs])
    yield figure("bytes_ratio", "", None, of, [size])


def _fixed(  # noqa: PLR0913, PLR0917 - as above
    clip: Path, profile: str, name: str, repeat: int, tools: Tools, tell: Tell
) -> Iterator[Figure]:
    of = {"clip of one second": name}
    try:
        pairs, _ = _pairs(clip, profile, f"fixed, {name}", repeat, tools, tell)
    except UsageError as exc:
        yield Figure(name="fixed", unit="s", better="less", of=of, reason=exc.message)
        return
    wall = [it.ours.wall_seconds - it.hand.wall_seconds for it in pairs]
    cpu = [it.ours.cpu_seconds - it.hand.cpu_seconds for it in pairs]
    yield figure("fixed", "s", "less", of, wall)
    yield figure("fixed_cpu", "s", "less", of, cpu)


def _imports(repeat: int, tell: Tell) -> Iterator[Figure]:
    """CPU seconds, less those of a Python that imports nothing, in turn with it."""
    for what, module in _IMPORTED.items():
        found = []
        for number in range(repeat):
            tell.repeat(f"imports, {what}", number, repeat)
            took, bare = (
                run([sys.executable, "-P", "-c", code]).cpu_seconds
                for code in (f"import {module}", "")
            )
            found.append(took - bare)
        yield figure("import_cpu", "s", "less", {"imports of": what}, found)


def _pairs(  # noqa: PLR0913, PLR0917 - as above
    file: Path, profile: str, what: str, repeat: int, tools: Tools, tell: Tell
) -> tuple[list[_Pair], float]:
    """*repeat* pairs, and our bytes over the other's; the first pair warms up."""
    recipe = recipe_of(file, profile)
    refuse_unwritten(recipe)
    found, size = [], 1.0
    for number in range(repeat + 1):
        tell = tell.begin(f"{what}, warming up") if not number else (
            tell.repeat(what, number - 1, repeat)
        )  # fmt: skip
        with scratch() as folder:
            if number % 2:
                hand = by_hand(recipe, file, folder / "hand", tools)
                ours, manifest = done(file, folder / "ours", profile)
            else:
                ours, manifest = done(file, folder / "ours", profile)
                hand = by_hand(recipe, file, folder / "hand", tools)
            made = made_bytes(recipe, folder / "hand")
        renditions = [o for o in manifest.outputs if o.kind == "rendition" and o.video]
        if made:
            size = sum(o.media_bytes or o.bytes for o in renditions) / sum(
                made.values()
            )
        if number:
            found.append(_Pair(ours, hand))
    return found, size
