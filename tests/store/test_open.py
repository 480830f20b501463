"""Where uploads may come from, and what becomes of each of several."""

from __future__ import annotations

import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from transcode.contract import Upload
from transcode.errors import SettingsError, SourceUnreadable, StoreError
from transcode.event.filter import lies_in
from transcode.event.folder import from_file
from transcode.hooks import Taken
from transcode.jobs.ingest import AMONG_RESULTS, Ingest, Rule
from transcode.jobs.service import JobService
from transcode.jobs.sources import comes_from
from transcode.request import Request
from transcode.settings import Settings
from transcode.store.open import bucket, locate, state_name
from transcode.wiring import wire


@pytest.mark.parametrize(
    ("uri", "place", "inside"),
    [
        ("s3://b/out/x", "s3://b/out", True),
        ("s3://b/out/x", "s3://b/out/", True),
        ("s3://b/out", "s3://b/out", False),
        ("s3://b/outside/x", "s3://b/out", False),
        ("s3://b/o", "s3://b/out", False),
        ("s3://other/out/x", "s3://b/out", False),
        ("s3://b/x", "s3://b", True),
        ("s3://b/x", "s3://", True),
        ("gs://b/x", "s3://", False),
        ("https://host/a/x", "https://host/a", True),
        ("https://host.evil/a/x", "https://host", False),
        ("https://host/a/x", "s3://", False),
        ("/srv/in/a", "/srv/in", True),
        ("/srv/in/../a", "/srv/in", False),
        ("/srv/inside/a", "/srv/in", False),
        ("file:///srv/in/a", "/srv/in", True),
        ("/srv/in/a", "s3://", False),
        ("s3://b/x", "/srv/in", False),
    ],
)
def test_where_an_object_lies(uri: str, place: str, *, inside: bool) -> None:
    """By whole names, on hosts and in buckets of that name only."""
    assert inside == lies_in(uri, place)


def test_a_link_leads_out(tmp_path: Path) -> None:
    """A link among the uploads does not make its target one."""
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in/link").symlink_to(tmp_path / "secret")

    assert not comes_from(str(tmp_path / "in/link"), [str(tmp_path / "in")])


async def test_one_upload_does_not_spoil_the_others(
    tmp_path: Path, make_clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept, refused by its place, or a store that is down: each beside its upload."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    settings = Settings(s3_endpoint_url="http://127.0.0.1:9", s3_region="us-east-1")
    to = tmp_path / "out"
    (to / "x").mkdir(parents=True)
    result = to / "x/manifest.json"
    result.write_text("{}")
    clip = make_clip("by-hand", seconds=1)
    there = Upload(
        provider="s3", bucket="b", key="k.mp4", uri="s3://b/k.mp4", event_name="Put"
    )
    rule = Rule(request=Request(source="", to=str(to), profile="preview"))

    async with JobService.open(wire(settings), to=str(to)) as service:
        told = await Ingest(service, rule).take_each(
            [_file(clip), there, _file(result)]
        )

    kept, down, own = (one for _, one in told)
    assert isinstance(kept, Taken)
    assert kept.new
    assert isinstance(down, StoreError)
    assert isinstance(own, Taken)
    assert AMONG_RESULTS == own.ignored


async def test_a_wrong_setting_forgets_no_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without credentials nothing can be said of an upload: raised, not ignored."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    settings = Settings(s3_endpoint_url="http://127.0.0.1:9", s3_region="us-east-1")
    there = Upload(
        provider="s3", bucket="b", key="k.mp4", uri="s3://b/k.mp4", event_name="Put"
    )
    rule = Rule(request=Request(source="", to=str(tmp_path), profile="preview"))

    async with JobService.open(wire(settings), to=str(tmp_path)) as service:
        with pytest.raises(SettingsError, match="no credentials"):
            await Ingest(service, rule).take([there])


def _file(path: Path) -> Upload:
    status = path.stat()
    return from_file(
        str(path),
        root=str(path.parent),
        size=status.st_size,
        modified_ns=status.st_mtime_ns,
    )


@pytest.fixture
def anyio_backend() -> str:
    # aiobotocore lives on asyncio.
    return "asyncio"


class Archive(BaseHTTPRequestHandler):
    """A store with one object, of which it says how it is kept."""

    kept: ClassVar[dict[str, str]] = {}

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 12:00:00 GMT")
        for name, text in self.kept.items():
            self.send_header(f"x-amz-{name}", text)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("kept", "readable"),
    [
        ({}, True),
        ({"storage-class": "GLACIER_IR"}, True),
        ({"storage-class": "GLACIER"}, False),
        ({"storage-class": "DEEP_ARCHIVE", "restore": 'ongoing-request="true"'}, False),
        ({"storage-class": "GLACIER", "restore": 'ongoing-request="false"'}, True),
        ({"storage-class": "COLD"}, False),
        ({"archive-status": "ARCHIVE_ACCESS"}, False),
    ],
)
def test_an_archived_object_may_be_read_once_it_is_restored(
    kept: dict[str, str], monkeypatch: pytest.MonkeyPatch, *, readable: bool
) -> None:
    """Until then it is nobody's fault, and looked at again: no job is made of it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(Archive, "kept", kept)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = Settings(
        s3_endpoint_url=f"http://127.0.0.1:{server.server_port}",
        s3_region="us-east-1",
        s3_path_style=True,
    )
    ask = partial(locate, "s3://films/a.mp4", settings)
    try:
        if readable:
            assert 5 == anyio.run(ask).bytes
        else:
            with pytest.raises(SourceUnreadable, match="archived") as caught:
                anyio.run(ask)
            assert caught.value.mendable
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.anyio
async def test_two_servers_with_buckets_of_one_name_are_two_states() -> None:
    """
    What is kept beside a state, such as the index that budgets are counted by, must not
    take the one's records for the other's.
    """
    names = set()
    for endpoint in ("http://127.0.0.1:1", "http://127.0.0.1:2", None):
        told = {} if endpoint is None else {"s3_endpoint_url": endpoint}
        settings = Settings.model_validate({"s3_region": "eu-west-1", **told})
        async with bucket("s3://results/out", settings) as state:
            names.add(state_name(state, settings))
        async with bucket("/srv/out", settings) as state:
            names.add(state_name(state, settings))

    assert 4 == len(names)
