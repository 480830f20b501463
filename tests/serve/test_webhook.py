"""A real bucket's web hook → the server → results, whatever happens on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

BUCKET = "uploads"
TOKEN = "a-token-of-tests"  # noqa: S105  of a server that lives for a test
MINE = {"Authorization": f"Bearer {TOKEN}"}


async def keys(objects: Any, prefix: str) -> list[str]:
    pages = objects.get_paginator("list_objects_v2")
    return [
        entry["Key"]
        async for page in pages.paginate(Bucket=BUCKET, Prefix=prefix)
        for entry in page.get("Contents", ())
    ]


async def manifests(objects: Any, prefix: str) -> list[str]:
    return [k for k in await keys(objects, prefix) if k.endswith("/manifest.json")]


async def jobs(objects: Any, prefix: str) -> set[str]:
    """Ids of every job there ever was."""
    root = f"{prefix}/.transcode/jobs/"
    return {k.removeprefix(root).partition("/")[0] for k in await keys(objects, root)}


@pytest.fixture
def start(serve: Any, hooked: Any) -> Any:
    """A server at the address that the web hook knows."""

    def started(prefix: str) -> Any:
        return serve(
            f"--to=s3://{BUCKET}/{prefix}/out",
            f"--source=s3://{BUCKET}/{prefix}/in/",
            env=hooked.env,
            port=hooked.port,
        )

    return started


async def wait_for_job(server: Any, objects: Any, prefix: str) -> str:
    """The only job, as soon as it is known."""
    import anyio  # noqa: PLC0415

    with anyio.fail_after(90):
        while True:
            found = await jobs(objects, prefix)
            if found:
                (job,) = found
                return job
            await anyio.sleep(0.1)


async def test_an_upload_becomes_a_result(
    start: Any, objects: Any, make_clip: Any
) -> None:
    """Put into the bucket, told by its web hook, done; our own writes start nothing."""
    server = start("hook")
    body = make_clip("by-hand", seconds=1).read_bytes()

    await objects.put_object(Bucket=BUCKET, Key="hook/in/a clip+ü.mp4", Body=body)
    job = await wait_for_job(server, objects, "hook/out")
    report = server.ends(job, MINE)

    assert "succeeded" == report["status"]
    assert [f"hook/out/{report['folder']}/manifest.json"] == await manifests(
        objects, "hook/out"
    )
    # Told of its own results, by the bucket and by us, it takes none in.
    own = [k for k in await keys(objects, "hook/out/") if k.endswith((".mp4", ".json"))]
    for key in own:
        told = {
            "event_type": "create",
            "key": f"/buckets/{BUCKET}/{key}",
            "message": {
                "new_entry": {
                    "name": key.rpartition("/")[2],
                    "attributes": {"file_size": 10, "mtime": 1795378577},
                },
                "new_parent_path": f"/buckets/{BUCKET}/{key.rpartition('/')[0]}",
            },
        }
        assert 200 == server.ask("POST", "/events", told, MINE).status
    assert {job} == await jobs(objects, "hook/out")


async def test_duplicates_and_strays_are_one_job(
    start: Any, objects: Any, make_clip: Any
) -> None:
    """Every event five times, in any order, with a deletion between: one result."""
    server = start("twice")
    body = make_clip("by-hand", seconds=1).read_bytes()
    key = "twice/in/one.mp4"

    await objects.put_object(Bucket=BUCKET, Key=key, Body=body)
    etag = (await objects.head_object(Bucket=BUCKET, Key=key))["ETag"].strip('"')

    def told(name: str, sequencer: str) -> dict[str, Any]:
        return {
            "Records": [
                {
                    "eventVersion": "2.1",
                    "eventSource": "aws:s3",
                    "eventTime": "2026-11-22T10:00:00.000Z",
                    "eventName": name,
                    "s3": {
                        "bucket": {"name": BUCKET},
                        "object": {
                            "key": key,
                            "size": len(body),
                            "eTag": etag,
                            "sequencer": sequencer,
                        },
                    },
                }
            ]
        }

    put, gone = told("ObjectCreated:Put", "03"), told("ObjectRemoved:Delete", "02")
    late = told("ObjectCreated:Put", "01")
    for event in (put, gone, put, late, put, put, gone, late):
        reply = server.ask("POST", "/events", event, MINE)
        assert reply.status in (200, 202), reply.body
    job = await wait_for_job(server, objects, "twice/out")
    report = server.ends(job, MINE)
    after = server.ask("POST", "/events", put, MINE)

    assert ("succeeded", 1) == (report["status"], report["tries"])
    assert [(job, "succeeded", False)] == [
        (one["job_id"], one["status"], one["new"]) for one in after.json["uploads"]
    ]
    assert 1 == len(await manifests(objects, "twice/out"))


async def test_a_part_of_a_bucket_s_result_is_answered_here(
    start: Any, objects: Any, make_clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A page plays by ranges, and nothing from elsewhere: however large the file is that
    it asks a part of, that is no redirect.
    """
    server = start("parts")
    body = make_clip("clip", seconds=1).read_bytes()
    await objects.put_object(Bucket=BUCKET, Key="parts/in/a.mp4", Body=body)
    job = await wait_for_job(server, objects, "parts/out")
    server.ends(job, MINE)
    path = f"/jobs/{job}/files/video.mp4"
    whole = server.ask("GET", path, headers=MINE)

    def part(span: str) -> Any:
        return server.ask("GET", path, headers=MINE | {"Range": f"bytes={span}"})

    size = len(whole.body)
    some, rest, end = part("4-7"), part("100-"), part("-20")
    assert [206] * 3 == [it.status for it in (some, rest, end)]
    assert b"ftyp" == some.body
    assert f"bytes 4-7/{size}" == some.headers["content-range"]
    assert [whole.body[100:], whole.body[-20:]] == [rest.body, end.body]
    beyond = part(f"{size}-")
    assert (416, f"bytes */{size}") == (beyond.status, beyond.headers["content-range"])
    # Several at once, or none that makes sense: the whole, as if nothing were asked.
    assert {200} == {part(span).status for span in ("0-1,4-5", "7-4", "-", "x")}


async def test_a_killed_server_is_replaced(
    start: Any, objects: Any, make_clip: Any
) -> None:
    """SIGKILL once the event is acknowledged: whoever starts next finishes the job."""
    first = start("killed")
    body = make_clip("longer", seconds=3).read_bytes()

    await objects.put_object(Bucket=BUCKET, Key="killed/in/a.mp4", Body=body)
    job = await wait_for_job(first, objects, "killed/out")
    first.kill()
    second = start("killed")
    report = second.ends(job, MINE)

    assert "succeeded" == report["status"]
    assert 1 == len(await manifests(objects, "killed/out"))
    manifest = await objects.get_object(
        Bucket=BUCKET, Key=f"killed/out/{report['folder']}/manifest.json"
    )
    made = json.loads(await manifest["Body"].read())
    there = await keys(objects, f"killed/out/{report['folder']}/")
    for output in made["outputs"]:
        assert output["uri"].removeprefix(f"s3://{BUCKET}/") in there
