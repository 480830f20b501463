"""The tables of the index: attempts as they came, and sums of them by day."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.status import OutcomeKind
from .amounts import split
from .totals import total_of, used

if TYPE_CHECKING:
    from ..contract.job import LedgerRecord

VERSION = 3
"""Of the tables: an index of another version is made anew."""

COST = ("c0", "c1", "c2", "c3")
PREDICTED = ("p0", "p1", "p2", "p3")
ACTUAL = ("q0", "q1", "q2", "q3")
"""Limbs: of all attempts, and of those that can be compared with a prediction."""
_SUMS = (*COST, *PREDICTED, *ACTUAL, "compared", "billed", "reported", "requests")
_BY_DAY = (
    *("day", "currency", "profile", "platform", "price_table", "engine", "kind"),
    *("outcome", "memory_mib", "milli_cpus", "scratch_mib"),
)
_BY_TAGS = ("day", "currency", "tags", "outcome")

_COLUMNS = [
    *("key", "job_id", "claim", "task_id", "number", "recorded_at", "stands"),
    *dict.fromkeys([*_BY_DAY, *_BY_TAGS]),
    *_SUMS,
]
_TEXTS = {
    *("key", "job_id", "task_id", "recorded_at", "day", "currency", "profile"),
    *("platform", "price_table", "engine", "kind", "outcome", "tags"),
}


def _declare(names: Iterable[str]) -> str:
    return ", ".join(f"{n} {'TEXT' if n in _TEXTS else 'INTEGER'}" for n in names)


SCHEMA = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE attempts ({_declare(_COLUMNS)}, PRIMARY KEY (key)) WITHOUT ROWID;
CREATE INDEX attempts_of ON attempts (job_id, claim, task_id, number);
CREATE INDEX attempts_on ON attempts (day);
CREATE TABLE bodies (key TEXT PRIMARY KEY, body BLOB);
CREATE TABLE strange (key TEXT PRIMARY KEY, etag TEXT, why TEXT);
CREATE TABLE by_day ({_declare([*_BY_DAY, "tries", *_SUMS])});
CREATE INDEX by_day_on ON by_day (day);
CREATE TABLE by_tags ({_declare([*_BY_TAGS, "tries", *_SUMS])});
CREATE INDEX by_tags_on ON by_tags (day);
CREATE TABLE dirty (day TEXT PRIMARY KEY);
CREATE TABLE jobs (
  job_id TEXT PRIMARY KEY, digest TEXT, submitted_at TEXT, folder TEXT, tags TEXT,
  body TEXT, final TEXT, source TEXT, profile TEXT, mark TEXT
);
CREATE INDEX jobs_known ON jobs (job_id, digest, mark, folder);
CREATE TABLE results (folder TEXT PRIMARY KEY, job_id TEXT, digest TEXT);
CREATE INDEX jobs_on ON jobs (submitted_at DESC, job_id);
PRAGMA user_version = {VERSION};
"""

TABLES = {"by_day": _BY_DAY, "by_tags": _BY_TAGS}


def unfit(record: LedgerRecord) -> str | None:
    """Why *record* cannot be kept; None where it can."""
    try:
        _row(record)
    except ValueError as exc:
        return str(exc)
    return None


def add_records(base: sqlite3.Connection, records: Sequence[LedgerRecord]) -> None:
    """Take in *records*, whose days' sums have to be made again by `sum_up`."""
    marks = ", ".join("?" * len(_COLUMNS))
    days: set[str] = set()
    for record in records:
        base.execute(
            f"INSERT OR REPLACE INTO attempts VALUES ({marks})",  # noqa: S608 - ours
            _row(record),
        )
        base.execute(
            "INSERT OR REPLACE INTO bodies VALUES (?, ?)",
            (record.key, zlib.compress(record.to_json().encode(), 1)),
        )
        days |= settle(base, _identity(record))
    _mark(base, days)


def _identity(record: LedgerRecord) -> tuple[str, int, str, int]:
    return record.job_id, record.claim, record.task_id, record.attempt.number


