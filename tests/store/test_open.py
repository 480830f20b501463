"""Where uploads may come from, and what becomes of each of several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from transcode.contract import Upload
from transcode.errors import SettingsError, StoreError
from transcode.event.filter import lies_in
from transcode.event.folder import from_file
from transcode.hooks import Taken
from transcode.jobs.ingest import AMONG_RESULTS, Ingest, Rule
from transcode.jobs.service import JobService
from transcode.jobs.sources import comes_from
from transcode.request import Request
from transcode.settings import Settings
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
