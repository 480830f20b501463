"""One contract, two stores: what a folder and a real S3 server both keep to."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import urllib.request
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import anyio
import anyio.to_thread
import pytest

from transcode.errors import (
    ObjectExists,
    ObjectMissing,
    StoreError,
    TranscodeError,
    UsageError,
)
from transcode.settings import Settings
from transcode.store.bucket import Bucket
from transcode.store.folder_bucket import FolderBucket
from transcode.store.open import bucket
from transcode.store.s3_bucket import S3Bucket

pytestmark = pytest.mark.anyio

ODD_KEYS = [
    "plain.mp4",
    "a folder/with spaces.mp4",
    'it\'s "quoted" <&>.mp4',
    "100%2Bsure+really%20.mp4",
    "plus+and;semi=colon?query#hash.mp4",
    "日本語/видео/🎬.mp4",
    "e\u0301 and \u00e9.mp4",
    "-dash.mp4",
    "~tilde/.hidden",
    "dots../..dots/a..b",
    "/".join("x" * 99 for _ in range(9)),
]


@pytest.fixture(params=["folder", "s3", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the bucket under test lies; in memory is what other tests build on."""
    if request.param == "memory":
        return "memory"
    if request.param == "folder":
        return str(tmp_path / "bucket")
    found: str = request.getfixturevalue("s3_address")
    return found


@pytest.fixture
def settings(address: str, request: pytest.FixtureRequest) -> Settings:
    """What it takes to reach it."""
    if not address.startswith("s3://"):
        return Settings()
    found: Settings = request.getfixturevalue("s3_settings")
    return found


@pytest.fixture
async def store(
    address: str, settings: Settings, anyio_backend: str, memory_bucket: ModuleType
) -> AsyncIterator[Bucket]:
    """A fresh, open bucket."""
    assert anyio_backend
    if address == "memory":
        yield memory_bucket.Memory()
        return
    async with bucket(address, settings) as opened:
        yield opened


async def keys(store: Bucket, prefix: str = "", after: str = "") -> list[str]:
    """What a listing names."""
    return [entry.key async for entry in store.entries(prefix, after=after)]


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """A body that comes bit by bit."""
    for part in parts:
        yield part


async def test_what_was_put_is_read(store: Bucket) -> None:
    """Content, size and etag agree between write, head, read and listing."""
    written = await store.put("a/b.json", b"content")
    body, read = await store.read("a/b.json")
    head = await store.head("a/b.json")
    (listed,) = [entry async for entry in store.entries()]

    assert body == b"content"
    assert {(e.key, e.bytes, e.etag) for e in (written, read, head, listed)} == {
        ("a/b.json", 7, written.etag)
    }


async def test_a_part_is_read_by_its_bytes(store: Bucket) -> None:
    """Both ends belong to it; beyond the end of the object there is nothing."""
    await store.put("a/part", b"0123456789", metadata={})

    assert b"2345" == await store.read_part("a/part", 2, 5)
    assert b"89" == await store.read_part("a/part", 8, 99)
    with pytest.raises(ObjectMissing):
        await store.read_part("a/none", 0, 1)


async def test_put_replaces(store: Bucket) -> None:
    """The last write is read, under another etag."""
    first = await store.put("key", b"one")
    second = await store.put("key", b"two")

    assert (await store.read("key"))[0] == b"two"
    assert first.etag != second.etag


async def test_create_refuses_what_exists(store: Bucket) -> None:
    """And leaves it alone."""
    await store.create("key", b"first")

    with pytest.raises(ObjectExists, match="key"):
        await store.create("key", b"second")

    assert (await store.read("key"))[0] == b"first"


async def test_create_refuses_the_same_content_of_another(store: Bucket) -> None:
    """Two workers that write the same bytes are still two."""
    await store.create("key", b"same")

    with pytest.raises(ObjectExists):
        await store.create("key", b"same")


