"""The outermost edge: an exception becomes one paragraph and an exit code."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from .commands.run import transcode
from .completion import VARIABLE
from .settings_file import defaults, origin_of

_STATUS = {2: "rejected", 3: "rejected", 5: "rejected", 130: "cancelled"}
BUG = 4
UNANSWERED = 4


def run_command_line(argv: Sequence[str]) -> int:
    """
    Run one command; returns the exit code and never raises but KeyboardInterrupt.

    Whatever went wrong is told in one paragraph on stderr; with `--json` the same
    stands on stdout as the run's only document.
    """
    if sys.stdout is None:
        # `transcode … >&-`: Python gives no stream where the descriptor was closed.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - until we end
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show must not end a job that succeeded.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with _readers_that_leave():
        try:
            return _run(argv)
        except AnswerLost as exc:
            # What is still buffered must not fail once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _tell(f"The answer cannot be written to standard output: {exc}.")
            return UNANSWERED
    # `transcode plan clip.mov | head -1`: the reader has seen enough.
    return 0


class Unfailing(io.TextIOWrapper):
    """
    A stream whose failures are nobody's business.

    Progress goes to `2>run.log`; a full disk there must not end the work.
    """

    def write(self, text: str, /) -> int:
        """All of it, or as much as can be."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """As far as possible."""
        with suppress(OSError):
            super().flush()


class AnswerLost(Exception):
    """Standard output takes no more, as where it leads to a full disk."""


class Answering(io.TextIOWrapper):
    """Standard output, whose failures are told from all others."""

    def write(self, text: str, /) -> int:
        """Raises AnswerLost, or BrokenPipeError where the reader has left."""
        with _lost():
            return super().write(text)

    def flush(self) -> None:
        """Raises AnswerLost, or BrokenPipeError where the reader has left."""
        with _lost():
            super().flush()


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise AnswerLost((exc.strerror or str(exc)).lower()) from exc


def own_streams() -> None:
    """Put `Answering` and `Unfailing` in place of this process's streams."""
    errors = "backslashreplace"
    if (out := sys.stdout) is not None:
        lines = out.isatty()
        sys.stdout = Answering(out.buffer, out.encoding, errors, line_buffering=lines)
    if (err := sys.stderr) is not None:
        sys.stderr = Unfailing(err.buffer, err.encoding, errors, line_buffering=True)


@contextmanager
def _readers_that_leave() -> Iterator[None]:
    """Let a closed pipe pass, and keep Python from stumbling over it at exit."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(argv: Sequence[str]) -> int:
    asked = list(argv[: argv.index("--")] if "--" in argv else argv)
    as_json, verbose = _wants_json(asked), bool({"-v", "--verbose"} & {*asked})
    try:
        return _attempt(argv, as_json=as_json, verbose=verbose)
    except KeyboardInterrupt:
        _tell("Interrupted; nothing half-made is left.")
        if as_json:
            _print_json(130, "Cancelled", "Interrupted.")
        return 130


def _wants_json(asked: Sequence[str]) -> bool:
    """Whether standard output is for one document; `bench` names a file, or it: -."""
    if asked[:1] == ["bench"]:
        return "--json=-" in asked or ("--json", "-") in pairwise(asked)
    return "--json" in asked


def _attempt(argv: Sequence[str], *, as_json: bool, verbose: bool) -> int:
    try:
        # Not `transcode.main()`: click would turn a closed pipe and an EOFError from
        # anywhere inside the work into exit codes that are not ours.
        code = _asked_by_a_shell()
        if code is None:
            code = _invoke(argv)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as exc:
        exc.show()
        return 2
    except click.ClickException as exc:
        exc.show()
        if as_json:
            _print_json(exc.exit_code, "UsageError", exc.format_message())
        return exc.exit_code
    except (AnswerLost, BrokenPipeError):
        raise
    except Exception as exc:  # noqa: BLE001 - the outermost edge; nothing is lost
        return _fail(exc, as_json=as_json, verbose=verbose)
    return code


def _invoke(argv: Sequence[str]) -> int:
    # Whoever asks how it is done is answered, whatever stands in a file.
    asks = {"-h", "--help", "--version"} & {*argv}
    given = {} if asks else defaults(transcode, argv)
    try:
        with transcode.make_context("transcode", list(argv), default_map=given) as ctx:
            transcode.invoke(ctx)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.BadParameter as exc:
        text = exc.message + _where_it_stands(exc)
        raise click.BadParameter(text, exc.ctx, exc.param, exc.param_hint) from exc
    return 0


def _where_it_stands(exc: click.BadParameter) -> str:
    """The file that says what was refused, where nobody typed it."""
    name = exc.param.name if exc.param else None
    if exc.ctx is None or name is None:
        return ""
    source = exc.ctx.get_parameter_source(name)
    file = origin_of(name)
    if file is None or source is not click.core.ParameterSource.DEFAULT_MAP:
        return ""
    return f" So says {str(file.path)!r}, [options] {name}."


def _asked_by_a_shell() -> int | None:
    """Answer a shell that completes a line; None where none asks."""
    instruction = os.environ.get(VARIABLE)
    if not instruction:
        return None
    from click.shell_completion import shell_complete  # noqa: PLC0415 - a shell alone

    return shell_complete(transcode, {}, "transcode", VARIABLE, instruction)


def _fail(exc: Exception, *, as_json: bool, verbose: bool) -> int:
    # Late: `--help` does without the contract and its models.
    from .failure import evidence, known, paragraph  # noqa: PLC0415

    error = known(exc)
    if error is None:
        return _bug(exc, as_json=as_json, verbose=verbose)
    _tell(paragraph(error))
    if verbose:
        _tell(evidence(error), prefix="")
    with _readers_that_leave():
        if as_json:
            manifest = error.manifest
            if manifest is not None:
                click.echo(manifest.to_json(indent=2))
            else:
                failure = error.describe().model_dump(mode="json")
                _print_error(error.exit_code, failure)
    return error.exit_code


def _bug(exc: Exception, *, as_json: bool, verbose: bool) -> int:
    what = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
    _tell(
        f"This is a bug in transcode, not in your file: {' '.join(what.split())}. "
        + ("" if verbose else "Run the same command with --verbose for a traceback, ")
        + ("Please report it." if verbose else "and please report it.")
    )
    if verbose:
        import traceback  # noqa: PLC0415 - almost never needed

        _tell("".join(traceback.format_exception(exc)).rstrip(), prefix="")
    if as_json:
        _print_json(BUG, type(exc).__name__, str(exc))
    return BUG


def _tell(text: str, *, prefix: str = "transcode: ") -> None:
    # Not before there is something to say.
    from ..units import folded, printable  # noqa: PLC0415
    from .columns import columns  # noqa: PLC0415

    said = printable(f"{prefix}{text}")
    if prefix and sys.stderr is not None:
        said = folded(said, columns(sys.stderr))
    with suppress(BrokenPipeError):
        click.echo(said, err=True)


def _print_json(code: int, kind: str, message: str) -> None:
    error = {"type": kind, "message": message, "retryable": False, "evidence": {}}
    _print_error(code, error)


def _print_error(code: int, error: dict[str, Any]) -> None:
    document = {"status": _STATUS.get(code, "failed"), "error": error}
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
