"""What is tried again, how often, and how long after."""

from __future__ import annotations

import math
import socket
import ssl
from dataclasses import dataclass

_LARGEST_EXPONENT = 64
"""Far beyond any limit of an interval, and far from what a float cannot hold."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that are worth asking again after (RFC 9110, 6585 and 8470)."""


def stays(fault: object) -> bool:
    """A wrong address, name or certificate is as wrong the next time."""
    # Late: it brings the parsers of mail, and a run that nothing fails asks nothing.
    from http.client import InvalidURL  # noqa: PLC0415

    if isinstance(fault, socket.gaierror):
        return fault.errno != socket.EAI_AGAIN
    return isinstance(fault, (ssl.SSLCertVerificationError, InvalidURL, ValueError))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    How often something is tried, and how long is waited before it is tried again.

    Named as in Temporal's RetryPolicy. What may be tried again at all is the caller's
    to judge; libraries that retry by themselves keep their own.
    """

    initial_interval_seconds: float
    """Before the second try."""
    backoff_coefficient: float = 2.0
    """Each interval is so many times the one before."""
    maximum_interval_seconds: float = math.inf
    maximum_attempts: int | None = None
    """The first one included; None: for as long as it takes."""
    jitter: tuple[float, float] = (0.5, 1.5)
    """
    The least and the most share of an interval that is waited, evenly spread between:
    what one outage has failed must not come back all at once.
    """

    def interval_seconds(self, retry: int) -> float:
        """Before retry number *retry*, counted from 1; without jitter."""
        grown = self.backoff_coefficient ** min(retry - 1, _LARGEST_EXPONENT)
        return min(self.maximum_interval_seconds, self.initial_interval_seconds * grown)

    def wait_seconds(self, retry: int, chance: float) -> float:
        """The same with jitter; *chance* is from 0 to 1."""
        least, most = self.jitter
        return self.interval_seconds(retry) * (least + (most - least) * chance)

    def exhausted(self, attempts: int) -> bool:
        """Whether *attempts* were all that there are."""
        return self.maximum_attempts is not None and attempts >= self.maximum_attempts
