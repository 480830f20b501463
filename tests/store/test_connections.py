"""Connections that are kept open between the blocks which use them."""

from __future__ import annotations

import pytest

from transcode.settings import Settings
from transcode.store.connections import keep_open, kept
from transcode.store.s3_bucket import S3Bucket

pytestmark = pytest.mark.anyio


async def test_within_the_block_a_store_is_connected_to_once(
    s3_address: str, s3_settings: Settings
) -> None:
    """Whatever prefix is asked for; another endpoint is another connection."""
    elsewhere = s3_settings.model_copy(update={"s3_region": "eu-west-1"})
    async with keep_open():
        async with S3Bucket.open(s3_address, s3_settings) as first:
            await first.create("a", b"1")
        async with S3Bucket.open(f"{s3_address}/deeper", s3_settings) as second:
            await second.create("b", b"2")
        async with S3Bucket.open(s3_address, elsewhere) as third:
            assert (await third.read("a"))[0] == b"1"
        assert first._client is second._client
        assert first._client is not third._client


async def test_after_the_block_nothing_is_left(
    s3_address: str, s3_settings: Settings
) -> None:
    """Each block has its own again, and what was kept is closed."""
    async with keep_open():
        async with S3Bucket.open(s3_address, s3_settings) as inside:
            await inside.now()
        assert kept() is not None
    assert kept() is None
    async with S3Bucket.open(s3_address, s3_settings) as outside:
        assert outside._client is not inside._client
        await outside.now()


async def test_a_block_that_fails_closes_what_it_kept(
    s3_address: str, s3_settings: Settings
) -> None:
    """An unclosed session would be complained of, and fail this test."""

    async def fail() -> None:
        async with keep_open():
            async with S3Bucket.open(s3_address, s3_settings) as inside:
                await inside.now()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert kept() is None