def settle(base: sqlite3.Connection, identity: tuple[str, int, str, int]) -> set[str]:
    """
    Let one record stand for each attempt; returns the days it concerns.

    An attempt that was written off as lost may yet have reported: the report counts.
    What the platform says that it billed counts before what we measured of the same.
    """
    rows = base.execute(
        "SELECT key, outcome, day, stands, reported FROM attempts WHERE job_id = ? "
        "AND claim = ? AND task_id = ? AND number = ?",
        identity,
    ).fetchall()
    if len(rows) == 1 and rows[0][3]:
        return {rows[0][2]}
    rows.sort(key=lambda row: (row[1] == OutcomeKind.LOST, not row[4], row[0]))
    for n, row in enumerate(rows):
        base.execute("UPDATE attempts SET stands = ? WHERE key = ?", (n == 0, row[0]))
    return {row[2] for row in rows}


def remove_records(base: sqlite3.Connection, keys: Iterable[str]) -> None:
    """Forget what is in the ledger no more; sums as after `add_records`."""
    days: set[str] = set()
    for key in keys:
        row = base.execute(
            "SELECT job_id, claim, task_id, number, day FROM attempts WHERE key = ?",
            (key,),
        ).fetchone()
        base.execute("DELETE FROM attempts WHERE key = ?", (key,))
        base.execute("DELETE FROM bodies WHERE key = ?", (key,))
        if row is not None:
            days |= {row[4]} | settle(base, row[:4])
    _mark(base, days)


def _mark(base: sqlite3.Connection, days: Iterable[str]) -> None:
    base.executemany("INSERT OR IGNORE INTO dirty VALUES (?)", ((d,) for d in days))


def sum_up(base: sqlite3.Connection) -> None:
    """Make the sums again of the days whose attempts have changed."""
    for (day,) in base.execute("SELECT day FROM dirty ORDER BY day").fetchall():
        for table, names in TABLES.items():
            key, sums = ", ".join(names), ", ".join(f"SUM({name})" for name in _SUMS)
            base.execute(f"DELETE FROM {table} WHERE day = ?", (day,))  # noqa: S608
            base.execute(
                f"INSERT INTO {table} SELECT {key}, COUNT(*), {sums} "  # noqa: S608
                f"FROM attempts WHERE day = ? AND stands GROUP BY {key}",
                (day,),
            )
    base.execute("DELETE FROM dirty")


def _row(record: LedgerRecord) -> tuple[object, ...]:
    alone = total_of(record)
    spec = record.attempt.spec
    values: dict[str, object] = {
        "key": record.key,
        "job_id": record.job_id,
        "claim": record.claim,
        "task_id": record.task_id,
        "number": record.attempt.number,
        "recorded_at": record.recorded_at.isoformat(),
        "stands": 1,
        "day": record.key.partition("/")[0],
        "currency": alone.currency,
        "profile": record.profile.name,
        "platform": record.platform.name,
        "price_table": record.platform.price_table,
        "engine": record.engine,
        "kind": record.kind,
        "outcome": record.attempt.outcome.value,
        "memory_mib": spec.memory_mib,
        "milli_cpus": spec.milli_cpus,
        "scratch_mib": spec.scratch_mib,
        "tags": tags_text(record.tags),
        "compared": alone.compared,
        "billed": alone.billed_milliseconds,
        "reported": int(record.platform_billed_milliseconds is not None),
        "requests": used(record).requests,
        **dict(zip(COST, split(alone.cost), strict=True)),
        **dict(zip(PREDICTED, split(alone.predicted), strict=True)),
        **dict(zip(ACTUAL, split(alone.actual), strict=True)),
    }
    return tuple(values[name] for name in _COLUMNS)


def tags_text(tags: Mapping[str, str]) -> str:
    """The same tags always as the same text."""
    return json.dumps(dict(tags), sort_keys=True, separators=(",", ":"))


def connect(path: Path) -> sqlite3.Connection:
    """
    Open the index in this file, begun anew where it is of no use.

    Raises sqlite3.Error where it can be neither read nor written.
    """
    for _ in range(2):
        base = sqlite3.connect(path, timeout=60)
        try:
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = NORMAL")
            base.execute("BEGIN IMMEDIATE")
            (version,) = base.execute("PRAGMA user_version").fetchone()
            (tables,) = base.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            if not tables:
                for statement in SCHEMA.split(";"):
                    base.execute(statement)
            base.commit()
            if not tables or version == VERSION:
                return base
        except sqlite3.OperationalError:
            base.close()
            raise
        except sqlite3.DatabaseError:
            # Damaged, or no database: it holds nothing that the store does not.
            pass
        base.close()
        for end in ("", "-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
    raise sqlite3.DatabaseError("it is damaged and comes back damaged")
