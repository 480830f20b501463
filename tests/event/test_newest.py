"""What may never start a job, and which of several events of a key counts."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from transcode.contract import Upload
from transcode.errors import UsageError
from transcode.event.filter import MARK, Filter, is_own_output, overlaps
from transcode.event.newest import newest
from transcode.event.parse import parse
from transcode.event.verdict import Ignored, Reason

EVENTS = Path(__file__).resolve().parent / "examples"
START = datetime(2026, 11, 22, tzinfo=UTC)

SEGMENTS = st.lists(st.sampled_from(["in", "out", "a b", "é", "in2"]), max_size=4)


def upload(key: str = "in/a.mp4", *, minute: int | None = None, **facts: str) -> Upload:
    """An arrival in one bucket."""
    return Upload(
        provider="aws",
        bucket="b",
        key=key,
        uri=f"s3://b/{key}",
        event_name="ObjectCreated:Put",
        event_time=None if minute is None else START + timedelta(minutes=minute),
        **facts,
    )


def deleted(about: Upload) -> Ignored:
    """The same as a deletion."""
    return Ignored(reason=Reason.DELETION, detail="ObjectRemoved:Delete", about=about)


# ── newest ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6"),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E51"),
        ("0A", "0A01"),
        ("0A", "1"),
        ("9", "A"),
    ],
)
def test_sequencers_compare_as_text_padded_on_the_right(older: str, newer: str) -> None:
    """The shorter one is padded with zeros, so it is not the older for being short."""
    first, last = upload(sequencer=older, etag="1"), upload(sequencer=newer, etag="2")

    assert (last,) == newest([first, last]) == newest([last, first])


def test_zeros_at_the_end_of_a_sequencer_make_no_difference() -> None:
    """Padded, the two are equal; then the etag settles it, in whatever order."""
    one, other = upload(sequencer="0A00", etag="1"), upload(sequencer="0A", etag="2")

    assert (other,) == newest([one, other]) == newest([other, one])


@given(st.text("0123456789ABCDEF", min_size=1), st.text("0123456789ABCDEF", min_size=1))
def test_padding_is_what_is_documented(one: str, other: str) -> None:
    """Against the rule as S3's guide writes it."""
    width = max(len(one), len(other))
    assume(one.ljust(width, "0") != other.ljust(width, "0"))
    expected = max(one, other, key=lambda s: s.ljust(width, "0"))

    found = newest([upload(sequencer=one), upload(sequencer=other)])

    assert [expected] == [u.sequencer for u in found]


@settings(max_examples=200, deadline=None)
@given(
    order=st.permutations(range(6)),
    facts=st.sampled_from(["sequencer", "event_time"]),
    gone=st.none() | st.integers(0, 6),
)
def test_the_newest_survives_any_order(
    order: list[int], facts: str, gone: int | None
) -> None:
    """Written six times, told in any order; a deletion takes what came before it."""

    def told(number: int) -> Upload:
        if facts == "sequencer":
            return upload(sequencer=f"0055AED6DCD9028{number:X}", etag=f"{number}")
        return upload(minute=number, etag=f"{number}")

    ignored = [] if gone is None else [deleted(told(gone))]
    expected = [] if gone is not None and gone >= 5 else ["5"]

    found = newest([told(number) for number in order], ignored=ignored)

    assert expected == [u.etag for u in found]


def test_keys_are_never_compared_with_each_other() -> None:
    """A sequencer means something within one key of one bucket only."""
    uploads = [upload("a", sequencer="9"), upload("b", sequencer="1"), upload("a")]
    elsewhere = upload("a").model_copy(update={"bucket": "other"})

    found = newest([*uploads, elsewhere])

    # `a` is once without a sequencer and without a time: what was told last counts.
    assert [uploads[2], uploads[1], elsewhere] == list(found)


def test_a_deleted_version_takes_only_itself() -> None:
    """Without the old version the newest stays; without the newest, the one before."""
    old = upload(sequencer="01", version="v1")
    new = upload(sequencer="02", version="v2")

    first = newest([old, new], ignored=[deleted(upload(sequencer="03", version="v1"))])
    second = newest([old, new], ignored=[deleted(upload(sequencer="03", version="v2"))])
    both = newest([old, new], ignored=[deleted(upload(sequencer="03"))])

    assert ((new,), (old,), ()) == (first, second, both)


def test_an_overwritten_generation_takes_older_ones_with_it() -> None:
    """GCS tells of an overwrite as a new generation and the deletion of the old one."""
    told = json.loads((EVENTS / "gcs-structured.json").read_text(encoding="utf-8"))
    gone = json.loads((EVENTS / "gcs-deleted.json").read_text(encoding="utf-8"))
    ignored = parse(gone).ignored
    before, same, later = (
        parse(told | {"data": told["data"] | {"generation": generation}}).uploads[0]
        for generation in ("1587627537231056", "1587627537231057", "1587627537231058")
    )

    assert () == newest([same, before], ignored=ignored)
    assert (later,) == newest([later, same, before], ignored=ignored)