async def test_of_many_creators_one_wins(store: Bucket, address: str) -> None:
    """And the object is the winner's, at every race."""
    # The server waits a second wherever two of its locks meet.
    races, workers = (8, 3) if address.startswith("s3://") else (1000, 4)
    for race in range(races):
        won: list[bytes] = []

        async def create(body: bytes, key: str, won: list[bytes]) -> None:
            try:
                await store.create(key, body)
            except ObjectExists:
                return
            won.append(body)

        async with anyio.create_task_group() as group:
            for worker in range(workers):
                body = f"{worker}".encode()
                group.start_soon(create, body, f"race/{race}", won)

        assert [(await store.read(f"race/{race}"))[0]] == won


async def test_without_hard_links_one_of_many_wins_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """exFAT and many network drives have none; the kernel decides all the same."""
    won: list[int] = []

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    async with bucket(str(tmp_path), Settings()) as store:

        async def create(number: int) -> None:
            with contextlib.suppress(ObjectExists):
                await store.create("claims/1", str(number).encode())
                won.append(number)

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(create, number)
        body, _ = await store.read("claims/1")

    assert [int(body)] == won
    assert ["1"] == [path.name for path in (tmp_path / "claims").iterdir()]


async def test_a_folder_that_can_promise_nothing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither hard links nor renaming without replacing: nobody could win."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    async with bucket(str(tmp_path), Settings()) as store:
        with pytest.raises(StoreError, match="neither hard links nor renaming"):
            await store.create("claims/1", b"mine")


async def test_of_many_uploads_of_something_new_one_wins(store: Bucket) -> None:
    """Conditional completion, for what is sent in parts."""
    size = 17 * 2**20
    won: list[int] = []

    async def upload(worker: int) -> None:
        try:
            await store.upload("big", pieces(bytes([worker]) * size), only_new=True)
        except ObjectExists:
            return
        won.append(worker)

    async with anyio.create_task_group() as group:
        for worker in range(2):
            group.start_soon(upload, worker)

    assert [(await store.read("big"))[0][-1]] == won


async def test_what_is_missing_is_missing(store: Bucket) -> None:
    """One error for every way of asking."""
    with pytest.raises(ObjectMissing, match="nothing"):
        await store.head("nothing")
    with pytest.raises(ObjectMissing, match="nothing"):
        await store.read("nothing")
    with pytest.raises(ObjectMissing, match="nothing"):
        await store.copy("nothing", "there")


async def test_a_folder_of_objects_is_no_object(store: Bucket) -> None:
    """Neither to look at nor to read."""
    await store.put("a/b", b"")

    with pytest.raises(ObjectMissing):
        await store.head("a")
    with pytest.raises(TranscodeError):
        await store.read("a")


async def test_what_is_deleted_is_gone(store: Bucket) -> None:
    """Deleting it again is fine, and its name is free."""
    await store.create("a/b", b"1")

    await store.delete("a/b")
    await store.delete("a/b")

    assert await keys(store) == []
    await store.create("a/b", b"2")
    assert (await store.read("a/b"))[0] == b"2"


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_keys_are_kept_as_they_are(store: Bucket, key: str) -> None:
    """What is written under a name is found under it, and under no other."""
    await store.put(key, b"odd")

    assert (await store.read(key))[0] == b"odd"
    assert (await store.head(key)).key == key
    assert await keys(store) == [key]
    await store.delete(key)
    assert await keys(store) == []


@pytest.mark.parametrize("key", ["../a", "a/../../b", "/etc/a", "a/./b", "..", "a\0b"])
async def test_keys_that_lead_out_are_refused(
    store: Bucket, key: str, tmp_path: Path
) -> None:
    """By every call, before anything is asked or written."""
    with pytest.raises(UsageError, match="no key"):
        await store.put(key, b"")
    with pytest.raises(UsageError, match="no key"):
        await store.read(key)
    with pytest.raises(UsageError, match="no key"):
        await store.delete(key)

    assert not (tmp_path / "a").exists()


