"""Which faults of a web server, or of the way to it, may be gone a moment later."""

from __future__ import annotations

import socket
import ssl
from http.client import InvalidURL

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that are worth asking again after (RFC 9110, 6585 and 8470)."""


def stays(fault: object) -> bool:
    """A wrong address, name or certificate is as wrong the next time."""
    if isinstance(fault, socket.gaierror):
        return fault.errno != socket.EAI_AGAIN
    return isinstance(fault, (ssl.SSLCertVerificationError, InvalidURL, ValueError))
