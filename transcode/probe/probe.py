"""Looks at an upload in a child process that can be killed, and says what it is."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio

from ..contract import Media, Source
from ..errors import (
    MachineBusy,
    MediaRejected,
    MediaTruncated,
    MediaUnsupported,
    ProbeTimeout,
    SettingsError,
    SourceNotFound,
    SourceUnreadable,
    StoreDown,
    TranscodeError,
    WorkerLost,
)
from ..sandbox.environment import WORKING
from . import prestart
from .facts.media import media_from

__all__ = ["ProbeLimits", "probe"]


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """
    What a probe may take; an honest file needs a small part of each.

    Bytes of the upload: at most `read_bytes`, and of one larger than `large_bytes` at
    most a hundredth (but `least_bytes`, without which no container opens). Of one whose
    sound has not begun by then at most `late_bytes`: as far as ffmpeg looks for it.
    """

    wall_seconds: float = 10.0
    server_seconds: float | None = None
    """Of a remote upload's server, for all its answers; None: 0.8 of the wall time.
    Beyond it is the server that is too slow, not the upload that is at fault."""
    memory_bytes: int = 1536 * 1024 * 1024
    """Address space, libraries included."""
    open_files: int = 48
    read_bytes: int = 2 * 1024 * 1024
    large_bytes: int = 50 * 1024 * 1024
    least_bytes: int = 256 * 1024
    late_bytes: int = 12 * 1024 * 1024
    answer_bytes: int = 4 * 1024 * 1024
    fence_required: bool = False
    """Nothing is opened where the kernel does not hold the child: `SettingsError`."""


_CHUNK = 65536
_WAITING = 0.8
"""See `ProbeLimits.server_seconds`."""

_BUSY_SHARE = 0.5
"""Of the wall time: a reader that an upload holds up computes for at least as long.
One that got less waited for this machine, for its disk, or for us."""

_VERDICTS: Mapping[str, type[TranscodeError]] = {
    "rejected": MediaRejected,
    "unsupported": MediaUnsupported,
    "truncated": MediaTruncated,
    "not_found": SourceNotFound,
    "unreadable": SourceUnreadable,
    "down": StoreDown,
    "outdated": SettingsError,
    "unfenced": SettingsError,
}
_CRASHES: Mapping[int, str] = {
    signal.SIGXCPU: "kept the reader busy for longer than any honest file needs",
    **dict.fromkeys(
        (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT),
        "crashed the reader: it is damaged, or made to do so",
    ),
}
"""Signals only the upload can be blamed for; SIGKILL is somebody else's."""


async def probe(
    source: Source,
    *,
    limits: ProbeLimits | None = None,
    python: str = sys.executable,
    environ: Mapping[str, str] | None = None,
    accept_partial: bool = False,
) -> Media:
    """
    What `source` is, learned by a child process within `limits`.

    Of `environ` the child sees where certificates, proxies and libraries are, and
    nothing else. With `accept_partial`, an upload that was cut off is described as far
    as it goes (`Media.truncated`) instead of refused.

    Never hangs and never crashes, whatever the upload holds: raises `SourceNotFound`
    or `SourceUnreadable` where it cannot be read, `StoreDown` where it cannot now,
    `MediaRejected`,
    `MediaUnsupported` or `MediaTruncated` where it is at fault, `ProbeTimeout` where
    the child had to be killed at work, `MachineBusy` where it had hardly worked until
    then, `SettingsError` where its decoders have known holes, and `WorkerLost` where no
    child could work.
    """
    limits = limits or ProbeLimits()
    started = time.monotonic()
    answer, code = await _ask(source, limits, python, environ or {})
    seconds = time.monotonic() - started
    if not answer:
        raise _died(source, code)
    try:
        reply = json.loads(answer)
        if not reply["ok"]:
            error, message = _VERDICTS[reply["verdict"]], str(reply["message"])
            evidence = {"cause": reply["cause"]} if reply.get("cause") else {}
        else:
            return media_from(
                reply["facts"], seconds=seconds, accept_partial=accept_partial
            )
    except (MediaRejected, MediaUnsupported, MediaTruncated) as exc:
        error, message, evidence = type(exc), exc.message, dict(exc.evidence)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
        # Only a child that was taken over or cut short answers like this.
        error = MediaRejected
        message = "the process that looked at it gave an answer that makes no sense"
        evidence = {"cause": f"{type(exc).__name__}: {exc}"[:300]}
    raise error(f"{source.uri}: {message.rstrip('.')}.", **evidence)


