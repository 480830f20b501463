"""Records as a person may be shown them: every text in them is one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from ...units import one_line

Read = TypeVar("Read")


def legible(value: Read) -> Read:
    """*value*, a record of any kind, with every text in it `one_line`."""
    return cast("Read", _legible(value))


def _legible(value: object) -> object:
    if isinstance(value, str):
        # As it is where nothing is wrong with it: then it keeps its type, too.
        return value if value.isprintable() else one_line(value)
    if isinstance(value, BaseModel):
        return _changed(value, type(value).model_fields, _copied)
    if is_dataclass(value) and not isinstance(value, type):
        return _changed(value, [each.name for each in fields(value)], _replaced)
    if isinstance(value, Mapping):
        return {_legible(key): _legible(inner) for key, inner in value.items()}
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(map(_legible, value))
    return list(map(_legible, value)) if isinstance(value, list) else value


def _changed(
    value: object, names: Iterable[str], made: Callable[[Any, dict[str, Any]], object]
) -> object:
    before = {name: getattr(value, name) for name in names}
    after = {name: _legible(inner) for name, inner in before.items()}
    changes = {name: new for name, new in after.items() if new != before[name]}
    return made(value, changes) if changes else value


def _copied(value: BaseModel, changes: dict[str, Any]) -> BaseModel:
    return value.model_copy(update=changes)


def _replaced(value: Any, changes: dict[str, Any]) -> Any:
    return replace(value, **changes)
