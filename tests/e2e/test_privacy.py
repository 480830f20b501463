"""What an upload says of its owner stays with the owner, unless a profile keeps it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import anyio
import pytest

from tests.conftest import MakeClip
from transcode.contract import Manifest
from transcode.pipeline import run
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire

ROOT = Path(__file__).resolve().parents[2]
_PLACE = "+48.8577+002.2950/"
_TAGS = {
    "location": _PLACE,
    "com.apple.quicktime.location.ISO6709": _PLACE,
    "make": "Makerword",
    "model": "Modelword",
    "title": "Titleword",
    "artist": "Artistword",
    "comment": "Commentword",
    "creation_time": "2019-03-04T05:06:07Z",
}
_WORDS = (
    *(b"48.8577", b"Makerword", b"Modelword", b"Titleword", b"Artistword"),
    *(b"Commentword", b"Chapterword", b"Handlerword", b"2019-03-04", b"Folderword"),
    *(b"loci", b"\xa9xyz", b"\xa9mak", b"com.apple.quicktime", b"Exif\0", b"xmpmeta"),
)


def tagged(name: str, make_clip: MakeClip, folder: Path, ffmpeg: str) -> Path:
    """A clip that tells everything: places, names, dates, chapters, handlers."""
    home = folder / "Folderword"
    home.mkdir()
    chapters = home / "chapters.txt"
    chapters.write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=Chapterword\n"
    )
    clip = make_clip("plain", 2, extra=("-g", "25"))
    argv = [ffmpeg, "-v", "error", "-i", str(clip), "-i", str(chapters)]
    argv += ["-map", "0", "-map_chapters", "1", "-c", "copy"]
    argv += ["-movflags", "use_metadata_tags"] if name.endswith("mov") else []
    for key, value in _TAGS.items():
        argv += ["-metadata", f"{key}={value}"]
        argv += ["-metadata:s:v", f"{key}={value}"]
    argv += ["-metadata:s:v", "handler_name=Handlerword"]
    argv += ["-metadata:s:a", "handler_name=Handlerword"]
    subprocess.run([*argv, str(home / name)], check=True)
    return home / name


def made(path: Path, profile: str, folder: Path) -> Manifest:
    request = Request(source=str(path), profile=profile, to=str(folder / "results"))
    return anyio.run(run, request, wire(Settings(scratch=str(folder))))


@pytest.mark.parametrize("profile", ["mp4", "hls", "audio"])
@pytest.mark.parametrize("name", ["a.mov", "a.mkv"])
def test_no_output_says_where_by_whom_or_with_what_it_was_made(
    name: str, profile: str, make_clip: MakeClip, tmp_path: Path, ffmpeg: str
) -> None:
    """
    In files, segments, playlists and stills, whether copied or encoded.

    Nor where it lay, or where we worked on it.
    """
    path = tagged(name, make_clip, tmp_path, ffmpeg)
    source = path.read_bytes()
    assert {b"48.8577", b"Makerword", b"Titleword", b"Chapterword"} <= {
        word for word in _WORDS if word in source
    }

    manifest = made(path, profile, tmp_path)

    forbidden = (*_WORDS, str(tmp_path).encode())
    assert manifest.outputs
    for output in manifest.outputs:
        data = Path(output.uri).read_bytes()
        assert [] == [word for word in forbidden if word in data], output.uri


def test_a_profile_may_keep_them(
    make_clip: MakeClip, tmp_path: Path, ffmpeg: str, ffprobe: str
) -> None:
    """
    Place, device, title and the rest are in the file, as a second tool reads it.
    """
    path = tagged("a.mov", make_clip, tmp_path, ffmpeg)
    text = (ROOT / "profiles" / "mp4.toml").read_text()
    profile = tmp_path / "kept.toml"
    profile.write_text(f"keep_metadata = true\n{text}")

    manifest = made(path, str(profile), tmp_path)

    file = next(it.uri for it in manifest.outputs if it.kind == "rendition")
    argv = [ffprobe, "-v", "error", "-show_entries", "format_tags", "-of", "json"]
    said = subprocess.run([*argv, file], capture_output=True, text=True, check=True)
    for key in ("location", "make", "model", "title", "artist", "comment"):
        assert _TAGS[key] in said.stdout, key


def test_the_corpus_tells_nothing(media_dir: Path, tmp_path: Path) -> None:
    """
    A telephone's own recording, in which Apple's tags are.
    """
    path = media_dir / "edge" / "ios9.mov"
    assert b"com.apple.quicktime" in path.read_bytes()

    manifest = made(path, "preview", tmp_path)

    for output in manifest.outputs:
        data = Path(output.uri).read_bytes()
        assert [] == [w for w in (b"Apple", b"apple", b"2016-02") if w in data]