async def _ask(
    source: Source, limits: ProbeLimits, python: str, environ: Mapping[str, str]
) -> tuple[bytes, int | None]:
    """The child's answer and exit code; the child is gone when this returns."""
    request = {
        "location": source.location,
        "public_only": source.public_only,
        "memory_bytes": limits.memory_bytes,
        "cpu_seconds": math.ceil(limits.wall_seconds),
        "patience_seconds": limits.server_seconds or limits.wall_seconds * _WAITING,
        "open_files": limits.open_files,
        "budget_bytes": limits.read_bytes,
        "large_bytes": limits.large_bytes,
        "least_bytes": limits.least_bytes,
        "late_bytes": limits.late_bytes,
        "fence_required": limits.fence_required,
    }
    seen = {k: v for k, v in environ.items() if k in WORKING}
    try:
        child = prestart.start(python, seen)
    except OSError as exc:
        raise WorkerLost(
            f"The process that looks at uploads could not be started: {exc}.",
            python=python,
        ) from exc
    answer, worked_seconds = b"", 0.0
    try:
        with anyio.move_on_after(limits.wall_seconds) as patience:
            answer = await _converse(child, json.dumps(request), limits.answer_bytes)
    finally:
        worked_seconds = _worked_seconds(child.pid)
        with anyio.CancelScope(shield=True):
            prestart.kill(child)
            await _end(child)
            prestart.close(child)
    if patience.cancelled_caught:
        raise _late(source, limits.wall_seconds, worked_seconds)
    if len(answer) > limits.answer_bytes:
        raise MediaRejected(
            f"{source.uri}: its headers describe more than {limits.answer_bytes} bytes "
            "of facts; it is no honest media file."
        )
    return answer, child.returncode


async def _converse(child: subprocess.Popen[bytes], request: str, most: int) -> bytes:
    assert child.stdin is not None  # noqa: S101  for the type checker: they are pipes
    assert child.stdout is not None  # noqa: S101
    os.set_blocking(child.stdout.fileno(), False)
    # Far below what a pipe holds, and the child reads nothing else: does not wait.
    with suppress(BrokenPipeError):
        child.stdin.write(request.encode())
    child.stdin.close()
    answer = bytearray()
    while len(answer) <= most:
        await anyio.wait_readable(child.stdout)
        chunk = child.stdout.read(_CHUNK)
        if chunk:
            answer += chunk
        elif chunk is not None:
            await _end(child)
            break
    return bytes(answer)


async def _end(child: subprocess.Popen[bytes]) -> None:
    """Wait until it is gone; after a kill the kernel may still hold it for a while."""
    if child.poll() is not None:
        return
    gone = os.pidfd_open(child.pid)
    try:
        await anyio.wait_readable(gone)
    finally:
        os.close(gone)


def _worked_seconds(pid: int) -> float:
    """Processor time that a child of ours has had, by the kernel; it may have ended."""
    try:
        # What precedes the state is a name, which may hold anything.
        _, told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)
    except (OSError, ValueError):
        return 0.0
    user, system = told.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _late(source: Source, wall: float, worked: float) -> TranscodeError:
    """Whose fault it is that there was no answer in time."""
    evidence = {"wall_seconds": wall, "cpu_seconds": worked}
    if worked >= wall * _BUSY_SHARE:
        return ProbeTimeout(
            f"{source.uri}: reading its headers took longer than {wall:g} s, which no "
            "honest file needs; it was given up.",
            **evidence,
        )
    return MachineBusy(
        f"{source.uri}: its headers were not read within {wall:g} s, of which this "
        f"machine gave {worked:.1f} s of processor time: it or its disk has too much "
        "to do. That says nothing about the file; try again later.",
        **evidence,
    )


def _died(source: Source, code: int | None) -> TranscodeError:
    """What a child that said nothing says by its exit code."""
    if code is not None and -code in _CRASHES:
        return MediaRejected(f"{source.uri}: it {_CRASHES[-code]}.", exit_code=code)
    return WorkerLost(
        f"{source.uri}: the process that looks at uploads ended with exit code {code} "
        "and without an answer; `transcode doctor` tells what this machine lacks.",
        exit_code=code,
    )
