"""Records of a job as objects: their names, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

import anyio
from pydantic import ValidationError

from ..contract import Value
from ..errors import ObjectMissing, RecordUnreadable
from ..store.bucket import Bucket

STATE = ".transcode"
NUMBERED = re.compile(r"(\d{6})\.json")
_ROUND = re.compile(r"rounds/(\d{6})-(\d{6})\.json")
_READS_AT_ONCE = 8

Record = TypeVar("Record", bound=Value)
Key = TypeVar("Key")


def path(job: str, name: str) -> str:
    return f"{STATE}/jobs/{job}/{name}"


def numbers(found: Iterable[str], kind: str) -> list[int]:
    """Of the records of this kind; what others have put beside them is left alone."""
    prefix = f"{kind}/"
    names = (key.removeprefix(prefix) for key in found if key.startswith(prefix))
    matches = (NUMBERED.fullmatch(name) for name in names)
    return sorted(int(match[1]) for match in matches if match)


def rounds(found: Iterable[str]) -> list[int]:
    """The claim after which each round began; one number for each round."""
    matches = [match for key in sorted(found) if (match := _ROUND.fullmatch(key))]
    by_round = {int(match[1]): int(match[2]) for match in matches}
    return [by_round[number] for number in sorted(by_round)]


async def read_one(objects: Bucket, kind: type[Record], key: str) -> Record:
    body, _ = await objects.read(key)
    try:
        return kind.from_json(body)
    except ValidationError as exc:
        raise RecordUnreadable(
            f"{objects.uri(key)!r} is no {kind.__name__.lower()} of ours: "
            f"{exc.errors(include_url=False)[0]['msg']}. Restore it or remove it.",
            key=key,
        ) from exc


async def read_several(
    objects: Bucket,
    keys: list[tuple[Key, str]],
    kind: type[Record],
    *,
    strange_too: bool = False,
) -> dict[Key, Record]:
    """Those that are there; with *strange_too*, whatever else lies among them."""
    limit = anyio.CapacityLimiter(_READS_AT_ONCE)
    found: dict[Key, Record] = {}
    failures: list[Exception] = []

    async def read(name: Key, key: str) -> None:
        async with limit:
            try:
                found[name] = await read_one(objects, kind, key)
            except ObjectMissing:
                return
            except Exception as exc:  # noqa: BLE001 - raised below, not as a group
                if not (strange_too and isinstance(exc, RecordUnreadable)):
                    failures.append(exc)

    async with anyio.create_task_group() as group:
        for name, key in keys:
            group.start_soon(read, name, key)
    if failures:
        raise failures[0]
    return found
