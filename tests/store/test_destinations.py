"""One contract, two stores: a folder and a real S3 server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import aiobotocore.session
import pytest

from tests.conftest import manifest_of
from transcode.errors import (
    DestinationUnwritable,
    LeaseLost,
    ObjectExists,
    SourceNotFound,
    SourceUnreadable,
    StoreError,
    UsageError,
)
from transcode.settings import Settings
from transcode.store.destination import FIRST, Destination, provenance
from transcode.store.open import bucket, destination, locate
from transcode.store.staging import brought, staged

pytestmark = pytest.mark.anyio

MANIFEST = manifest_of()
SECOND = FIRST.replace("1", "2")


def _client(settings: Settings) -> Any:
    return aiobotocore.session.get_session().create_client(
        "s3", endpoint_url=settings.s3_endpoint_url, region_name="us-east-1"
    )


@pytest.fixture(params=["folder", "s3"])
async def place(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[Destination, str, Settings]:
    """A destination, its address and the settings to reach it."""
    if request.param == "folder":
        address = str(tmp_path / "out")
        return destination(address, Settings()), address, Settings()
    settings: Settings = request.getfixturevalue("s3_settings")
    bucket = f"b{abs(hash(tmp_path)):x}"
    async with _client(settings) as client:
        await client.create_bucket(Bucket=bucket)
    address = f"s3://{bucket}/some/prefix"
    return destination(address, settings), address, settings


Place = tuple[Destination, str, Settings]


async def _make(  # noqa: PLR0917 - one file of one attempt
    target: Destination,
    settings: Settings,
    path: str = "video/00001.m4s",
    body: bytes = b"segment",
    token: str = FIRST,
    name: str = "encode.1",
) -> str:
    place = target.place("job", name, token=token)
    marks = provenance(MANIFEST.job_id, "mp4")
    async with staged(place, settings, marks=marks) as files:
        file = files.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        await files.keep()
    return place


async def _publish(target: Destination, settings: Settings) -> None:
    await target.prepare("job")
    await _make(target, settings)
    await target.publish("job", MANIFEST, made=["encode.1"])
    await target.discard("job")


async def test_nothing_is_found_before_anything_is_published(place: Place) -> None:
    """A destination without the job answers None."""
    target, _, _ = place

    assert await target.find("job") is None


async def test_a_published_job_is_found_with_its_files(place: Place) -> None:
    """What was staged can be read at the uri that the manifest will name."""
    target, _, settings = place

    await _publish(target, settings)

    assert await target.find("job") == MANIFEST
    uri = target.uri("job", "video/00001.m4s", name="encode.1")
    source = await locate(uri, settings)
    assert source.bytes == len(b"segment")


async def test_a_page_stands_beside_the_manifest_that_names_it(place: Place) -> None:
    """And is a page to a browser; the manifest as published is what comes back."""
    target, address, settings = place
    await target.prepare("job")
    await _make(target, settings)

    published = await target.publish(
        "job", MANIFEST, made=["encode.1"], page=b"<!doctype html>"
    )

    assert published.page is not None
    assert f"{address}/job/index.html" == published.page.uri
    assert published == await target.find("job")
    source = await locate(published.page.uri, settings)
    assert source.bytes == published.page.bytes == len(b"<!doctype html>")
    if address.startswith("s3://"):
        name, _, prefix = address.removeprefix("s3://").partition("/")
        async with _client(settings) as client:
            key = f"{prefix}/job/index.html"
            head = await client.head_object(Bucket=name, Key=key)
        assert "text/html; charset=utf-8" == head["ContentType"]
        assert MANIFEST.job_id == head["Metadata"]["transcode-job"]


async def test_a_page_that_a_try_has_left_is_never_replaced(
    s3_settings: Settings, s3_address: str
) -> None:
    """Another release's stays, and is what the manifest names; a stranger's refuses."""
    target = destination(s3_address, s3_settings)
    marks = provenance(MANIFEST.job_id, MANIFEST.profile.name)
    async with bucket(s3_address, s3_settings) as store:
        await store.create("job/index.html", b"older", metadata=marks)
        await store.create("other/index.html", b"mine")

    published = await target.publish("job", MANIFEST, made=[], page=b"newer")

    async with bucket(s3_address, s3_settings) as store:
        body, _ = await store.read("job/index.html")
        assert (b"older", 5) == (body, published.page and published.page.bytes)
        with pytest.raises(DestinationUnwritable, match="not of this job"):
            await target.publish("other", MANIFEST, made=[], page=b"newer")
        assert b"mine" == (await store.read("other/index.html"))[0]
    assert await target.find("other") is None


async def test_who_may_not_publish_leaves_no_page(place: Place) -> None:
    """Nothing is written before the job's own lock has said that it may be."""
    target, address, settings = place
    await target.prepare("job")
    await _make(target, settings)

    async def refused() -> None:
        raise LeaseLost("Somebody else has taken over.")

    with pytest.raises(LeaseLost):
        await target.publish(
            "job", MANIFEST, made=["encode.1"], page=b"page", commit=refused
        )
    await target.discard("job")

    async with bucket(address, settings) as store:
        assert [] == [entry.key async for entry in store.entries()]


async def test_the_second_of_two_publishers_loses(place: Place) -> None:
    """The loser gets `ObjectExists` and changes nothing."""
    target, _, settings = place
    await target.prepare("job", token=SECOND)
    late = await _make(target, settings, "late.mp4", b"late", token=SECOND)
    await _publish(target, settings)

    with pytest.raises(ObjectExists):
        await target.publish("job", MANIFEST, made=["encode.1"], token=SECOND)

    assert await target.find("job") == MANIFEST
    await target.discard("job", token=SECOND)
    async with brought(late, settings) as left:
        assert [] == [*left.rglob("*")]


