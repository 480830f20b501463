"""A notice → a signed POST, as the Standard Webhooks specification has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .answers import judge
from .http import Http
from .notices import Notice
from .signature import sign
from .targets import Webhook


class WebhookSender:
    """Sends with *keys*; *seconds* is the time since 1970."""

    def __init__(
        self, http: Http, keys: Sequence[bytes], seconds: Callable[[], float]
    ) -> None:
        self._http = http
        self._keys = keys
        self._seconds = seconds

    async def send(self, target: Webhook, notice: Notice) -> None:
        """Return once they took it; raises `DeliveryError`."""
        # Signed for each try: verifiers refuse what is older than five minutes.
        now = int(self._seconds())
        reply = await self._http.post(
            target,
            target.url,
            body=notice.body,
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": notice.id,
                "webhook-id": notice.id,
                "webhook-timestamp": str(now),
                "webhook-signature": sign(
                    notice.body, id=notice.id, timestamp=now, keys=self._keys
                ),
            },
        )
        judge(target, reply.status, answer=reply.answer, retry_after=reply.retry_after)
