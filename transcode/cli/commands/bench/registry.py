"""What every bench has: its registration, its report, and the options of several."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...options import PLATFORM, PROFILE
from ..info import wiring

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ....bench.report import BenchReport, Found
    from ....bench.telling import Tell

_BESIDES = frozenset({"repeat", "keep", "runs_file"})
"""Options that change no question."""
WORSE = 4
"""How `--against` ends where something became worse, beyond chance."""
FILES = click.argument(
    "files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False)
)


class Benches(click.Group):
    """In the order in which they are declared here."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)


@click.group(cls=Benches, short_help="Measure speed, cost and quality; one report.")
def bench() -> None:
    """
    Measure what this machine, a profile or a platform delivers.

    Every bench gives one report: on the terminal, as JSON (`--json FILE`) and as a page
    with plots (`--page FILE`). Each figure has the least and the most of its repeats;
    what was not measured is named with the reason. `--against FILE`, an earlier JSON,
    says what became worse beyond chance, and ends with 4 then.

    \b
    Examples:
      transcode bench throughput *.mp4 --profile mp4 --json now.json
      transcode bench throughput *.mp4 --profile mp4 --against now.json
    """


def measures(
    name: str, short_help: str, *, repeat: int = 3
) -> Callable[[Callable[..., Found]], click.Command]:
    """
    Register `transcode bench NAME`.

    The function gets the wiring, somebody to tell of its progress and its own options;
    what every bench has besides is added here, and the report is written here.
    *repeat* is how often everything is measured unless `--repeat` says otherwise; 0:
    there is nothing to repeat.
    """

    def register(function: Callable[..., Found]) -> click.Command:
        def command(
            *,
            out: Path | None,
            page_file: Path | None,
            against: Path | None,
            **own: Any,
        ) -> None:
            _measure(name, function, own, out=out, page_file=page_file, against=against)

        command.__doc__ = function.__doc__
        command.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        if repeat:
            command = click.option(
                "--repeat",
                type=click.IntRange(min=1),
                default=repeat,
                show_default=True,
                help="How often everything is measured; once has no spread.",
            )(command)
        for option in (
            click.option(
                "--against",
                type=_file(exists=True),
                metavar="FILE",
                help="An earlier --json: end with 4 where something is worse.",
            ),
            click.option(
                "--page",
                "page_file",
                type=_file(),
                metavar="FILE",
                help="Write the report as an HTML page with plots.",
            ),
            click.option(
                "--json",
                "out",
                type=_file(allow_dash=True),
                metavar="FILE",
                help="Write the report as JSON; - for standard output.",
            ),
        ):
            command = option(command)
        return bench.command(name, short_help=short_help)(command)

    return register


def _file(*, exists: bool = False, allow_dash: bool = False) -> click.Path:
    return click.Path(
        path_type=Path, dir_okay=False, exists=exists, allow_dash=allow_dash
    )


def _measure(  # noqa: PLR0913 - what every bench has
    name: str,
    function: Callable[..., Found],
    own: Mapping[str, Any],
    *,
    out: Path | None,
    page_file: Path | None,
    against: Path | None,
) -> None:
    from datetime import UTC, datetime

    from ....bench.against import compare, refuse_others
    from ....bench.machine import load, machine_facts
    from ....bench.page import page
    from ....bench.report import BenchReport, Found
    from ....version import __version__
    from ...show.bench import bench_text

    wired = wiring()
    report = BenchReport(
        bench=name,
        version=__version__,
        began_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        machine=machine_facts(wired),
        asked=_asked(own),
        figures=(),
    )
    earlier = None if against is None else _read(against)
    if earlier is not None:
        # Before an hour is spent on what cannot be compared.
        refuse_others(report, earlier)
    began = time.monotonic()
    with _telling() as tell:
        found = function(wired=wired, tell=tell, **own)
    report = report.model_copy(
        update={
            **{name: getattr(found, name) for name in Found.model_fields},
            "seconds": round(time.monotonic() - began, 1),
            "machine": report.machine.model_copy(update={"load_after": load()}),
        }
    )
    differences = None if earlier is None else compare(report, earlier)
    if str(out) == "-":
        click.echo(report.to_json(indent=2))
    else:
        click.echo(bench_text(report, differences))
    if out is not None and str(out) != "-":
        _write(out, report.to_json(indent=2))
    if page_file is not None:
        _write(page_file, page(report, differences or ()))
    if any(it.verdict == "worse" for it in differences or ()):
        sys.exit(WORSE)


def _asked(own: Mapping[str, Any]) -> dict[str, str]:
    """What decides which figures there are; files by their names, wherever they lie."""
    return {
        name.replace("_", "-"): " ".join(
            it.name if isinstance(it, Path) else str(it) for it in several
        )
        for name, value in own.items()
        if name not in _BESIDES and value not in {None, ()}
        for several in (value if isinstance(value, tuple) else (value,),)
    }


def _read(path: Path) -> BenchReport:
    from pydantic import ValidationError

    from ....bench.report import BenchReport
    from ....errors import UsageError

    try:
        return BenchReport.from_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise UsageError(
            f"{str(path)!r} is no report of `transcode bench --json` of this release.",
            path=str(path),
            why=str(exc),
        ) from exc


def _write(path: Path, text: str) -> None:
    from ....errors import DestinationUnwritable

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise DestinationUnwritable(
            f"{str(path)!r} cannot be written: {exc.strerror}.", path=str(path)
        ) from exc


class _telling:  # noqa: N801 - used as a function
    """Where it goes: one line that moves on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._moves = sys.stderr.isatty()

    def __enter__(self) -> Tell:
        from ....bench.telling import Tell

        return Tell(self._show)

    def __exit__(self, *_: object) -> None:
        if self._moves:
            click.echo("\r\x1b[K", err=True, nl=False)

    def _show(self, line: str) -> None:
        from ....units import one_line

        if self._moves:
            click.echo(f"\r\x1b[K{one_line(line)}", err=True, nl=False)
        else:
            click.echo(one_line(line), err=True)


def profiles_option(*names: str) -> Callable[[Any], Any]:
    """`--profile`, as often as wanted; *names* unless it is given."""
    return click.option(
        "--profile",
        "profiles",
        type=PROFILE,
        multiple=True,
        default=names,
        show_default=" and ".join(names),
        help="What is made; may be repeated.",
    )


def profile_option(name: str) -> Callable[[Any], Any]:
    """`--profile`, once."""
    return click.option(
        "--profile", type=PROFILE, default=name, show_default=True,
        help="What is made.",
    )  # fmt: skip


def platform_option(default: str | None = None) -> Callable[[Any], Any]:
    return click.option(
        "--platform", type=PLATFORM, default=default,
        show_default=default is not None, help="Whose specs and prices.",
    )  # fmt: skip


KEEP = click.option(
    "--keep",
    type=_file(),
    metavar="FILE",
    help="Write every run, as `--runs` reads them.",
)
RUNS = click.option(
    "--runs",
    "runs_file",
    type=_file(exists=True),
    metavar="FILE",
    help="Judge those that `--keep` has written, instead of running.",
)
