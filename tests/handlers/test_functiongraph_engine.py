"""
The engine `functiongraph`: each task an invocation in the memory chosen for it.

On an emulator of the platform (`bench/fronts/functiongraph.py`), which runs the real
image handler under the real limits; on a real S3 server.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from transcode.contract import Manifest
from transcode.errors import SettingsError
from transcode.invoke.remote import RemoteEngine
from transcode.jobs.service import JobService
from transcode.platforms.huawei_signing import Keys, authorization
from transcode.request import Request
from transcode.wiring import Wiring

ENGINE, FRONT = "functiongraph", "functiongraph"
URN = f"urn:fss:cn-north-4:{'0123456789abcdef' * 2}:function:default:tasks:latest"
SMALL = URN.replace(":tasks:", ":small:")
BUCKET = "shared"
EVENTS = Path(__file__).parents[1] / "event/examples"

MakeFront = Callable[..., Any]
Run = Callable[..., subprocess.CompletedProcess[str]]
Wired = Callable[..., Wiring]


def obs_event(key: str) -> dict[str, Any]:
    """As an OBS trigger tells of a new object."""
    event: dict[str, Any] = json.loads((EVENTS / "obs-post.json").read_text())
    told = event["Records"][0]["s3"]
    told["bucket"]["name"], told["object"]["key"] = BUCKET, key
    return event


def invoke(front: Any, event: dict[str, Any]) -> None:
    """Asynchronously, as a trigger does."""
    body = json.dumps(event).encode()
    url = f"{front.address}/v2/p/fgs/functions/{quote(URN)}/invocations-async"
    headers = {
        "Content-Type": "application/json",
        "Host": urlsplit(url).netloc,
        "X-Sdk-Date": "20261128T000000Z",
    }
    keys = Keys("AK", "SK")
    signed = authorization("POST", url, headers=headers, body=body, keys=keys)
    peer = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    with contextlib.closing(peer) as connection:
        headers |= {"Authorization": signed}
        connection.request("POST", urlsplit(url).path, body, headers)
        assert 202 == connection.getresponse().status


def known(front: Any) -> dict[str, str]:
    """What names it to whoever starts tasks."""
    return {
        "TRANSCODE_FUNCTIONGRAPH_FUNCTION": f"functiongraph+{front.address}/{URN}",
        "TRANSCODE_HUAWEI_ACCESS_KEY": "AK",
        "TRANSCODE_HUAWEI_SECRET_KEY": "SK",
    }


def test_each_task_has_the_memory_that_was_chosen_for_it(
    make_front: MakeFront,
    run: Run,
    place: Any,
    make_clip: Any,
    as_here: Callable[..., None],
) -> None:
    """
    The kernel says so of its group; a small video is not billed for a large one's.

    The results are those of this machine, and nothing else is left of the invocations.
    """
    front = make_front("--dynamic")
    preview, one = ("--profile", "preview"), make_clip("job", seconds=1, size="320x180")
    other = make_clip("large", seconds=1, size="1920x1080")
    small = _manifest(run(one, known(front), *preview))
    large = _manifest(run(other, known(front), "--profile", "mp4"))

    attempts = [task.attempts[0] for one in (small, large) for task in one.tasks]
    ordered = [attempt.spec.memory_mib for attempt in attempts]
    calls = front.ended(2)
    assert ordered == [call["memory_mib"] for call in calls]
    assert ordered == [call["group_mib"] for call in calls]
    assert ordered[0] < ordered[1]
    assert ["succeeded"] * 2 == [attempt.outcome for attempt in attempts]
    assert {"functiongraph"} == {one.engine for one in (small, large)}
    as_here(small, one, *preview)
    left = place.names("out/")
    assert {it.uri for it in small.outputs} <= {f"{place.uri}/{it}" for it in left}
    assert not [name for name in left if "invocations" in name]


def test_nobody_waits_for_the_tasks_of_an_upload(
    make_front: MakeFront,
    environment: dict[str, str],
    place: Any,
    make_clip: Any,
    as_here: Callable[..., None],
    *,
    tmp_path: Path,
) -> None:
    """
    The call that an upload makes plans, starts the task in a memory chosen for it and
    is over; the task publishes what this machine would, and what follows an upload that
    is told of twice is nothing. Each call is on the bill, what a task's does after its
    report as well, beside what the platform logs of it.

    Of the account's keys the function has none: those of its agency read the store and
    sign what starts the task (the S3 server knows no tokens; `tests/deploy` signs with
    one). Of two functions the task gets the one with the scratch that it needs.
    """
    keys = (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    front = make_front(
        *("--dynamic", "--memory", "1024", "--agency", *keys, "--self"),
        *(f"{URN},seconds=9000,scratch=10240", f"{SMALL},seconds=9000,scratch=512"),
        AWS_ACCESS_KEY_ID="wrong",
        AWS_SECRET_ACCESS_KEY="wrong",  # noqa: S106  of nobody
    )
    clip = make_clip("job", seconds=1, size="320x180")
    place.put("in/upload.mp4", clip.read_bytes())
    event = obs_event(place.key("in/upload.mp4"))

    invoke(front, event)
    (upload,) = front.ended(1)
    assert "SUCCESS" == upload["status"], upload
    (task,) = front.ended(1)
    invoke(front, event)
    (again,) = front.ended(1)

    assert [1024, 1024] == [upload["memory_mib"], again["memory_mib"]]
    assert ("task", "SUCCESS") == (task["event"].get("transcode"), task["status"])
    assert ["tasks", "small"] == [upload["function"], task["function"]]
    (manifest,) = place.manifests()
    (attempt,) = (a for one in manifest.tasks for a in one.attempts)
    assert task["group_mib"] == attempt.spec.memory_mib < 1024
    as_here(manifest, clip, "--profile", "preview")
    assert {"function", "encode"} == kinds_of_ledger(place)
    left = place.names("out/.transcode/")
    assert not [it for it in left if "/open/" in it or "/invocations/" in it]
    log = tmp_path / "functiongraph.log"
    log.write_text("\n".join(json.dumps(call) for call in (upload, task, again)))
    checked = reconciled(place, log, environment | {"TRANSCODE_INDEX": str(tmp_path)})
    both = {
        it["where"]: int(it["theirs"]) - int(it["ours"])
        for it in checked["differences"]
        if it["ours"] is not None
    }
    assert (2, "3 invocations in the log") == (
        checked["compared"],
        checked["note"].partition(";")[0],
    ), "of an upload that is known nothing is entered"
    assert all(0 <= it for it in both.values()), both
    entering = reconciled(
        place, log, environment | {"TRANSCODE_INDEX": str(tmp_path)}, "--enter"
    )
    assert checked == entering, "the checks are of what was there before"
    after = reconciled(place, log, environment | {"TRANSCODE_INDEX": str(tmp_path)})
    assert not [it for it in after["differences"] if it["ours"] is not None]
    assert [task["request_id"]] * 2 == [
        it["attempt"]["invocation"]
        for it in ledger(place)
        if it["attempt"]["spec"]["memory_mib"] == task["memory_mib"]
        and it["platform_billed_milliseconds"] is None
    ]


def test_uploads_that_wait_for_room_are_begun_as_tasks_end(
    make_front: MakeFront, environment: dict[str, str], place: Any, make_clip: Any
) -> None:
    """
    Where one task may run and another's does, uploads wait; once that has ended each is
    begun by the one before it, and no clock calls.
    """
    keys = (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    front = make_front(
        *("--dynamic", "--memory", "1024", "--agency", *keys, "--self", URN),
        TRANSCODE_FUNCTIONGRAPH_CONCURRENCY="2",
    )
    clip = make_clip("job", seconds=1, size="320x180")
    other = "out/.transcode/invocations/other.preview.0123456789ab/0001/encode.1"
    place.put(f"{other}/order.json", b"{}")
    names = [f"in/{n}.mp4" for n in range(3)]
    for n, name in enumerate(names):
        # Three sources: the same object is the same job.
        place.put(name, clip.read_bytes() + bytes(n))

    def waiting() -> list[str]:
        return [it for it in place.names("out/.transcode/") if "/waitlist" in it]

    for name in names:
        invoke(front, obs_event(place.key(name)))
    uploads = front.ended(3)
    assert {"SUCCESS"} == {it["status"] for it in uploads}
    assert len(names) == len(waiting())
    place.put(f"{other}/report.json", b"{}")
    invoke(front, {"transcode": "turn"})
    calls: list[Any] = []
    while len([it for it in calls if "records" in it["event"]]) < len(names):
        calls += front.ended(1)

    assert {"SUCCESS"} == {it["status"] for it in calls}
    assert len(names) == len(place.manifests())
    turns = [it for it in calls if it["event"].get("transcode") == "turn"]
    assert len(turns) >= len(names) - 1
    assert {1024} == {it["memory_mib"] for it in turns}
    assert not waiting()


def reconciled(
    place: Any, log: Path, environment: dict[str, str], *options: str
) -> dict[str, Any]:
    argv = [sys.executable, "-m", "transcode", "costs", "--to", f"{place.uri}/out"]
    argv += ["--reconcile", str(log), "--json", *options]
    done = subprocess.run(
        argv, env={**os.environ, **environment}, capture_output=True, check=True
    )
    checked: dict[str, Any] = json.loads(done.stdout)["log"]
    return checked


async def start(wiring: Wiring, request: Request) -> None:
    """Submit it, and leave it to the calls that it becomes."""
    async with JobService.open(wiring, to=request.to) as service:
        report, _ = await service.submit(request)
        report = await service.start(report.job_id)
    assert "running" == report.status


async def test_chunks_are_joined_by_the_last_to_end(
    make_front: MakeFront,
    wired: Wired,
    place: Any,
    make_clip: Any,
    as_here: Callable[..., None],
) -> None:
    """
    A call for each and one for the sound at once, then one in a spec of its own for the
    join; one result, and that of this machine.
    """
    front = make_front("--dynamic", "--self", URN)
    mp3 = ("-c:a", "libmp3lame")
    clip = make_clip("chunked", seconds=22, size="320x180", extra=mp3)
    place.put("in/chunked.mp4", clip.read_bytes())
    request = Request(
        source=f"{place.uri}/in/chunked.mp4",
        to=f"{place.uri}/out",
        chunks=2,
        profile="preview",
        engine="functiongraph",
        memory_mib=1024,
        optimize="time",
    )

    await start(wired(known(front)), request)
    calls = front.ended(4)

    assert ["SUCCESS"] * 4 == [call["status"] for call in calls]
    (manifest,) = place.manifests()
    kinds = [one.kind for one in manifest.tasks]
    assert ["chunk", "chunk", "join", "sound"] == sorted(kinds)
    folders = {name.split("/")[2] for name in place.names("out/chunked")}
    assert 2 == len(folders), "chunks are left"
    same = ("--profile", "preview", "--chunks", "2", "--optimize", "time")
    as_here(manifest, clip, *same)


async def test_a_stream_is_indexed_before_it_is_cut(
    make_front: MakeFront,
    wired: Wired,
    place: Any,
    make_clip: Any,
    as_here: Callable[..., None],
) -> None:
    """
    In a call of its own, whose end plans and starts the chunks; its cost is in the plan
    and on the bill.
    """
    front = make_front("--dynamic", "--self", URN)
    clip = make_clip("streamed.ts", seconds=30, size="320x180", audio=False)
    place.put("in/streamed.ts", clip.read_bytes())
    request = Request(
        source=f"{place.uri}/in/streamed.ts",
        to=f"{place.uri}/out",
        chunks=2,
        profile="preview",
        engine="functiongraph",
    )

    await start(wired(known(front)), request)
    calls = front.ended(4)

    assert ["SUCCESS"] * 4 == [call["status"] for call in calls]
    (manifest,) = place.manifests()
    kinds = [one.kind for one in manifest.tasks]
    assert ["chunk", "chunk", "index", "join"] == sorted(kinds)
    assert all(one.attempts[0].cost.amount for one in manifest.tasks)
    as_here(manifest, clip, "--profile", "preview", "--chunks", "2")
    left = place.names("out/.transcode/")
    assert not [it for it in left if "/open/" in it or "/invocations/" in it]


async def test_a_target_quality_is_found_where_nobody_waits(
    make_front: MakeFront, wired: Wired, place: Any, make_clip: Any
) -> None:
    """A sample in a call of its own; the task that follows is held to what it found."""
    front = make_front("--dynamic", "--self", URN)
    place.put("in/a.mp4", make_clip("aimed", seconds=4, size="320x180").read_bytes())
    request = Request(
        source=f"{place.uri}/in/a.mp4",
        to=f"{place.uri}/out",
        profile="preview",
        target_vmaf=92.0,
        engine="functiongraph",
    )

    await start(wired(known(front)), request)
    calls = front.ended(2)

    assert ["SUCCESS"] * 2 == [call["status"] for call in calls]
    (manifest,) = place.manifests()
    assert ["encode", "sample"] == sorted(one.kind for one in manifest.tasks)
    (quality,) = (it.quality for it in manifest.outputs if it.quality is not None)
    assert 92 == quality.target
    assert abs(quality.vmaf - 92) < 3


def ledger(place: Any) -> list[dict[str, Any]]:
    found = place.names("out/.transcode/ledger/")
    return [json.loads(place.get(f"{place.uri}/{name}")) for name in found]


def kinds_of_ledger(place: Any) -> set[str]:
    return {it["kind"] for it in ledger(place)}


def test_a_function_without_dynamic_memory_is_told_what_to_set(
    make_front: MakeFront, run: Run, make_clip: Any
) -> None:
    """It would take the time of less memory, and the money of it."""
    front = make_front("--memory", "1024")
    asked = ("--profile", "preview", "--memory", "2048")

    done = run(make_clip("job", seconds=1, size="320x180"), known(front), *asked)

    assert 2 == done.returncode
    assert "2048 MiB were ordered and the function has 1024 MiB" in done.stderr
    assert "`enable_dynamic_memory`" in done.stderr


async def test_a_wrong_key_is_refused_in_one_sentence(
    make_front: MakeFront, wired: Wired, make_task: Any
) -> None:
    """Nothing is tried again."""
    front = make_front("--dynamic", "--secret-key", "another")
    wiring = wired(known(front))
    platform = wiring.platform_of("functiongraph", None)

    async with wiring.engine("functiongraph", platform) as engine:
        assert isinstance(engine, RemoteEngine)
        with pytest.raises(SettingsError, match="FunctionGraph refuses the invocation"):
            await engine.invoker.invoke("s3://a/1", make_task(uri="s3://a/in.mp4"))


def test_a_path_of_this_machine_is_refused(make_clip: Any, tmp_path: Path) -> None:
    """Before anything is called: no function could read it."""
    argv = [sys.executable, "-m", "transcode", "run", str(make_clip("local"))]
    argv += ["--engine", "functiongraph", "--to", str(tmp_path / "out")]
    known = {
        "TRANSCODE_FUNCTIONGRAPH_FUNCTION": URN,
        "TRANSCODE_HUAWEI_ACCESS_KEY": "AK",
        "TRANSCODE_HUAWEI_SECRET_KEY": "SK",
    }
    done = subprocess.run(
        argv,
        env={**os.environ, **known},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 2 == done.returncode
    assert "as --to give s3://…, not a path of this machine." in done.stderr
    assert not (tmp_path / "out").exists()


def _manifest(done: subprocess.CompletedProcess[str]) -> Manifest:
    assert 0 == done.returncode, done.stderr
    return Manifest.from_json(done.stdout)
