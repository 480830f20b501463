"""Lists, prices, streams and files over HTTP, with results in a folder."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from transcode.catalog import Catalog
from transcode.settings import Settings


def until(found: Callable[[], Any]) -> Any:
    """What *found* returns once that is something."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if what := found():
            return what
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_jobs_are_listed_by_the_page(
    serve: Any, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """The newest first, filtered, each once over all pages; with prices and a plan."""
    (tmp_path / "in").mkdir()
    for n in range(3):
        shutil.copy(make_clip("listed", 1), tmp_path / f"in/clip{n}.mp4")
    index = {"TRANSCODE_INDEX": str(tmp_path / "index")}
    server = serve("--to=out", "--source=in", "--tag=team=a", env=index)
    source = str(tmp_path / "in/clip0.mp4")
    price = server.ask(
        "POST", "/plan", {"source": source, "clip": {"end_seconds": 0.5}}
    )
    assert 200 == price.status
    assert price.json["tasks"][0]["candidates"][1]["reason"]

    def listed(query: str) -> Any:
        return server.ask("GET", f"/jobs?{query}").json

    for n in range(3):
        body = {"source": str(tmp_path / f"in/clip{n}.mp4"), "tags": {"n": str(n)}}
        job = server.ask("POST", "/jobs", body).json["job_id"]
        # Whoever was told of a job finds it in the list, and as it was told.
        assert job == listed("limit=1")["jobs"][0]["job_id"]
        server.ends(job)
        assert "succeeded" == listed("limit=1")["jobs"][0]["status"]

    def all_done() -> bool:
        # A result is seen before its bill is entered.
        return 3 == sum(bool(job["cost"]) for job in listed("status=succeeded")["jobs"])

    until(all_done)
    first = listed("limit=2")
    second = listed(f"limit=2&cursor={first['next']}")
    names = [job["source"][-9:] for job in first["jobs"] + second["jobs"]]
    assert ["clip2.mp4", "clip1.mp4", "clip0.mp4"] == names
    assert second["next"] is None
    assert ["1"] == [job["tags"]["n"] for job in listed("tag=n=1&tag=team=a")["jobs"]]
    assert [] == listed("tag=n=1&tag=n=2")["jobs"]
    assert [] == listed("status=failed&status=waiting")["jobs"]
    assert [] == listed("source=s3://")["jobs"] + listed("profile=hls")["jobs"]
    assert 3 == len(listed(f"source={tmp_path}&profile=preview")["jobs"])
    job = first["jobs"][0]
    assert float(job["cost"][0]["amount"]) > 0
    plan = server.ask("GET", f"/jobs/{job['job_id']}/plan").json
    assert job["job_id"] == plan["job_id"]
    (spent,) = server.ask("GET", "/costs?by=tag:team").json["groups"]
    assert ("a", 3) == (spent["group"], spent["attempts"])
    wrong = server.ask("GET", "/jobs?cursor=AAAA")
    assert (400, "cursor") == (wrong.status, wrong.json["evidence"]["field"])


def test_what_happens_is_told_as_it_does(
    serve: Any, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """One stream from upload to end; the result is served in parts, nothing else is."""
    (tmp_path / "in").mkdir()
    server = serve("--to=out", "--source=in")
    name = "/uploads/a%20clip.mp4"
    stored = server.ask("PUT", name, make_clip("told", 1).read_bytes())
    again = server.ask("PUT", name, b"another")
    bad = server.ask("PUT", "/uploads/.hidden.mp4", b"x")
    assert [201, 409, 400] == [stored.status, again.status, bad.status]
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    ) as stream:
        stream.request("GET", "/events")
        reply = stream.getresponse()
        assert "text/event-stream; charset=utf-8" == reply.headers["content-type"]
        made = server.ask("POST", "/jobs", {"source": stored.json["uri"]}).json
        told: list[dict[str, Any]] = []
        while not told or told[-1]["event"] != "ended":
            line = reply.readline()
            if line.startswith(b"data: "):
                told.append(json.loads(line.removeprefix(b"data: ")))

    assert {made["job_id"]} == {one["job_id"] for one in told}
    # On a busy machine it takes longer than predicted, and says so.
    kinds = list(
        dict.fromkeys(one["event"] for one in told if one["event"] != "overdue")
    )
    assert ["taken", "planned", "progress", "attempt", "published", "ended"] == kinds
    report = server.ends(made["job_id"])
    files = f"/jobs/{made['job_id'][:12]}/files"
    whole = server.ask("GET", f"{files}/video.mp4")
    part = server.ask("GET", f"{files}/video.mp4", headers={"Range": "bytes=4-7"})
    assert [200, 206] == [whole.status, part.status]
    assert b"ftyp" == whole.body[4:8] == part.body
    assert "sandbox" in whole.headers["content-security-policy"]
    sizes = [
        o["bytes"] for o in report["manifest"]["outputs"] if o["uri"].endswith("mp4")
    ]
    assert [len(whole.body)] == sizes
    for path in ("../../in/a%20clip.mp4", "%2e%2e/x", "nothing.mp4", ".."):
        assert server.ask("GET", f"{files}/{path}").status in (400, 404)


def test_a_stream_holds_up_no_end(serve: Any) -> None:
    """Whoever looks is told that it is over, and the server ends at once."""
    server = serve("--to=out")
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    ) as stream:
        stream.request("GET", "/events")
        reply = stream.getresponse()
        assert b"retry" in reply.readline()

        assert 0 == server.stop()
        assert b"" == reply.read().strip()


def test_a_watermark_is_a_name_of_the_servers(
    serve: Any, make_clip: Callable[..., Path], ffmpeg: str, tmp_path: Path
) -> None:
    """What lies in its folder, and no path to anything else."""
    (tmp_path / "in").mkdir()
    (tmp_path / "ours").mkdir()
    shutil.copy(make_clip("marked", 1), tmp_path / "in/clip.mp4")
    logo = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=red:s=32x32"]
    subprocess.run([*logo, "-frames:v", "1", tmp_path / "ours/logo.png"], check=True)
    env = {"TRANSCODE_PROFILES_DIR": str(tmp_path / "ours")}
    server = serve("--to=out", "--source=in", env=env)

    def planned(image: str) -> Any:
        body = {"source": str(tmp_path / "in/clip.mp4"), "watermark": {"image": image}}
        return server.ask("POST", "/plan", body)

    there, absent, path = map(planned, ("logo.png", "no.png", "../in/logo.png"))
    assert [200, 400, 400] == [there.status, absent.status, path.status]
    assert there.json["tasks"][0]["task"]["recipe"]
    assert "image" in path.json["message"]


def test_the_page_offers_every_profile_that_ships() -> None:
    """By name, in the field of a new job."""
    page = resources.files("transcode.serve") / "static/index.html"
    _, _, offered = page.read_text("utf-8").partition('<datalist id="profiles">')

    names = re.findall(r"<option>([\w-]+)", offered.partition("</datalist>")[0])
    assert sorted(it.name for it in Catalog(Settings()).profiles()) == sorted(names)