async def test_discarded_staging_leaves_nothing(place: Place) -> None:
    """A job that failed leaves no trace a reader could find."""
    target, address, settings = place
    await target.prepare("job")
    half = await _make(target, settings, "half.mp4", b"half")

    await target.discard("job")

    async with brought(half, settings) as left:
        assert [] == [*left.rglob("*")]
    assert await target.find("job") is None
    if not address.startswith("s3://"):
        assert not os.path.lexists(address)  # noqa: ASYNC240  a test may wait


async def test_a_large_file_is_uploaded_in_parts(
    s3_settings: Settings, tmp_path: Path
) -> None:
    """An object above one part arrives whole."""
    async with _client(s3_settings) as client:
        await client.create_bucket(Bucket="large")
    target = destination("s3://large", s3_settings)
    body = os.urandom(2**20) * 20
    place = await _make(target, s3_settings, "big.mp4", body)

    source = await locate(f"{place}/big.mp4", s3_settings)
    async with brought(place, s3_settings) as folder:
        there = (folder / "big.mp4").read_bytes()

    assert (len(body), True) == (source.bytes, body == there)


async def test_every_object_says_that_it_is_ours(s3_settings: Settings) -> None:
    """So that none of them is ever taken for an upload."""
    async with _client(s3_settings) as client:
        await client.create_bucket(Bucket="marked")
        target = destination("s3://marked", s3_settings)
        await _publish(target, s3_settings)

        for key in ("job/0001.encode.1/video/00001.m4s", "job/manifest.json"):
            head = await client.head_object(Bucket="marked", Key=key)
            assert head["Metadata"]["transcode-job"] == MANIFEST.job_id


async def test_a_missing_object_is_named(s3_settings: Settings) -> None:
    """`SourceNotFound` says which."""
    with pytest.raises(SourceNotFound, match=r"s3://nowhere/a\.mp4"):
        await locate("s3://nowhere/a.mp4", s3_settings)


async def test_wrong_credentials_are_refused_in_one_sentence(
    s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A denied source is unreadable, a denied destination unwritable."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")

    with pytest.raises(SourceUnreadable, match=r"may not be read.*Check the cred"):
        await locate("s3://any/a.mp4", s3_settings)
    with pytest.raises(DestinationUnwritable, match=r"be written.*Check the cred"):
        await destination("s3://any", s3_settings).prepare("job")


async def test_a_missing_bucket_is_unwritable(s3_settings: Settings) -> None:
    """Found out before anything is encoded."""
    with pytest.raises(DestinationUnwritable, match="bucket"):
        await destination("s3://no-such-bucket-here", s3_settings).find("job")


async def test_an_endpoint_that_is_down_is_a_store_error(
    s3_settings: Settings,
) -> None:
    """Not a traceback from the network stack."""
    down = s3_settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"})

    with pytest.raises(StoreError, match="cannot be reached"):
        await locate("s3://any/a.mp4", down)


@pytest.mark.parametrize("address", ["ftp://host/x", "gs://bucket/x"])
async def test_foreign_schemes_are_refused(address: str) -> None:
    """Rather than taken for a file's name."""
    with pytest.raises(UsageError, match="scheme"):
        await locate(address, Settings())


@pytest.mark.parametrize("address", ["file://nas/films/x.mp4", "file://x.mp4"])
async def test_files_of_another_host_are_refused(address: str) -> None:
    """Rather than another file taken for them; two slashes are easily written."""
    with pytest.raises(UsageError, match="file:///absolute/path"):
        await locate(address, Settings())
    with pytest.raises(UsageError, match="names the host"):
        destination(address, Settings())


async def test_a_folder_is_no_source(tmp_path: Path) -> None:
    """One media file is asked for."""
    with pytest.raises(SourceUnreadable, match="is a folder"):
        await locate(str(tmp_path), Settings())


async def test_a_strangers_folder_is_not_overwritten(tmp_path: Path) -> None:
    """Where the job's folder exists and holds no manifest, nothing is touched."""
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "precious").write_text("mine")

    with pytest.raises(DestinationUnwritable, match="not a finished job"):
        await destination(str(tmp_path), Settings()).prepare("job")


async def test_a_file_has_one_address_from_wherever_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    `..` is followed as the kernel follows it; what a link is called stays.
    """
    (tmp_path / "in").mkdir()
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "clip.mp4").write_bytes(b"x")
    (tmp_path / "far" / "link.mp4").symlink_to(tmp_path / "in" / "clip.mp4")
    (tmp_path / "in" / "hop").symlink_to(tmp_path / "far" / "deep")
    monkeypatch.chdir(tmp_path / "in")

    named = ["clip.mp4", "../in/clip.mp4", f"file://{tmp_path}/in/clip%2Emp4"]
    uris = {(await locate(name, Settings())).uri for name in named}
    link = await locate("hop/../link.mp4", Settings())

    assert {str(tmp_path / "in" / "clip.mp4")} == uris
    assert str(tmp_path / "far" / "link.mp4") == link.uri
    for text, found in (("..", "job"), ("../out", "out/job")):
        uri = destination(text, Settings()).uri("job", name="encode.1")
        assert str(tmp_path / found) == uri


async def test_what_a_killed_try_has_left_is_found_by_a_listing(tmp_path: Path) -> None:
    """Though it has made nothing yet: an empty folder would stay for ever."""
    target = destination(str(tmp_path / "out"), Settings())
    await target.prepare("job")

    async with bucket(str(tmp_path / "out"), Settings()) as objects:
        left = [entry.key async for entry in objects.entries(".transcode-job.")]
        for key in left:
            await objects.delete(key)

    assert left
    assert [] == [*(tmp_path / "out").iterdir()]
