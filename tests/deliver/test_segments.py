"""A manifest does not grow with a video, and names every byte of it all the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import MakeClip
from transcode.contract import Artifact
from transcode.deliver import segments
from transcode.pipeline import run
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire


def artifact(path: str, *, kind: str = "segment") -> Artifact:
    """One file, whose digest tells its path."""
    digest = hashlib.sha256(path.encode()).hexdigest()
    return Artifact(path=path, kind=kind, made_by="encoded", bytes=7, sha256=digest)


@given(
    lengths=st.lists(
        st.sampled_from([0, 1, segments.MOST, segments.MOST + 1, 2000]), max_size=4
    )
)
@settings(deadline=None, max_examples=30)
def test_nothing_is_lost_and_little_is_kept(lengths: list[int]) -> None:
    """However many renditions there are, and however long each is."""
    made = [artifact("master.m3u8", kind="playlist")]
    for number, length in enumerate(lengths):
        made += [artifact(f"video/{number}/{n:05d}.m4s") for n in range(length)]

    kept, bodies = segments.listed(made)

    assert len(kept) <= 1 + len(lengths) * segments.MOST
    found = {one.path: one.sha256 for one in kept if one.path not in bodies}
    for one in kept:
        if one.path in bodies:
            body = bodies[one.path]
            rows = json.loads(body)["segments"]
            assert one.sha256 == hashlib.sha256(body).hexdigest()
            assert (one.bytes, one.segments) == (len(body), len(rows))
            place = one.path.rpartition("/")[0]
            found |= {f"{place}/{row['path']}": row["sha256"] for row in rows}
    assert {one.path: one.sha256 for one in made} == found


def test_a_long_rendition_is_listed_beside_itself(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file of the result is named, by the manifest or by what that names."""
    monkeypatch.setattr(segments, "MOST", 2)
    clip = make_clip("listed", seconds=12, size="128x72")
    request = Request(source=str(clip), to=str(tmp_path / "out"))

    manifest = anyio.run(lambda: run(request, wire(Settings())))

    listings = [one for one in manifest.outputs if one.container == "json"]
    assert listings
    named = {Path(one.uri): one.sha256 for one in manifest.outputs}
    for one in listings:
        document = json.loads(Path(one.uri).read_text())
        assert "transcode/segments/1" == document["schema"]
        assert one.segments == len(document["segments"])
        folder = Path(one.uri).parent
        named |= {folder / row["path"]: row["sha256"] for row in document["segments"]}
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    files = [path for path in files if path.name != "manifest.json"]
    assert manifest.page is not None
    named[Path(manifest.page.uri)] = manifest.page.sha256
    assert set(named) == set(files)
    for path, digest in named.items():
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
