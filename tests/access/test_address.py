"""One address, parsed once: nothing is compared as one place and opened as another."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.access import beneath
from transcode.access.address import lies_within, path_of, web_place
from transcode.access.beneath import open_real
from transcode.errors import UsageError


@pytest.mark.parametrize(
    "address",
    [
        "file:///srv/in/%2e%2e/private/x.mp4",
        "file:///srv/in/%2E./private/x.mp4",
        "file:///srv/in/../private/x.mp4",
        "file:///srv/in/./x.mp4",
        "file:///srv/in/a%2f..%2f..%2fprivate/x.mp4",
        "file:///srv/in/x.mp4?y",
        "file:///srv/in/x.mp4#y",
        "file:///srv/in/?/../private",
        "file:///srv/in/x%00.mp4",
        "file:///srv/in/x\0.mp4",
        "file:///srv/in/x%.mp4",
        "file://host/srv/in/x.mp4",
        "file://srv",
        "file://",
    ],
)
def test_a_file_address_means_one_thing(address: str) -> None:
    """No dots, query, fragment, host or zero byte, in any encoding."""
    with pytest.raises(UsageError):
        path_of(address)


def test_a_path_is_itself() -> None:
    """Whatever is in it: a name is no address."""
    for path in ("/a%2e%2e/x", "/a?b#c", "a b", "/x/%", "/ü", "http:x.mp4"):
        assert path == path_of(path)
    assert "/a b/ü?#%" == path_of("file:///a%20b/%C3%BC%3F%23%25")
    assert "/a" == path_of("file://localhost//a")


@pytest.mark.parametrize(
    "address",
    [
        "http://host/in/..%2fprivate/x",
        "http://host/in/%2e%2e/private/x",
        "http://host/in/%252e%252e/private/x",
        "http://host/in/%25252e%25252e/private/x",
        "http://host/in/../private/x",
        "http://host/in/./x",
        "http://host/in/..\\private\\x",
        "http://host/in/..%5cprivate%5cx",
        "http://host/in/..;/private/x",
        "http://host/in/%2e%2e%3bv=1/private/x",
        "http://host/in/%c0%ae%c0%ae/private/x",
        "http://host/in/..%c0%afprivate%c0%afx",
        "http://host/in/..%e0%80%afprivate/x",
        "http://host/in/a%2fb",
        "http://host/in/a%00",
        "http://host/in/a#b",
        "http://host/in/a b",
        "http://host/in/\ta",
        "http://host\\@evil/in/a",
        "http://user@host/in/a",
        "http://host:port/in/a",
        "http:///in/a",
    ],
)
def test_an_http_address_means_one_thing(address: str) -> None:
    """Also to a server behind the server, which may decode once more."""
    with pytest.raises(UsageError):
        web_place(address)
    with pytest.raises(UsageError):
        lies_within(address, "http://host/in/")


@pytest.mark.parametrize(
    ("uri", "place", "inside"),
    [
        ("http://host/in/a", "http://host/in", True),
        ("http://HOST:80/in/a?sig=..%2f", "http://host/in/", True),
        ("http://host/%69n/a", "http://host/in", True),
        ("http://host/in/Caf%e9;v=1/..a;b", "http://host/in", True),
        ("https://host:443/in/a", "https://host/in", True),
        ("http://host/inside/a", "http://host/in", False),
        ("http://host/in", "http://host/in", False),
        ("http://host:8080/in/a", "http://host/in", False),
        ("https://host/in/a", "http://host/in", False),
        ("http://host.evil/in/a", "http://host", False),
        ("http://host/a", "http://", True),
        ("http://host/a", "s3://", False),
        ("s3://b/in/a", "s3://b/in", True),
        ("s3://b/inside/a", "s3://b/in", False),
        ("s3://b/in/../a", "s3://b/in", True),
        ("/srv/in/a", "/srv/in", True),
        ("file:///srv/in/a%20b", "/srv/in/", True),
        ("/srv/inside/a", "/srv/in", False),
        ("/srv/in/a", "http://host/", False),
    ],
)
def test_where_an_address_lies(uri: str, place: str, *, inside: bool) -> None:
    """By origin and by whole names, decoded once; a key of S3 is any text."""
    assert inside == lies_within(uri, place)


NAMES = st.text(st.sampled_from(".%2eEfF5cC/\\0ab?#; "), max_size=12)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_no_spelling_leads_out_of_a_folder(names: list[str]) -> None:
    """Whatever is accepted as inside is inside, also decoded over and over."""
    address = "file:///srv/in/" + "/".join(names)
    try:
        inside = lies_within(address, "/srv/in")
    except UsageError:
        return
    path = path_of(address)
    assert inside == (os.path.normpath(path) + "/").startswith("/srv/in/")
    assert os.path.normpath(path) == path.rstrip("/")


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_no_spelling_leads_out_of_a_web_folder(names: list[str]) -> None:
    """However often a server decodes the path, and whatever it takes for a slash."""
    address = "http://host/in/" + "/".join(names)
    try:
        if not lies_within(address, "http://host/in/"):
            return
    except UsageError:
        return
    path = urlsplit(address).path
    for _ in range(4):
        path = unquote(path)
        seen = os.path.normpath(path.replace("\\", "/"))
        assert seen == "/in" or seen.startswith("/in/")


@given(st.text(min_size=1).filter(lambda t: "\0" not in t and "/" not in t))
def test_every_name_has_an_address(name: str) -> None:
    """What is percent-encoded is read back; only dots alone are none."""
    try:
        address = "file:///srv/" + quote(name, safe="")
    except UnicodeEncodeError:
        return
    if name in {".", ".."}:
        with pytest.raises(UsageError):
            path_of(address)
    else:
        assert f"/srv/{name}" == path_of(address)


# ── opened without links ──────────────────────────────────────────────────────


@pytest.fixture
def folder() -> Path:
    return Path(tempfile.mkdtemp()).resolve()


@pytest.mark.parametrize("how", [open_real, beneath._by_hand])
def test_no_link_is_followed(how: object, folder: Path) -> None:
    """Not the last name, nor one on the way; by the kernel's call and by hand."""
    assert callable(how)
    (folder / "in/sub").mkdir(parents=True)
    (folder / "in/sub/a").write_bytes(b"there")
    (folder / "secret").write_bytes(b"secret")
    (folder / "in/link").symlink_to(folder / "secret")
    (folder / "in/hop").symlink_to(folder)
    (folder / "in/round").symlink_to("round")

    descriptor = how(str(folder / "in/sub/a"))
    assert b"there" == os.read(descriptor, 10)
    os.close(descriptor)
    for name in ("in/link", "in/hop/secret", "in/round", "in/none", "in/sub/a/b"):
        with pytest.raises(OSError, match=r"\[Errno (2|20|40)\]"):
            how(str(folder / name))
    with pytest.raises(OSError, match="no"):
        how("relative")
