"""
pydantic's findings in a profile, put so that a person can mend the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file."""

    field: str
    """Dotted, list entries counted from 1: `video.rungs[2].crf`."""
    text: str


def sentence(model: type[BaseModel], error: ErrorDetails) -> Problem:
    """The *error* in words: field, what was given, what is allowed."""
    location, context = error["loc"], error.get("ctx", {})
    field = _dotted(location)
    given = _shown(error["input"])
    match error["type"]:
        case "missing":
            text = f"{field}: missing; it is required"
        case "extra_forbidden":
            text = f"{field}: no such field; {_nearest(model, location)}"
        case "literal_error":
            text = f"{field}: given {given}; allowed: {context['expected']}"
        case "value_error":
            # Our own validators begin with the field, relative to where they stand.
            field, _, rest = str(context["error"]).partition(": ")
            field = ".".join(part for part in (_dotted(location), field) if part)
            text = f"{field}: {rest}"
        case _:
            allowed = _allowed(error["type"], context) or error["msg"]
            text = f"{field}: given {given}; allowed: {allowed}"
    return Problem(field=field, text=text)


_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "an array",
    "model_type": "a table",
    "model_attributes_type": "a table",
}

_BOUNDS = {
    "greater_than": ("gt", "more than {:g}"),
    "greater_than_equal": ("ge", "{:g} or more"),
    "less_than_equal": ("le", "{:g} or less"),
    "multiple_of": ("multiple_of", "multiples of {:g}"),
    "string_pattern_mismatch": ("pattern", "text that matches {}"),
    "too_short": ("min_length", "{} or more entries"),
    "too_long": ("max_length", "{} or fewer entries"),
}


def _allowed(kind: str, context: Mapping[str, Any]) -> str | None:
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return words.format(context[key])
    return _TYPES.get(kind)


def _dotted(location: tuple[str | int, ...]) -> str:
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _nearest(model: type[BaseModel], location: tuple[str | int, ...]) -> str:
    names = _names(_model_at(model, location[:-1]))
    close = difflib.get_close_matches(str(location[-1]), names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return "allowed: " + ", ".join(f"'{name}'" for name in names)


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(
    model: type[BaseModel], location: tuple[str | int, ...]
) -> type[BaseModel]:
    for part in location:
        if isinstance(part, int):
            continue
        for name, field in model.model_fields.items():
            if part in {name, field.alias}:
                model = _first_model(field.annotation) or model
    return model


def _first_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        if (found := _first_model(argument)) is not None:
            return found
    return None
