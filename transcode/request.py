"""What was asked for → what is to be done, with every name looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .contract import (
    Constraints,
    Money,
    Source,
    Value,
)
from .contract.value import decimal_amount
from .deliver import folder_name
from .errors import (
    UsageError,
)
from .plan.make_plan import job_id
from .plan.profile import ClipProfile, Profile, WatermarkProfile
from .platforms.platform import Platform
from .store.destination import Destination
from .store.open import destination, locate
from .wiring import Wiring, bills_starts, own_mib


class Request(Value):
    """What somebody asked for, before anything was looked at."""

    source: str
    profile: str = "hls"
    to: str = "transcoded"
    platform: str | None = None
    """None: the engine's own."""
    engine: str = "local"
    deadline_seconds: float | None = None
    budget: str | None = None
    """A decimal amount in the platform's currency."""
    memory_mib: int | None = None
    optimize: Literal["cost", "time", "balanced"] = "balanced"
    accept_partial: bool = False
    """Make what is there of a cut or damaged source instead of refusing it."""
    chunks: int | None = None
    """As in `Constraints`."""
    sample: Wanted = "auto"
    """Encode a little of the source first: where that pays, always, or never."""
    clip: ClipProfile | None = None
    watermark: WatermarkProfile | None = None
    """Over what the profile says of them."""
    target_vmaf: float | None = None
    """How good every rendition is to be; None: as the profile says."""
    target_xpsnr: float | None = None
    """The same as XPSNR, dB; one of both."""


@dataclass(frozen=True, slots=True)
class ResolvedRequest:
    """A request with everything that it names looked up; nothing was spent yet."""

    request: Request
    source: Source
    profile: Profile
    platform: Platform
    constraints: Constraints
    target: Destination
    job_id: str
    folder: str


async def look_up(request: Request, wiring: Wiring) -> ResolvedRequest:
    """Find source, profile, platform and destination, or say what is wrong."""
    profile = profile_of(request, wiring)
    platform = wiring.platform_of(request.engine, request.platform)
    constraints = constraints_of(request, platform)
    source = await locate(request.source, wiring.settings)
    job, folder = job_of(source, profile, request)
    return ResolvedRequest(
        request=request,
        source=source,
        profile=profile,
        platform=platform,
        constraints=constraints,
        target=destination(request.to, wiring.settings),
        job_id=job,
        folder=folder,
    )


def job_of(source: Source, profile: Profile, request: Request) -> tuple[str, str]:
    """The id of the job that *request* is, and the folder of its results."""
    job = job_id(source, profile, accept_partial=request.accept_partial)
    return job, folder_name(source.uri, profile.name, job)


def profile_of(request: Request, wiring: Wiring) -> Profile:
    """What is to be made, by name or path, with what this one job asks for over it."""
    return wiring.catalog.asked(
        request.profile,
        clip=request.clip,
        watermark=request.watermark,
        target_vmaf=request.target_vmaf,
        target_xpsnr=request.target_xpsnr,
    )


Wanted = Literal["auto", "always", "never"]


def constraints_of(request: Request, platform: Platform) -> Constraints:
    budget = None
    if request.budget is not None:
        try:
            amount = decimal_amount(request.budget)
        except ValueError as exc:
            raise UsageError(
                f"--budget {request.budget!r} is no decimal amount; write 0.05 for "
                f"five hundredths of a {platform.currency}.",
            ) from exc
        budget = Money(amount=amount, currency=platform.currency)
    return Constraints(
        deadline_seconds=request.deadline_seconds,
        budget=budget,
        memory_mib=request.memory_mib,
        optimize=request.optimize,
        chunks=request.chunks,
        accept_partial=request.accept_partial,
        own_mib=own_mib(request.engine),
        starts=bills_starts(request.engine),
    )
