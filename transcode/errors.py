"""
Every error this package raises on purpose.

The first level answers the only question an operator has: whose fault is it, and was
an encode paid for?

* TranscodeError
  + UsageError            the request is wrong; nothing was read (exit 2)
    - SourceNotFound
    - SourceUnreadable
    - DestinationUnwritable
    - ProfileError
    - PlatformError
    - SettingsError
    - ClipError           the part that was asked for is not in the source
    - WatermarkError      the watermark's image cannot be used
    - QualityError        a target quality that cannot be measured or searched for
    - EventError          a notification that is none we know; trying again cannot help
    - DestinationError    an address of who is to be told that is none we know
  + MediaError            the upload is at fault; its owner is told (exit 3)
    - MediaRejected
    - MediaUnsupported
    - MediaTruncated
    - ProbeTimeout
  + PlanError             nothing fits; raised before anything is encoded (exit 5)
    - DeadlineTooShort
    - BudgetTooSmall
    - SpecTooSmall
      * ScratchFull       too little is free on this machine, for now
      * ScratchTooSmall   its whole disk is smaller than what is needed
    - PlatformBusy        as much runs on the platform as may, for now
    - PlanChanged         a plan that was kept is not what would be done now
    - BudgetReached       a day's or a tag's budget leaves too little
  + WorkError             a task started and did not finish (exit 4)
    - EncoderFailed
    - EncoderMissing      the ffmpeg in use has no such encoder (exit 2)
    - OutputRejected
    - OutOfMemory
    - OutOfTime
    - BudgetSpent         stopped where the budget ended (exit 5)
    - MachineBusy         too little processor time to tell what an upload is
    - OutOfDisk
    - WorkerLost
  + StoreError            storage said no (exit 4)
    - StoreDown           no answer, or one that asks to come back later
      * SourceDown        of an http source, when it is first asked for (exit 2)
    - ObjectMissing
    - ObjectExists
    - ObjectChanged
    - RecordUnreadable  something else lies where a record of ours belongs
    - LeaseLost         somebody else works on the job now
  + DeliveryError         a result is there and somebody was not told of it (exit 4)
    - DestinationDown     trying again later may help
    - DestinationRefused  trying again without a change cannot help
  + Cancelled             somebody asked us to stop (exit 130)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from .contract.status import OutcomeKind

if TYPE_CHECKING:
    from .contract import Failure, Manifest


class TranscodeError(Exception):
    """What every error here is: a sentence for a person, and evidence for a log."""

    exit_code: ClassVar[int] = 4
    retryable: ClassVar[bool] = False
    outcome: ClassVar[OutcomeKind] = OutcomeKind.ENCODER_FAILED
    mendable: ClassVar[bool] = False
    """Of a store, a right or a machine, never of the upload: once it is mended, the
    same job succeeds. No upload is rejected for it, and none is forgotten."""

    def __init__(self, message: str, **evidence: Any) -> None:
        super().__init__(message)
        self.message = message
        self.evidence: Mapping[str, Any] = evidence
        self.manifest: Manifest | None = None
        """What was tried and paid for, once a plan existed."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword evidence would be lost by Exception's own pickling.
        return (_rebuild, (type(self), self.message, dict(self.evidence)))

    def describe(self) -> Failure:
        """The error as data."""
        from .contract import Failure  # noqa: PLC0415 - with pydantic; few ever fail

        return Failure(
            type=type(self).__name__,
            message=self.message,
            retryable=self.retryable,
            evidence=dict(self.evidence),
        )


def _rebuild(
    kind: type[TranscodeError], message: str, evidence: Mapping[str, Any]
) -> TranscodeError:
    return kind(message, **evidence)


class UsageError(TranscodeError):
    """The request is wrong; nothing was read."""

    exit_code = 2
    outcome = OutcomeKind.REJECTED


class SourceNotFound(UsageError, FileNotFoundError):
    """There is no such source."""


class SourceUnreadable(UsageError):
    """The source exists and may not be read."""

    outcome = OutcomeKind.ENCODER_FAILED
    mendable = True


class DestinationUnwritable(UsageError):
    """Results cannot be written where they were asked for."""

    outcome = OutcomeKind.ENCODER_FAILED
    mendable = True


class ProfileError(UsageError):
    """A profile is missing or wrong; names the file, the field and what is allowed."""


class PlatformError(UsageError):
    """A platform is missing or wrong, or a spec is no point of its lattice."""


class SettingsError(UsageError):
    """A setting is wrong; names it."""

    outcome = OutcomeKind.ENCODER_FAILED
    mendable = True


class ClipError(UsageError):
    """The part that was asked for is not in the source; says how long that is."""


class WatermarkError(UsageError):
    """The watermark's image is missing, too large, or no picture that is accepted."""


class QualityError(UsageError):
    """A target quality that cannot be measured or searched for; says what to do."""


class EventError(UsageError):
    """A notification is none we know, or lacks what makes it one; names what."""


class DestinationError(UsageError):
    """An address of who is to be told that is none we know; says what is allowed."""


