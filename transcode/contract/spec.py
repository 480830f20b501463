"""What an invocation is given, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from .recipe import QualityMetric
from .value import Money, Value


class Capabilities(Value):
    """What the tools on this machine can do: asked of them, not assumed."""

    ffmpeg: str
    """Absolute path of the binary."""
    ffmpeg_version: str
    encoders: frozenset[str]
    decoders: frozenset[str]
    measures_vmaf: bool = False
    """Whether the binary has libvmaf, with its models."""
    hardware_encoders: frozenset[str] = frozenset()
    """Those that made a picture in a one-frame test encode in this process."""
    packager: str | None
    packager_version: str | None = None
    unavailable: Mapping[str, str] = Field(default_factory=dict)
    """What is missing → why."""


# ── specs, usage, money ───────────────────────────────────────────────────────


class Gpu(Value):
    kind: str
    memory_mib: int


class Spec(Value):
    """What one invocation is given: always a point of a platform's lattice."""

    memory_mib: int
    milli_cpus: int
    gpu: Gpu | None = None
    scratch_mib: int | None = None
    time_limit_seconds: int | None = None

    @property
    def threads(self) -> int:
        """Whole ones: a share of a core still needs one."""
        return max(1, -(-self.milli_cpus // 1000))


class StoreRequests(Value):
    """What a task asks of the object store that it reads from and writes to."""

    puts: int
    """Those that write, and LIST, for which stores charge alike."""
    gets: int
    """GET and HEAD."""
    counted: bool = False
    """As they were sent, but for the encoder's reading of the source; False: derived
    from what is read and made."""

    def __add__(self, other: StoreRequests) -> StoreRequests:
        return StoreRequests(
            puts=self.puts + other.puts,
            gets=self.gets + other.gets,
            counted=self.counted and other.counted,
        )


class Usage(Value):
    """What one invocation takes: predicted before, measured after, one type."""

    wall_seconds: float
    billed_milliseconds: int | None = None
    cpu_seconds: float
    peak_memory_bytes: int | None
    """Anonymous memory of the whole process tree at its highest."""
    scratch_bytes: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    requests: int = 1
    store: StoreRequests | None = None
    """None: no object store is asked for anything, or nobody knows."""


class Interval(Value):
    """Where the actual value is expected to lie nine times out of ten."""

    low: float
    high: float


class Constraints(Value):
    """What the one who asks will put up with."""

    deadline_seconds: float | None = None
    """From now to the manifest."""
    budget: Money | None = None
    memory_mib: int | None = None
    """Forces a lattice point; refused if it is none."""
    optimize: Literal["cost", "time", "balanced"] = "balanced"
    accept_partial: bool = False
    """Make what is there of a cut or damaged source, and say so."""
    own_mib: int = 0
    """Of every spec this much is the function's own, beside the work."""
    starts: bool = False
    """Whether each task is a call whose instance may be new, and is billed for that."""
    chunks: int | None = Field(None, ge=1)
    """In just so many parts at once, 1: in one piece; None: as is best."""
    sharing: int = Field(1, ge=1)
    """So many jobs want this machine now, this one among them: counts where it is the
    platform."""


class FoundFactor(Value):
    """The rate factor that a search came to, and what is expected of it."""

    crf: float
    score: float
    """As interpolated between what was tried."""
    metric: QualityMetric = "vmaf"
    bit_rate: int
    """Bits per second, before any cap."""
    bit_rate_within: Interval | None = None
    """Nine times out of ten; None: one part tells no spread."""
    verdict: Literal["found", "unreachable", "exceeded", "capped", "poor_source"]
    """`unreachable`: the best sane factor stays below the target; `exceeded`: the
    frugalest stays above it; `capped`: the rendition's cap holds it below the target,
    whatever the factor; `poor_source`: it would take more bits than the source
    has, so that there would be more artefacts than picture to keep."""
    wanted_bit_rate: int | None = None
    """Of a poor source: what the target would take."""
    trials: int
    """So many factors were tried."""
    fall: float
    """Of the score, lost with each unit of the factor."""


class Content(Value):
    """How the source's pictures differ from what its headers make expect."""

    cpu: float
    """Measured over predicted CPU seconds of decoding, filtering and encoding."""
    spread: float
    """Standard deviation of that ratio's logarithm."""
    memory: float = 1.0
    """Factor on peak memory; never below 1, as short parts fill no look-ahead."""
    bit_rates: Mapping[str, int] = Field(default_factory=dict)
    """Rendition → bits per second that it will have."""
    factors: Mapping[str, FoundFactor] = Field(default_factory=dict)
    """Rendition with a target → what was found for it."""


class Candidate(Value):
    """One spec that was considered for a task, and what became of it."""

    spec: Spec
    predicted: Usage
    cost: Money
    chosen: bool
    reason: str
    """Why it was chosen or lost, in one clause a person reads."""