async def test_an_empty_object_is_one(store: Bucket) -> None:
    """Nothing is content too."""
    await store.put("empty", b"")

    assert (await store.head("empty")).bytes == 0
    assert (await store.read("empty"))[0] == b""


@pytest.mark.parametrize("kind", ["file", "stream"])
async def test_a_large_object_arrives_whole(
    store: Bucket, tmp_path: Path, kind: str
) -> None:
    """20 MB, from a file and bit by bit."""
    body = hashlib.shake_128(b"seed").digest(20_000_000)
    (tmp_path / "big").write_bytes(body)
    parts = pieces(body[:7], body[7:15_000_000], b"", body[15_000_000:])

    written = await store.upload("big", parts if kind == "stream" else tmp_path / "big")

    assert (await store.read("big"))[0] == body
    assert await store.head("big") == written


async def test_upload_replaces_or_refuses(store: Bucket, tmp_path: Path) -> None:
    """As it is told."""
    await store.put("key", b"old")
    (tmp_path / "new").write_bytes(b"new")

    with pytest.raises(ObjectExists):
        await store.upload("key", tmp_path / "new", only_new=True)
    assert (await store.read("key"))[0] == b"old"

    await store.upload("key", tmp_path / "new")
    assert (await store.read("key"))[0] == b"new"


async def test_an_upload_that_fails_leaves_nothing(store: Bucket) -> None:
    """Neither an object nor anything else that a listing shows."""

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(17 * 2**20)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await store.upload("big", broken())

    assert await keys(store) == []
    assert await store.collect(older_than=timedelta(days=-1)) == 0


def names(folder: Path) -> list[str]:
    return sorted(it.name for it in folder.iterdir())


async def test_folders_without_a_file_go_with_the_last_one(tmp_path: Path) -> None:
    """
    Whoever was killed may have made folders alone, which a listing does not know.
    """
    store = FolderBucket(tmp_path)
    for name in (".transcode-a.0001", ".transcode-b.0001"):
        (tmp_path / name / "encode.1/hls/720p").mkdir(parents=True)
        (tmp_path / name / "prepared").touch()
    (tmp_path / ".transcode-b.0001/encode.1/hls/part").touch()

    await store.delete(".transcode-a.0001/prepared")
    await store.delete(".transcode-b.0001/prepared")

    assert [".transcode-b.0001"] == names(tmp_path)
    assert [".transcode-b.0001/encode.1/hls/part"] == await keys(store)


async def test_folders_that_came_too_late_are_collected(tmp_path: Path) -> None:
    """Of a worker that began when its try had been tidied up: none lists them."""
    store = FolderBucket(tmp_path)
    (tmp_path / ".transcode-a.0001/encode.1").mkdir(parents=True)
    (tmp_path / ".transcode-b.0001").mkdir()
    (tmp_path / ".transcode-b.0001/video.mp4").touch()
    (tmp_path / "somebody's own").mkdir()

    assert 0 == await store.collect(older_than=timedelta(days=1))
    assert 1 == await store.collect(older_than=timedelta(days=-1))

    assert [".transcode-b.0001", "somebody's own"] == names(tmp_path)


async def test_readers_see_the_old_or_the_new(store: Bucket) -> None:
    """Never a mixture, while an object is replaced again and again."""
    size = 300_000
    await store.put("key", b"0" * size)
    done = anyio.Event()
    seen: set[bytes] = set()

    async def write() -> None:
        for number in range(1, 20):
            await store.put("key", f"{number % 10}".encode() * size)
        done.set()

    async def read() -> None:
        while not done.is_set():
            body, entry = await store.read("key")
            assert len(body) == entry.bytes == size
            seen.add(bytes(set(body)))

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        group.start_soon(read)
        group.start_soon(read)

    assert {1} == {len(distinct) for distinct in seen}