class MediaError(TranscodeError):
    """The upload is at fault; trying again cannot help."""

    exit_code = 3
    outcome = OutcomeKind.REJECTED


class MediaRejected(MediaError):
    """Not media, damaged beyond use, or hostile."""


class MediaUnsupported(MediaError):
    """Media, but with nothing in it that can be decoded here."""


class MediaTruncated(MediaError):
    """What decodes is shorter than what was promised."""


class ProbeTimeout(MediaError):
    """Reading the headers took longer than any honest file needs."""


class PlanError(TranscodeError):
    """Nothing fits; raised before anything is encoded."""

    exit_code = 5
    outcome = OutcomeKind.REJECTED


class DeadlineTooShort(PlanError):
    """No spec is fast enough; says which would come nearest."""


class BudgetTooSmall(PlanError):
    """No spec is cheap enough; says what the cheapest would cost."""


class SpecTooSmall(PlanError):
    """Memory, scratch or time limit are too small; says what would do."""


class ScratchFull(SpecTooSmall):
    """What is free on this machine now is too little; says how much would do."""

    outcome = OutcomeKind.OUT_OF_DISK
    mendable = True


class ScratchTooSmall(SpecTooSmall):
    """
    The whole disk of this machine holds less than is needed, whatever is freed: the
    job ends at once, and is opened again where there is room.
    """

    outcome = OutcomeKind.OUT_OF_DISK
    mendable = True


class PlatformBusy(PlanError):
    """As many invocations run as the account may have; the job waits its turn."""

    mendable = True


class PlanChanged(PlanError):
    """A plan that was kept is not what would be done now; says what changed."""


class BudgetReached(PlanError):
    """A budget that many jobs share leaves too little; says until when it waits."""

    @property
    def until(self) -> datetime | None:
        """When trying again makes sense; None: with a larger budget only."""
        text = self.evidence.get("until")
        return None if text is None else datetime.fromisoformat(str(text))


class WorkError(TranscodeError):
    """A task started and did not finish."""


class EncoderFailed(WorkError):
    """An encoder or the packager stopped with an error."""


class EncoderMissing(WorkError):
    """The ffmpeg in use has no such encoder."""

    exit_code = 2
    mendable = True


class OutputRejected(WorkError):
    """Something was made and failed verification."""


class OutOfMemory(WorkError):
    """The kernel killed the attempt for its memory."""

    retryable = True
    outcome = OutcomeKind.OUT_OF_MEMORY


class OutOfTime(WorkError):
    """The attempt ran past its time limit."""

    retryable = True
    outcome = OutcomeKind.OUT_OF_TIME


class BudgetSpent(WorkError):
    """The attempt was stopped before it cost more than the budget left."""

    exit_code = 5
    outcome = OutcomeKind.OUT_OF_TIME


class MachineBusy(WorkError):
    """The machine gave too little processor time to tell what an upload is."""

    outcome = OutcomeKind.LOST
    mendable = True


class OutOfDisk(WorkError):
    """Scratch or destination is full."""

    outcome = OutcomeKind.OUT_OF_DISK
    mendable = True


class WorkerLost(WorkError):
    """The worker vanished without a report."""

    retryable = True
    outcome = OutcomeKind.LOST
    mendable = True


class StoreError(TranscodeError):
    """Storage said no."""

    mendable = True


class StoreDown(StoreError):
    """Where a source or a result lies does not answer, or asks to come back later."""

    retryable = True


class SourceDown(StoreDown):
    """An http source was asked for and nobody answers: nothing was begun."""

    exit_code = 2


class ObjectMissing(StoreError, FileNotFoundError):
    """There is no such object."""


class ObjectExists(StoreError, FileExistsError):
    """Somebody else created it first."""


class ObjectChanged(StoreError):
    """The object is no longer the one that was planned for."""

    mendable = False


class RecordUnreadable(StoreError):
    """Where a record of ours belongs lies something else: torn, or another's."""


class LeaseLost(StoreError):
    """The claim under which we worked has ended or passed to somebody else."""

    retryable = True
    outcome = OutcomeKind.LOST


class DeliveryError(TranscodeError):
    """A result is there and somebody was not told of it."""


class DestinationDown(DeliveryError):
    """No answer, or one that asks to try again later."""

    retryable = True


class DestinationRefused(DeliveryError):
    """An answer that will be the same next time: a wrong address or key, no right."""


class Cancelled(TranscodeError):
    """Somebody asked us to stop."""

    exit_code = 130
    outcome = OutcomeKind.CANCELLED


def revive(failure: Failure) -> TranscodeError:
    """The error a `Failure` was made from; `WorkError` where its type is unknown."""
    kinds = {kind.__name__: kind for kind in _descendants(TranscodeError)}
    return kinds.get(failure.type, WorkError)(failure.message, **failure.evidence)


def _descendants(kind: type[TranscodeError]) -> list[type[TranscodeError]]:
    found = [kind]
    for child in kind.__subclasses__():
        found += _descendants(child)
    return found
