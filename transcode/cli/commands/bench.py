"""The command that measures: `bench`, with one subcommand for each question."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..options import PLATFORM, PROFILE, engine_option
from .info import wiring

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ...bench.report import BenchReport, Found
    from ...bench.telling import Tell
    from ...wiring import Wiring

_BESIDES = frozenset({"repeat", "keep", "runs_file"})
"""Options that change no question."""
WORSE = 4
"""How `--against` ends where something became worse, beyond chance."""
_FILES = click.argument(
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

    from ...bench.against import compare, refuse_others
    from ...bench.machine import load, machine_facts
    from ...bench.page import page
    from ...bench.report import BenchReport, Found
    from ...version import __version__
    from ..show.bench import bench_text

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

    from ...bench.report import BenchReport
    from ...errors import UsageError

    try:
        return BenchReport.from_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise UsageError(
            f"{str(path)!r} is no report of `transcode bench --json` of this release.",
            path=str(path),
            why=str(exc),
        ) from exc


def _write(path: Path, text: str) -> None:
    from ...errors import DestinationUnwritable

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
        from ...bench.telling import Tell

        return Tell(self._show)

    def __exit__(self, *_: object) -> None:
        if self._moves:
            click.echo("\r\x1b[K", err=True, nl=False)

    def _show(self, line: str) -> None:
        from ...units import one_line

        if self._moves:
            click.echo(f"\r\x1b[K{one_line(line)}", err=True, nl=False)
        else:
            click.echo(one_line(line), err=True)


@measures("throughput", "Jobs, minutes and money an hour, from a queue.")
@_FILES
@click.option(
    "--profile",
    "profiles",
    type=PROFILE,
    multiple=True,
    default=("mp4",),
    show_default="mp4",
    help="What is made; may be repeated.",
)
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    multiple=True,
    help="Jobs side by side; may be repeated. Default: 1, 2, 4 … up to the cores.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="How many a queue has; FILES are taken in turn.",
)
@click.option(
    "--load",
    type=click.FloatRange(0, 0.95),
    default=0.7,
    show_default=True,
    help="How busy arrivals keep the machine, for their latency; 0: no arrivals.",
)
@click.option("--platform", type=PLATFORM, help="Whose specs and prices.")
@engine_option
@click.option(
    "--optimize",
    type=click.Choice(("balanced", "cost", "time")),
    default="balanced",
    show_default=True,
    help="As of `sweep` and `watch`.",
)
def throughput(  # noqa: PLR0913 - one argument per option
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profiles: tuple[str, ...],
    at_once: tuple[int, ...],
    jobs: int,
    load: float,
    platform: str | None,
    engine: str,
    optimize: str,
    repeat: int,
) -> Found:
    """
    Work off a queue of FILES, and take arrivals, as `sweep` and `watch` do.

    Told are jobs and output minutes an hour, CPU seconds and money for a minute of
    output, how busy the cores were, and the latency of uploads that arrive at random.
    Without FILES the bench makes a clip of 6 s at 720p.

    \b
    Examples:
      transcode bench throughput
      transcode bench throughput in/*.mp4 --profile hls --profile mp4 --at-once 2
      transcode bench throughput --platform functiongraph --json fg.json
    """
    from ...bench.throughput import Throughput
    from ...bench.throughput import throughput as measured

    for name in profiles:
        wired.catalog.profile(name)
    options = [f"--engine={engine}", f"--optimize={optimize}"]
    if platform is not None:
        options.append(f"--platform={platform}")
    asked = Throughput(
        profiles=profiles,
        side_by_side=at_once,
        jobs=jobs,
        repeat=repeat,
        load=load,
        options=tuple(options),
    )
    return measured(files, asked, wired, tell)


@measures("overhead", "Beside the best command written by hand.", repeat=5)
@_FILES
@click.option(
    "--profile",
    "profiles",
    type=PROFILE,
    multiple=True,
    default=("hls", "mp4"),
    show_default="hls and mp4",
    help="What is made; may be repeated.",
)
def overhead(
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profiles: tuple[str, ...],
    repeat: int,
) -> Found:
    """
    `transcode run` beside one ffmpeg and Shaka Packager, written by hand.

    \b
    Examples:
      transcode bench overhead
      transcode bench overhead clip.mov --profile mp4 --repeat 9
    """
    from ...bench.overhead import overhead as measured

    for name in profiles:
        wired.catalog.profile(name)
    return measured(files, profiles, repeat=repeat, wired=wired, tell=tell)


@measures("peers", "Beside shaka-streamer, where it is installed.")
@_FILES
def peers(*, wired: Wiring, tell: Tell, files: tuple[Path, ...], repeat: int) -> Found:
    """
    The same ladder with the same preset, by another tool.

    \b
    Examples:
      transcode bench peers clip.mov
    """
    from ...bench.peers import peers as measured

    return measured(files, repeat=repeat, wired=wired, tell=tell)


@measures("quality", "Rate and VMAF of codecs and presets; what one saves.", repeat=0)
@_FILES
@click.option(
    "--way",
    "ways",
    multiple=True,
    metavar="CODEC:PRESET",
    default=("h264:veryfast", "h264:medium", "hevc:fast", "av1:10"),
    show_default="h264:veryfast h264:medium hevc:fast av1:10",
    help="How it is encoded; may be repeated. Others are set beside the first.",
)
def quality(
    *, wired: Wiring, tell: Tell, files: tuple[Path, ...], ways: tuple[str, ...]
) -> Found:
    """
    Encode in several ways at four rate factors each: curves, and BD-rate.

    \b
    Examples:
      transcode bench quality film.mov --page curves.html
      transcode bench quality film.mov --way h264:veryfast --way av1:8
    """
    from ...bench.quality import quality as measured
    from ...bench.quality import way_of

    return measured(files, [way_of(it) for it in ways], wired=wired, tell=tell)


@measures("chunks", "In chunks beside one piece: what it costs and brings.")
@_FILES
@click.option("--profile", type=PROFILE, default="hls", show_default=True,
              help="What is made.")  # fmt: skip
@click.option(
    "--count",
    "counts",
    type=click.IntRange(min=2),
    multiple=True,
    default=(2,),
    show_default="2",
    help="How many chunks; may be repeated.",
)
@click.option(
    "--memory",
    "memory_mib",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="MiB of every task, on functiongraph.",
)
def chunks(  # noqa: PLR0913 - one argument per option
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profile: str,
    counts: tuple[int, ...],
    memory_mib: int,
    repeat: int,
) -> Found:
    """
    The same job in chunks and in one piece, each task in the same spec.

    \b
    Examples:
      transcode bench chunks film.mov --count 2 --count 4
    """
    from ...bench.chunks import chunks as measured

    return measured(
        files,
        counts,
        profile=profile,
        memory_mib=memory_mib,
        repeat=repeat,
        wired=wired,
        tell=tell,
    )


_KEEP = click.option(
    "--keep",
    type=_file(),
    metavar="FILE",
    help="Write every run, as `--runs` reads them.",
)
_RUNS = click.option(
    "--runs",
    "runs_file",
    type=_file(exists=True),
    metavar="FILE",
    help="Judge those that `--keep` has written, instead of running.",
)


@measures("accuracy", "Predictions beside what files took.", repeat=0)
@_FILES
@click.option(
    "--profile",
    "profiles",
    type=PROFILE,
    multiple=True,
    default=("preview", "mp4"),
    show_default="preview and mp4",
    help="What is made; may be repeated.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    multiple=True,
    default=(512, 1024, 2048),
    show_default="512 1024 2048",
    help="MiB of the specs; may be repeated.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=6.0,
    show_default=True,
    help="Of each file, from its beginning.",
)
@click.option("--platform", type=PLATFORM, default="functiongraph", show_default=True,
              help="Whose specs and prices.")  # fmt: skip
@click.option(
    "--sample/--no-sample", default=True, show_default=True, help="Take one of each."
)
@_KEEP
@_RUNS
def accuracy(  # noqa: PLR0913 - one argument per option
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profiles: tuple[str, ...],
    memory: tuple[int, ...],
    seconds: float,
    platform: str,
    sample: bool,
    keep: Path | None,
    runs_file: Path | None,
) -> Found:
    """
    Run FILES in several specs, and set what they took beside the predictions.

    \b
    Examples:
      transcode bench accuracy *.mp4 --keep runs.json
      transcode bench accuracy --runs runs.json
    """
    from ...bench import accuracy as bench_
    from ...bench.clips import clips_for

    if runs_file is not None:
        return bench_.accuracy(bench_.read(runs_file), wired)
    with clips_for(files, wired.settings) as given:
        cells = [
            bench_.Cell(
                file=file,
                profile=profile,
                memory=mib,
                milli_cpus=0,
                platform=platform,
                seconds=seconds,
                sample=sample,
                settings=wired.settings,
            )
            for file in given
            for profile in profiles
            for mib in memory
        ]
        runs = bench_.measure(cells, seen=bench_.kept(keep), milli_cpus=None, tell=tell)
    return bench_.accuracy(runs, wired)


@measures("frontier", "Our choices beside the best of every file.", repeat=0)
@_FILES
@click.option(
    "--profile",
    "profiles",
    type=PROFILE,
    multiple=True,
    default=("preview",),
    show_default="preview",
    help="What is made; may be repeated.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    multiple=True,
    help="MiB of the specs; may be repeated. Default: eleven of functiongraph's.",
)
@click.option(
    "--longest",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Predicted seconds; what takes longer is not run, and counts as late.",
)
@_KEEP
@_RUNS
def frontier(  # noqa: PLR0913 - one argument per option
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profiles: tuple[str, ...],
    memory: tuple[int, ...],
    longest: float,
    keep: Path | None,
    runs_file: Path | None,
) -> Found:
    """
    Every file in every spec, and what our choice cost over the best: regret.

    Takes long: files times specs. A quiet machine, or its neighbours are measured.

    \b
    Examples:
      transcode bench frontier *.mp4 --keep runs.json --page frontier.html
      transcode bench frontier --runs runs.json
    """
    from ...bench.accuracy import kept, read
    from ...bench.clips import clips_for
    from ...bench.frontier import Search, exhaust
    from ...bench.frontier import frontier as judged

    if runs_file is not None:
        return judged(read(runs_file), wired)
    asked = Search(profiles=profiles, memory=memory, longest=longest)
    with clips_for(files, wired.settings) as given:
        runs = exhaust(given, asked, wired, tell, seen=kept(keep))
    return judged(runs, wired)


@measures("simulate", "A day of a million uploads on platforms' functions.", repeat=0)
@click.option(
    "--uploads",
    type=click.IntRange(min=1),
    default=1_000_000,
    show_default=True,
    help="How many come on that day.",
)
@click.option(
    "--profile", type=PROFILE, default="hls", show_default=True, help="What is made."
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of what is drawn by lot."
)
def simulate(
    *, wired: Wiring, tell: Tell, uploads: int, profile: str, seed: int
) -> Found:
    """
    Simulate a day of uploads on FunctionGraph and Lambda, event by event.

    Told are cost and latency with a spec chosen for each task and with one for all,
    how many run at once, what is discarded or waits, and what the assumptions are
    worth. Nothing is called, and nothing is encoded.

    \b
    Examples:
      transcode bench simulate --page day.html
      transcode bench simulate --uploads 20000 --profile mp4
    """
    from ...bench.simulate import DayAsked, simulated_days

    asked = DayAsked(uploads=uploads, profile=profile, seed=seed)
    return simulated_days(wired, tell, asked)