async def test_a_copy_is_the_same_object(store: Bucket) -> None:
    """Content and metadata, under another name."""
    await store.put("a", b"content", metadata={"job": "x"})

    copied = await store.copy("a", "b/c+d e")

    assert copied.key == "b/c+d e"
    assert (await store.read("b/c+d e"))[0] == b"content"
    assert (await store.head("b/c+d e")).metadata == (await store.head("a")).metadata


async def test_metadata_comes_back_where_it_is_kept(
    store: Bucket, address: str
) -> None:
    """S3 keeps it; files have nowhere for it."""
    kept = {} if address.startswith("/") else {"transcode-job": "x"}
    await store.create("a", b"1", metadata={"transcode-job": "x"})
    await store.upload("b", pieces(b"1"), metadata={"transcode-job": "x"})
    size = 17 * 2**20
    await store.upload("c", pieces(bytes(size)), metadata={"transcode-job": "x"})

    assert [(await store.head(key)).metadata for key in "abc"] == [kept] * 3
    assert (await store.read("a"))[1].metadata == kept


async def test_listings_are_by_prefix_and_position(store: Bucket) -> None:
    """A prefix is a beginning of the key, whether or not a folder ends there."""
    for key in ("a/1", "a/2", "a/3", "ab", "b"):
        await store.put(key, b"")

    assert await keys(store) == ["a/1", "a/2", "a/3", "ab", "b"]
    assert await keys(store, "a/") == ["a/1", "a/2", "a/3"]
    assert await keys(store, "a") == ["a/1", "a/2", "a/3", "ab"]
    assert await keys(store, "a/", after="a/1") == ["a/2", "a/3"]
    assert await keys(store, after="a/3") == ["ab", "b"]
    assert await keys(store, "nothing/") == []


async def test_long_listings_are_whole_and_in_order(tmp_path: Path) -> None:
    """More than one answer of S3 would hold."""
    async with FolderBucket.open(str(tmp_path)) as store:
        for number in range(1203):
            (tmp_path / f"{number:04}").touch()

        assert await keys(store) == [f"{number:04}" for number in range(1203)]


async def test_listings_go_on_over_pages(
    s3_address: str, s3_settings: Settings
) -> None:
    """Each key once, wherever a page ends."""
    names = [f"{folder}/{number}" for folder in "abc" for number in range(5)]
    for page in (1, 4, 5, 100):
        async with S3Bucket.open(s3_address, s3_settings, page=page) as store:
            for name in names:
                await store.put(name, b"")

            assert await keys(store) == names
            assert await keys(store, after="b/2") == names[8:]


async def test_an_address_is_signed_to_be_read(store: Bucket) -> None:
    """Without credentials, by whoever holds it."""
    await store.put("a b+c", b"content")

    signed = await store.sign("a b+c", seconds=60)

    if signed.startswith("http"):

        def read() -> bytes:
            with urllib.request.urlopen(signed) as reply:  # noqa: S310  our own
                body: bytes = reply.read()
                return body

        assert await anyio.to_thread.run_sync(read) == b"content"
    else:
        assert await anyio.Path(signed).read_bytes() == b"content"


async def test_the_clock_is_the_stores(store: Bucket) -> None:
    """UTC, and here the same machine's."""
    told = await store.now()

    assert told.tzinfo == UTC
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)
    assert await keys(store) == []


async def test_a_write_is_dated_by_the_stores_clock(store: Bucket) -> None:
    """Between two looks at it, to the second."""
    before = await store.now()
    written = await store.put("key", b"")
    after = await store.now()
    second = timedelta(seconds=1)

    assert before - second <= written.modified <= after + second
    assert before - second <= (await store.head("key")).modified <= after + second


async def test_a_conditional_store_is_known_as_one(store: Bucket) -> None:
    """And finding out leaves nothing."""
    assert await store.is_conditional()
    assert await store.is_conditional()
    assert await keys(store) == []


async def test_foreign_schemes_are_refused() -> None:
    """Rather than taken for a folder's name."""
    with pytest.raises(UsageError, match="scheme"):
        bucket("gs://there/x", Settings())
