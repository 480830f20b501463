"""What lies in a source lies there when it is opened, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from transcode.errors import ObjectChanged, SourceUnreadable
from transcode.jobs.sources import ELSEWHERE, LINKED, comes_from, why_outside
from transcode.sandbox.fence import Permissions
from transcode.store.folder_source import locate
from transcode.work.opened import handed_on


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder behind a link, with a file, a link and a linked folder in it."""
    (tmp_path / "data/in/sub").mkdir(parents=True)
    (tmp_path / "private").mkdir()
    for name in ("data/in/a", "data/in/sub/b", "private/x"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "in").symlink_to(tmp_path / "data/in")
    (tmp_path / "data/in/link").symlink_to(tmp_path / "private/x")
    (tmp_path / "data/in/inner").symlink_to("a")
    (tmp_path / "data/in/hop").symlink_to(tmp_path / "private")
    return tmp_path / "in"


@pytest.mark.parametrize("name", ["a", "sub/b"])
def test_a_source_may_be_a_link_itself(name: str, source: Path) -> None:
    """By its own name and by what is behind it, as a path and as an address."""
    for uri in (
        f"{source}/{name}",
        f"file://{source}/{name}",
        f"{source.resolve()}/{name}",
    ):
        assert comes_from(uri, [str(source)])
        assert why_outside(locate(uri), uri, [str(source)]) is None


@pytest.mark.parametrize("name", ["link", "inner", "hop/x"])
def test_behind_it_no_link_is_followed(name: str, source: Path) -> None:
    """Wherever it leads."""
    uri = f"{source}/{name}"

    assert not comes_from(uri, [str(source)])
    assert LINKED == why_outside(locate(uri), uri, [str(source)])


@pytest.mark.parametrize("way", ["../../private/x", "%2e%2e/private/x", "a?", "a#"])
def test_no_spelling_leads_out(way: str, source: Path) -> None:
    """Nor is what it names looked at."""
    assert not comes_from(f"file://{source}/{way}", [str(source)])
    # A path is itself: only its dots lead anywhere.
    assert comes_from(f"{source}/{way}", [str(source)]) == ("../" not in way)
    elsewhere = locate(str(source.parent / "private/x"))
    assert ELSEWHERE == why_outside(elsewhere, elsewhere.uri, [str(source)])


def test_what_was_swapped_after_the_look_is_not_opened(source: Path) -> None:
    """A link in its place, or in place of its folder: refused, not followed."""
    found = locate(f"{source}/sub/b")
    argv = ["ffmpeg", "-i", f"file:{found.location}"]
    real = source.resolve()
    (real / "sub").rename(real / "moved")
    (real / "sub").symlink_to(source.parent / "private")
    (source.parent / "private/b").write_bytes(b"secret")

    with (
        pytest.raises(ObjectChanged, match="link"),
        handed_on(argv, Permissions(reads=(found.location,)), found.location),
    ):
        pytest.fail("it was opened")
    (real / "sub").unlink()
    with (
        pytest.raises(SourceUnreadable),
        handed_on(argv, Permissions(reads=(found.location,)), found.location),
    ):
        pytest.fail("it was opened")


def test_what_was_opened_is_read_whatever_is_swapped(source: Path) -> None:
    """The child's name for it is the descriptor, in arguments and in its fence."""
    found = locate(f"{source}/a")
    argv = ["ffmpeg", "-i", f"file:{found.location}", "-i", "file:/other"]

    with handed_on(
        argv, Permissions(reads=(found.location, "/o")), found.location
    ) as given:
        Path(found.location).unlink()
        Path(found.location).symlink_to(source.parent / "private/x")
        name = f"/proc/self/fd/{given.descriptors[0]}"

        assert ["ffmpeg", "-i", f"file:{name}", "-i", "file:/other"] == given.argv
        assert (name, "/o") == given.may.reads
        assert b"data/in/a" == Path(name).read_bytes()