def test_shuffled_deliveries_settle_on_one_upload() -> None:
    """Copies, reorders and equal times: always the same answer."""
    uploads = [upload(minute=n // 2, etag=f"{n}") for n in range(8)] * 3
    shuffled = random.Random(1)  # noqa: S311 - the same shuffles every time
    found = set()
    for _ in range(50):
        shuffled.shuffle(uploads)
        found |= {u.etag for u in newest(uploads)}

    assert {"7"} == found


# ── what starts a job ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("only", "key", "expected"),
    [
        (Filter(), "anything", True),
        (Filter(prefix="in/"), "in/a.mp4", True),
        (Filter(prefix="in/"), "In/a.mp4", False),
        (Filter(suffixes=(".mp4", ".MOV")), "a.MP4", True),
        (Filter(suffixes=(".mp4", ".MOV")), "a.mov", True),
        (Filter(suffixes=(".mp4",)), "a.mp4.part", False),
        (Filter(prefix="in/", suffixes=(".mp4",)), "in/ä.Mp4", True),
    ],
)
def test_a_filter_takes_keys(only: Filter, key: str, expected: object) -> None:
    """The prefix to the letter, the suffix in any case."""
    assert expected is only.takes(key)


@pytest.mark.parametrize(
    "name",
    [
        MARK,
        "Transcode-Job",
        "x-amz-meta-transcode-job",
        "X-Amz-Meta-Transcode-Job",
        "x-obs-meta-transcode-job",
        "x-goog-meta-Transcode-Job",
    ],
)
def test_our_mark_is_known_however_a_store_spells_it(name: str) -> None:
    """Stores change the case, and some hand back the header's whole name."""
    assert is_own_output({"who": "me", name: "0123"})


@pytest.mark.parametrize("name", ["transcode-profile", "job", "transcode-jobs", ""])
def test_other_metadata_is_not_our_mark(name: str) -> None:
    """An upload may carry any metadata but ours."""
    assert not is_own_output({name: MARK})


# ── recursion ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("trigger", "destination", "expected"),
    [
        ("s3://b", "s3://b", True),
        ("s3://b", "s3://b/out", True),
        ("s3://b/in", "s3://b", True),
        ("s3://b/in/", "s3://b/in", True),
        ("s3://b/in", "s3://b/in/", True),
        ("s3://b/in/", "s3://b/in/out/", True),
        ("s3://b/in/new/", "s3://b/in", True),
        ("s3://b/in", "s3://b/input", True),
        ("s3://b/in/", "s3://b/input", False),
        ("s3://b/in/", "s3://b/out/", False),
        ("s3://b/in", "s3://c/in", False),
        ("s3://b/in", "gs://b/in", False),
        ("s3://b/in", "/b/in", False),
        ("/media/in", "/media/in", True),
        ("/media/in/", "/media/in/../in/out", True),
        ("/media/in", "/media", True),
        ("/media/in", "/media/input", False),
        ("/media/in", "/media/in/../out", False),
        ("/", "/anywhere", True),
        ("file:///media/a%20b", "/media/a b/out", True),
        ("file:///media/in", "file:///media/out", False),
    ],
)
def test_overlaps(trigger: str, destination: str, expected: object) -> None:
    """Same bucket and one prefix within the other; folders by their names."""
    assert expected is overlaps(trigger, destination)


@pytest.mark.parametrize("bad", ["media/in", "file://media", "s3://", "s3:///in", ""])
def test_what_cannot_be_compared_is_refused(bad: str) -> None:
    """Better no start than a guess that lets outputs start jobs."""
    with pytest.raises(UsageError):
        overlaps(bad, "/media/out")
    with pytest.raises(UsageError):
        overlaps("/media/in", bad)


@given(SEGMENTS, SEGMENTS, st.sampled_from("/ "), st.sampled_from(["a.m4s", "x/y"]))
@example(["in"], ["in2"], " ", "a.m4s")
def test_what_does_not_overlap_cannot_recurse(
    trigger: list[str], destination: list[str], end: str, name: str
) -> None:
    """No key written under the destination starts with the trigger, or the reverse."""
    prefix = "/".join(trigger) + (end.strip() if trigger else "")
    folder = "".join(f"{part}/" for part in destination)
    watched, written = f"s3://b/{prefix}", f"s3://b/{'/'.join(destination)}"

    said = overlaps(watched, written)

    # What the store writes: the folder of the destination, a job's folder, a file.
    assert said or not f"{folder}{name}".startswith(prefix)
    assert said == (folder.startswith(prefix) or prefix.startswith(folder))


@given(SEGMENTS, SEGMENTS, st.sampled_from(["", "/", "/.", "/x/.."]))
def test_folders_overlap_as_paths_do(
    one: list[str], other: list[str], end: str
) -> None:
    """As `pathlib` has it, either way round, however the paths are written."""
    first, second = PurePosixPath("/", *one), PurePosixPath("/", *other)
    expected = first.is_relative_to(second) or second.is_relative_to(first)

    assert expected == overlaps(f"{first}{end}", str(second))
    assert expected == overlaps(str(second), f"{first}{end}")
