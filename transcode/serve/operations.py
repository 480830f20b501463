"""Operations as data: what routes, checks and describes them is made from one table."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from ..errors import UsageError
from ..version import __version__
from .responses import ProblemDetails

JSON = "application/json"
PROBLEM = "application/problem+json"
_NAMES = re.compile(r"\{(\w+)(?::path)?\}")
_REFERENCE = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True)
class StatusReply:
    """One status that an operation may answer with."""

    meaning: str
    model: type[BaseModel] | None = None
    kind: str = JSON


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    endpoint: Callable[..., Awaitable[Response]]
    """Its docstring is what is said of it."""
    answers: Mapping[int, StatusReply]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_kind: str | None = None
    """Of a body without a model."""
    is_open: bool = False
    """Answered without a token: a constant."""
    refusals: Sequence[int] = field(default=())
    """Further statuses that are errors."""

    @property
    def name(self) -> str:
        return self.endpoint.__name__


PATH_PARAMETERS = {
    "job": (
        "The job's id, its first digits, or the name of its folder of results.",
        r"^[^/?#\x00-\x1f\x7f-\x9f]{1,300}$",
    ),
    "path": (
        "Below the job's results.",
        r"^[^/?#\x00-\x1f\x7f-\x9f]{1,300}(/[^/?#\x00-\x1f\x7f-\x9f]{1,300})*$",
    ),
    "name": (
        "With an ending, and without a slash or a dot in front.",
        r"^[^/\\.?#\x00-\x1f\x7f-\x9f][^/\\?#\x00-\x1f\x7f-\x9f]{0,150}\.[A-Za-z0-9]+$",
    ),
}
"""What stands for itself in an address, and what may."""
_REFUSED = {
    400: "The request is wrong, and will be wrong again; nothing was kept.",
    401: "Present the server's token.",
    403: "A page of another origin may not call.",
    404: "There is no such thing.",
    405: "The address has other methods; `Allow` lists them.",
    408: "The body did not come in time.",
    409: "As it stands now, that cannot be done.",
    413: "The body is too long.",
    415: "The body is called by another type.",
    416: "The file ends before what is asked of it begins.",
    421: "The server is not called by this name.",
    422: "No plan fits, or the source cannot be transcoded.",
    500: "A fault, or a setting, of the server.",
    503: "Not kept; send it again after `Retry-After` seconds.",
}
_BEFORE_US = (400, 503)
"""Said by the connection, too, in plain text: of what is no HTTP, or of too many."""
_OF_EVERY_GUARDED = (401, 403, 421)
_OF_EVERY = (500, 503)


def query_of(request: Request, model: type[BaseModel]) -> Any:
    """What stands behind the `?`; raises `UsageError` naming the parameter."""
    given: dict[str, Any] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        known = model.model_fields.get(name)
        many = known is not None and get_origin(known.annotation) is tuple
        if len(values) > 1 and not many:
            raise UsageError(f"{name!r} is given more than once.", field=name)
        given[name] = values if many else values[0]
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"In the query, {name}: {first['msg'].rstrip('.')}.", field=name
        ) from exc


def described(operations: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of *operations*."""
    models: set[tuple[type[BaseModel], Any]] = {(ProblemDetails, "serialization")}
    for one in operations:
        models |= {(m, "validation") for m in (one.query, one.body) if m is not None}
        models |= {(a.model, "serialization") for a in one.answers.values() if a.model}
    ordered = sorted(models, key=lambda it: (it[0].__name__, it[1]))
    references, schemas = models_json_schema(ordered, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        path = _NAMES.sub(r"{\1}", one.path)
        paths.setdefault(path, {})[one.method.lower()] = _operation(one, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "transcode",
            "version": __version__,
            "summary": "Video in, verified renditions and a bill out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Operation, references: Mapping[Any, Any]) -> dict[str, Any]:
    text = inspect.cleandoc(one.endpoint.__doc__ or "")
    summary, _, more = text.partition("\n\n")
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": about,
            "schema": {"type": "string", "pattern": pattern},
        }
        for name in _NAMES.findall(one.path)
        for about, pattern in [PATH_PARAMETERS[name]]
    ]
    if one.query is not None:
        schema = one.query.model_json_schema(ref_template=_REFERENCE)
        parameters += [
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": about.pop("description", ""),
                "schema": _without_null(about),
            }
            for name, about in schema["properties"].items()
        ]
    refusals = [*one.refusals, *_OF_EVERY]
    if not one.is_open:
        refusals += _OF_EVERY_GUARDED
    if one.body is not None or one.body_kind is not None:
        refusals += (408, 413)
    if one.method == "POST":
        refusals += (415,)
    refusals += (400,)
    answers: dict[str, Any] = {
        str(status): _answer(a.meaning, a.kind, a.model, references)
        for status, a in one.answers.items()
    }
    for status in sorted({*refusals} - {*one.answers}):
        answers[str(status)] = _answer(
            _REFUSED[status], PROBLEM, ProblemDetails, references
        )
        if status in _BEFORE_US:
            answers[str(status)]["content"]["text/plain"] = {"schema": {}}
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": " ".join(summary.split()),
        "description": more,
        "parameters": parameters,
        "responses": answers,
        "security": [{}] if one.is_open else [{"token": []}, {}],
    }
    if one.body is not None:
        schema = references[one.body, "validation"]
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    elif one.body_kind is not None:
        content: dict[str, Any] = {one.body_kind: {"schema": {}}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _answer(
    meaning: str,
    kind: str,
    model: type[BaseModel] | None,
    references: Mapping[Any, Any],
) -> dict[str, Any]:
    schema = {} if model is None else references[model, "serialization"]
    return {"description": meaning, "content": {kind: {"schema": schema}}}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is not given is not null."""
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind.get("type") != "null"]
    schema.pop("title", None)
    schema.pop("default", None)
    return {**schema, **kinds[0]} if len(kinds) == 1 else schema
