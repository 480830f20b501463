"""Other people's JSON: read strictly where it matters, and refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote_plus

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from ..errors import EventError


class Foreign(BaseModel):
    """What a platform sends; it adds fields when it likes, and we ignore them."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


def _utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        # JSON can spell half a surrogate pair; no store has a key like that.
        raise ValueError("is not text that UTF-8 can hold") from exc
    return text


def _absent_if_empty(value: object) -> object:
    return None if isinstance(value, str) and not value else value


def _to_instant(value: object) -> datetime | None:
    # Lenient: no upload hangs on its time, and OBS and FunctionGraph write it wrongly.
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


Name = Annotated[str, Field(min_length=1), AfterValidator(_utf8)]
"""Text that must be there."""
Word = Annotated[
    Annotated[str, AfterValidator(_utf8)] | None, BeforeValidator(_absent_if_empty)
]
"""Text that may be absent or empty, which is the same."""
Count = Annotated[int, Field(ge=0, lt=2**63)]
"""Bytes, or a generation; a number in some dialects and text in others."""
Instant = Annotated[datetime | None, BeforeValidator(_to_instant)]
"""UTC; None where it is absent or no time."""

_Model = TypeVar("_Model", bound=Foreign)


def read(model: type[_Model], value: object, what: str) -> _Model:
    """*value* as *model*; raises `EventError` that names what is wrong in *what*."""
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in error["loc"])
        raise _wrong(what, where, error) from exc


def _wrong(what: str, where: str, error: Mapping[str, Any]) -> EventError:
    if not where:
        said = f"{what} is no JSON object."
    elif error["type"] == "missing":
        said = f"{what} lacks {where!r}."
    else:
        said = f"{what} has a {where!r} that will not do: {error['msg']}."
    return EventError(
        f"{said} Check what the trigger sends.", event=what, field=where or None
    )


def decoded(text: str | bytes, what: str) -> object:
    """The JSON in *text*; raises `EventError` where there is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise EventError(
            f"{what} is not JSON: {exc}. Check what the trigger sends.", event=what
        ) from exc


def stored_key(key: str, what: str, *, encoded: bool) -> str:
    """The key as stored; *encoded* ones are form-encoded, and decoded exactly once."""
    if not encoded:
        return key
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as exc:
        raise EventError(
            f"{what} has a key that is not UTF-8 once decoded: {key!r}.",
            event=what,
            key=key,
        ) from exc


def stored_etag(etag: str | None) -> str | None:
    """Without the quotes that HTTP puts around it."""
    return (etag or "").strip('"') or None


def stored_version(version: str | None) -> str | None:
    """
    None where the bucket keeps no versions.

    S3 and MinIO then say `null`; OBS gives an id that ends so, which no request takes.
    """
    return None if version is None or version.endswith("null") else version
