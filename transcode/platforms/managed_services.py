"""
What managed services charge for the same renditions: dated list prices. Pure.

They bill each output by its length, in bands of size, codec and frame rate.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal, localcontext

from pydantic import NonNegativeInt, PositiveInt

from ..contract import Media, Money, Recipe, ServicePrice, Value, VideoRendition
from ..contract.value import EXACT
from .platform import parse_table


class Band(Value):
    """One row of a price list; the first that fits counts."""

    codec: str | None = None
    """None: any."""
    short_side_from: NonNegativeInt = 0
    short_side_below: PositiveInt
    frame_rate: PositiveInt | None = None
    """The highest; None: any."""
    price: Decimal
    """Per minute of output."""


class Service(Value):
    """One tier of one service."""

    name: str
    title: str
    currency: str
    price_table: date
    source: str
    minimum_seconds: NonNegativeInt = 0
    """Of each output."""
    audio_minute: Decimal | None = None
    """An output without pictures; None: not known."""
    reason: str
    """Why what is in no band has no price."""
    minute: tuple[Band, ...]


def parse_service(text: str, *, origin: str) -> Service:
    """Read a price list; raises PlatformError naming file and field."""
    return parse_table(Service, text, origin=origin)


def service_price(service: Service, media: Media, recipe: Recipe) -> ServicePrice:
    """
    What *service* charges for the recipe's renditions, those copied here included.

    Without volume discount, storage, packaging, thumbnails and transfer. The cost is
    None, with a reason, where a rendition is in no band or the length is not known.
    """
    rates: list[Decimal] = []
    reason = None
    for rendition in recipe.video:
        price = _rate(service, rendition, media)
        if price is None:
            reason = f"{rendition.name}: {service.reason}"
            break
        rates.append(price)
    if not recipe.video:
        if service.audio_minute is None:
            reason = "its price of sound alone is not known"
        else:
            rates = [service.audio_minute] * max(len(recipe.audio), 1)
    if media.duration_seconds is None:
        reason = "how long the source is is not known"
    if reason is not None:
        return ServicePrice(
            service=service.name,
            price_table=service.price_table.isoformat(),
            cost=None,
            per_minute=None,
            reason=reason,
        )
    with localcontext(EXACT):
        seconds = max(
            Decimal(str(media.duration_seconds)), Decimal(service.minimum_seconds)
        )
        each = sum(rates, Decimal(0))
        cost = (each * seconds / 60).quantize(Decimal("1e-9"))
    return ServicePrice(
        service=service.name,
        price_table=service.price_table.isoformat(),
        cost=Money(amount=cost, currency=service.currency),
        per_minute=Money(amount=each, currency=service.currency),
    )


def _rate(service: Service, it: VideoRendition, media: Media) -> Decimal | None:
    side = min(it.width, it.height)
    rate = it.frame_rate
    if rate is None and media.video:
        rate = media.video[0].frame_rate
    for band in service.minute:
        fits = band.codec in (None, it.codec)
        fits = fits and band.short_side_from <= side < band.short_side_below
        # 29.97 and 30 are one class; a rate that is not known is taken for ordinary.
        if band.frame_rate is not None and rate is not None:
            fits = fits and rate <= band.frame_rate
        if fits:
            return band.price
    return None
