"""
How fast `transcode costs` answers from a ledger of a million records.

    python bench/ledger.py [--records 1000000] [--folder FOLDER]

Records are written straight into the index's tables, as a sync would after reading
them: reading a million objects is the store's time, not ours. Then each grouping is
asked five times. The aim is less than a second.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from bench.harness import Stopwatch, parser_of
from transcode.contract import (
    Attempt,
    Money,
    OutcomeKind,
    PlatformRef,
    ProfileRef,
    SourceRecord,
    Spec,
    Usage,
)
from transcode.contract.job import LedgerRecord
from transcode.ledger.index import Index
from transcode.ledger.queries import GROUPS
from transcode.ledger.tables import add_records, connect, sum_up

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 300
BATCH = 5000
PLATFORMS = (("functiongraph", "CNY"), ("aws-lambda", "USD"), ("local", "USD"))
SIZES = (128, 512, 1024, 2048, 4096)
CUSTOMERS = 200
AIM_SECONDS = 1.0


def main() -> int:
    """Fill, ask and print; 0 when every answer came within the aim."""
    parser = parser_of(__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        watch = Stopwatch()
        with Index.open(folder, "bench"):
            (path,) = folder.glob("*.sqlite3")
        fill(path, given.records)
        print(f"{given.records} records taken in: {watch.seconds:.0f} s")
        print(f"index: {path.stat().st_size / 1e6:.0f} MB")
        with Index.open(folder, "bench") as index:
            return ask(index)


def ask(index: Index) -> int:
    slowest = 0.0
    for by in (*GROUPS, "tag:customer"):
        times = []
        for _ in range(5):
            watch = Stopwatch()
            found = index.totals(by)
            times.append(watch.seconds)
        slowest = max(slowest, *times)
        print(
            f"{by:14} {len(found):5} rows  {statistics.median(times):.3f} s "
            f"[{min(times):.3f}-{max(times):.3f}]"
        )
    return 0 if slowest < AIM_SECONDS else 1


def fill(path: Path, count: int) -> None:
    base = connect(path)
    pick = random.Random(1)
    for first in range(0, count, BATCH):
        with base:
            add_records(
                base, [record(n, pick) for n in range(first, min(first + BATCH, count))]
            )
    with base:
        sum_up(base)
    base.close()


def record(n: int, pick: random.Random) -> LedgerRecord:
    platform, currency = pick.choice(PLATFORMS)
    milliseconds = int(pick.lognormvariate(9, 1))
    amount = Decimal(milliseconds) * Decimal("0.00000011108")
    usage = Usage(
        wall_seconds=milliseconds / 1000,
        billed_milliseconds=milliseconds,
        cpu_seconds=1.0,
        peak_memory_bytes=10**8,
    )
    memory = pick.choice(SIZES)
    return LedgerRecord(
        recorded_at=BEGIN + timedelta(days=pick.randrange(DAYS), seconds=n % 86_400),
        job_id=f"{n:032x}",
        claim=1,
        task_id=f"{n:012x}-encode",
        kind="encode",
        source=SourceRecord(uri=f"s3://in/{n}.mp4", bytes=1, etag="0", version=None),
        profile=ProfileRef(name=pick.choice(("hls", "mp4", "av1")), digest="sha256:0"),
        platform=PlatformRef(name=platform, price_table="2026-01-01"),
        engine="local",
        tags={"customer": f"c{pick.randrange(CUSTOMERS)}"},
        attempt=Attempt(
            number=1,
            spec=Spec(memory_mib=memory, milli_cpus=memory),
            predicted=usage,
            measured=usage,
            cost=Money(amount=amount, currency=currency),
            outcome=OutcomeKind(
                pick.choices(("succeeded", "out_of_memory"), (97, 3))[0]
            ),
        ),
        predicted_cost=Money(amount=amount, currency=currency),
    )


if __name__ == "__main__":
    sys.exit(main())
