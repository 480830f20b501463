"""What an attempt made, used and ended as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from .recipe import ArtifactKind, MadeBy, QualityMetric, VmafModel
from .spec import Interval, Spec, Usage
from .status import OutcomeKind
from .value import Money, Ratio, Value

# ── what became of it ─────────────────────────────────────────────────────────


class VideoFacts(Value):
    """Of an output, as read back from the finished file."""

    codec: str
    width: int
    height: int
    frames: int
    frame_rate: Ratio | None = None


class LoudnessFacts(Value):
    """EBU R128, as a whole programme; mono counts as one loudspeaker."""

    integrated_lufs: float
    range_lu: float | None
    """EBU Tech 3342; None where the sound is shorter than the 3 s it looks at."""
    true_peak_dbtp: float


class AudioFacts(Value):
    codec: str
    sample_rate: int
    channels: int
    language: str | None = None
    loudness: LoudnessFacts | None = None
    """Of what is decoded from the finished file."""
    unknown: Mapping[str, str] = Field(default_factory=dict)
    """Field name → why it is None."""


class Artifact(Value):
    """One finished file, named relative to the job's folder."""

    path: str
    kind: ArtifactKind
    made_by: MadeBy
    bytes: int
    sha256: str
    container: str | None = None
    duration_seconds: float | None = None
    video: VideoFacts | None = None
    quality: QualityFacts | None = None
    """None where nobody asked for one, or it could not be measured."""
    audio: AudioFacts | None = None
    soundtracks: tuple[AudioFacts, ...] = ()
    """All of a file with several, in its order; `audio` is the first of them."""
    media_bytes: int | None = None
    """Of a rendition that is a playlist: its segments, initialisation included."""
    segments: int | None = None
    """Of a listing: how many files stand in it, with their digests."""


class Check(Value):
    name: str
    passed: bool
    detail: str


class Failure(Value):
    """An error as data: what travels in outcomes and manifests."""

    type: str
    message: str
    retryable: bool
    evidence: Mapping[str, Any] = Field(default_factory=dict)


class Progress(Value):
    """How far a task is; sent a few times a second at most."""

    task_id: str
    done_seconds: float
    """Of the source's duration."""
    total_seconds: float | None
    speed: float | None
    """Multiples of real time."""
    phase: str = "encode"


class Partial(Value):
    """The source was cut off or damaged, and results of what is left were accepted."""

    promised_seconds: float | None
    """What the source's index or header says it lasts; None where nothing does."""
    made_seconds: float
    """From the beginning of the results to their end."""
    reason: str
    """What is wrong with the source; one sentence's worth."""


class SampledPart(Value):
    """A short part of the source that was encoded to learn from."""

    start_seconds: float
    frames: int
    cpu_seconds: float
    """Of its ffmpeg, start included."""


class Trial(Value):
    """What a rate factor makes of the parts of a sample."""

    rendition: str
    crf: float
    score: float
    """Mean over the pictures of all parts, in the unit of its target."""
    worst_score: float
    """Of the part that is worst off."""
    bit_rate: int
    """Bits per second, with as many keyframes as the whole will have."""
    spread: float | None = None
    """Of that rate's logarithm, the standard error from part to part; None: one part
    tells none."""


class QualityFacts(Value):
    """
    How near a finished rendition comes to its source on parts of both, by one metric.

    What follows it is in that one's unit.
    """

    vmaf: float | None = None
    """Mean over the pictures that were looked at; None: by the other metric."""
    xpsnr: float | None = None
    """Likewise, dB."""
    least: float
    """Of the picture that is worst off."""
    deviation: float
    """Standard deviation between the pictures."""
    standard_error: float | None = None
    """Of the mean, from part to part; None: there is one part, of all there is."""
    worst_part: float
    """Mean of the part that is worst off."""
    pictures: int
    """So many were compared."""
    seconds: float
    """Of the source, in which they lie."""
    model: VmafModel | None
    """Of VMAF."""
    target: float | None = None
    crf: float | None = None
    """That it was made with."""

    @property
    def metric(self) -> QualityMetric:
        """Which of them it was."""
        return "xpsnr" if self.vmaf is None else "vmaf"

    @property
    def score(self) -> float:
        """The mean, by whichever metric; raises `ValueError` where there is none."""
        told = self.xpsnr if self.vmaf is None else self.vmaf
        if told is None:
            raise ValueError("neither a VMAF nor an XPSNR")
        return told


class Sampled(Value):
    """What a sample encode measured."""

    start: SampledPart
    """Of hardly more than one picture: what opening, setting up and ending takes."""
    parts: tuple[SampledPart, ...]
    bit_rates: Mapping[str, int]
    """Rendition → bits per second, with as many keyframes as the whole will have."""
    trials: tuple[Trial, ...] = ()
    """Of renditions with a target."""


class Indexed(Value):
    """
    What a pass over all packets of a picture saw. Seconds, by the source's own clock.
    """

    pictures: int
    """Packets: one picture each, where each has its own time."""
    untimed: int
    """Of them, those without a time to be shown at."""
    first_seconds: float
    last_seconds: float
    """When the first and the last one are shown."""
    keyframe_seconds: tuple[float, ...]
    shortest_step_seconds: float
    longest_step_seconds: float
    """From one to the next, as shown; 0 where there is but one."""
    leaps: int
    """How often the clock of decoding stood, went back, or leaped far ahead."""


class Produced(Value):
    """What a worker reports when it stops by itself."""

    artifacts: tuple[Artifact, ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    """Fall-backs and oddities a user should know."""
    outcome: OutcomeKind
    failure: Failure | None = None
    partial: Partial | None = None
    """None: the results are of the whole source."""
    sampled: Sampled | None = None
    """Of a sample; None of everything else."""
    indexed: Indexed | None = None
    """Of an index; None of everything else."""
    read_bytes: int | None = None
    written_bytes: int | None = None


class Attempt(Value):
    """One try at a task. Failed ones cost money too and stay on the bill."""

    number: int
    spec: Spec
    predicted: Usage
    predicted_wall: Interval | None = None
    """None in records of before it was kept."""
    measured: Usage | None
    """None only when the attempt was lost without a trace."""
    cost: Money
    outcome: OutcomeKind
    enforced_by: Mapping[str, str] = Field(default_factory=dict)
    """Limit → what held it: `{"memory": "cgroup-v1", "cpu": "cgroup-v1"}`."""
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    invocation: str | None = None
    """What the platform calls the call that made it; None: none did, or it did not
    say. Its log names the same."""
    sampled: Sampled | None = None
    """What a sample that succeeded measured: whoever takes over need not repeat it."""
    indexed: Indexed | None = None
    """What a pass over all packets saw, likewise."""


class TaskResult(Value):
    """A task with all its attempts; `produced` is the last attempt's report."""

    task_id: str
    kind: str
    attempts: tuple[Attempt, ...]
    produced: Produced | None
