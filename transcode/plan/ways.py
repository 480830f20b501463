"""
Which codec and preset reach a quality for the least money: made, kept and delivered.

A slow preset costs once, and saves bits for every month of storage and every view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..contract import Money, VideoCodec
from .profile import DeliveryProfile, Profile, VideoProfile

__all__ = ["CodecWay", "cheapest", "said_of", "with_way"]

_START: dict[VideoCodec, float] = {"h264": 23.0, "hevc": 25.0, "av1": 35.0, "vp9": 33.0}
"""Where the search for a factor begins in a codec that is not the profile's own."""
_GIGABYTE = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class CodecWay:
    """One codec and preset, and what it comes to."""

    codec: VideoCodec
    preset: str
    encode: Money
    """Once."""
    stored_bytes: int
    """Of all renditions."""
    viewed_bytes: int
    """Of the largest, which a view loads."""

    @property
    def name(self) -> str:
        return f"{self.codec} {self.preset}"

    def price(self, delivery: DeliveryProfile | None) -> Decimal:
        """Encoding, storing and delivering, in the currency of `encode`."""
        total = self.encode.amount
        if delivery is not None:
            stored = delivery.storage_per_gb_month * delivery.storage_months
            total += stored * self.stored_bytes / _GIGABYTE
            each = delivery.egress_per_gb * self.viewed_bytes / _GIGABYTE
            total += each * delivery.views
        return total


def cheapest(ways: Sequence[CodecWay], delivery: DeliveryProfile | None) -> CodecWay:
    """The least price; of equal ones the first. At least one way."""
    return min(ways, key=lambda it: it.price(delivery))


def said_of(ways: Sequence[CodecWay], delivery: DeliveryProfile | None) -> str:
    """Which was taken and what the others would have cost, as one sentence."""
    best = cheapest(ways, delivery)
    currency = best.encode.currency
    views = 0 if delivery is None else delivery.views
    others = ", ".join(
        f"{it.name} {it.price(delivery):.3g}" for it in ways if it is not best
    )
    beside = f"; {others}" if others else ""
    return (
        f"Encoded as {best.name}: made, kept and seen {views} times it comes to "
        f"{best.price(delivery):.3g} {currency}{beside}."
    )


def with_way(profile: Profile, codec: VideoCodec, preset: str) -> Profile:
    """*profile* made in that way; what only its own codec knows is left out."""
    video = profile.video
    if video is None or (video.codec, video.preset) == (codec, preset):
        return profile
    changes: dict[str, object] = {"codec": codec, "preset": preset}
    if codec != video.codec:
        rungs = tuple(
            it.model_copy(update={"crf": _START[codec]}) for it in video.rungs
        )
        changes |= {"encoders": (), "codec_profile": None, "tune": None, "rungs": rungs}
    # As it would be read: whatever does not fit is refused.
    data = video.model_dump(by_alias=True) | changes | {"ways": ()}
    return profile.model_copy(update={"video": VideoProfile.model_validate(data)})
