"""What a destination answered → told, try again later, or never."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import DestinationDown, DestinationRefused
from .targets import Target

_TOO_LARGE = 413
_LATER = frozenset({408, 409, 425, 429})
_SHOWN_CHARACTERS = 200


def judge(
    target: Target, status: int, *, answer: str = "", retry_after: float | None = None
) -> None:
    """
    Return for a 2xx. Raises `DestinationDown` where another try may help (5xx, 408,
    409, 425, 429), with `retry_after_seconds` if they said so, and
    `DestinationRefused` for the rest; `too_large` is in its evidence for a 413.
    """
    evidence = {
        "destination": target.name,
        "status": status,
        "answer": printable(answer),
    }
    if status // 100 == 2:  # noqa: PLR2004 - RFC 9110, 15.3
        return
    if status == _TOO_LARGE:
        raise DestinationRefused(
            f"{target.name} takes no notice of this size.", too_large=True, **evidence
        )
    if status // 100 == 3:  # noqa: PLR2004 - RFC 9110, 15.4
        raise DestinationRefused(
            f"{target.name} redirects ({status}), which is not followed; name the "
            "address that it leads to.",
            **evidence,
        )
    if status in _LATER or status >= 500:  # noqa: PLR2004 - RFC 9110, 15.6
        raise DestinationDown(
            f"{target.name} answered {status}.",
            retry_after_seconds=retry_after,
            **evidence,
        )
    raise DestinationRefused(f"{target.name} answered {status}.", **evidence)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a `Retry-After` asks for; None without one that can be read."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def printable(answer: str) -> str:
    """The beginning of what they said, in one line, safe for a terminal."""
    line = " ".join(answer.split())[:_SHOWN_CHARACTERS]
    return "".join(c if c.isprintable() else "�" for c in line)
