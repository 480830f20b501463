"""Rows 11 to 15, 17 and 32 to 38 of what breaks transcoders: streams, names, tools."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, MakeClip
from transcode.event.parse import parse
from transcode.event.verdict import Ignored, Reason

Run = Callable[..., Any]
Made = Callable[..., Path]

PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=1")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=1")
QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="session")
def languages(made: Made) -> Path:
    """A picture with English, French (the default) and a commentary in English."""
    return made(
        "languages.mp4", *PICTURE, *SOUND, *SOUND, *SOUND, *QUICK, "-c:a", "aac",
        "-map", 0, "-map", 1, "-map", 2, "-map", 3,
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra",
        "-metadata:s:a:2", "language=eng",
        "-disposition:a:0", "0", "-disposition:a:1", "default",
        "-disposition:a:2", "comment",
    )  # fmt: skip


def test_row_11_no_audio(ran: Run, make_clip: MakeClip) -> None:
    """A silent picture has no group of sound, in neither listing."""
    result = ran(make_clip("silent.mp4", 1, audio=False), "hls")

    assert "AUDIO" not in result.text("master.m3u8")
    assert 'contentType="audio"' not in result.text("manifest.mpd")


def test_row_12_audio_with_cover_art(ran: Run, eyes: Any, made: Made) -> None:
    """The cover of a song is no video: sound alone comes out."""
    cover = ("-f", "lavfi", "-i", "color=red:size=64x64:d=0.04")
    song = made(
        "song.mp3", *SOUND, *cover, "-map", 0, "-map", 1, "-c:a", "libmp3lame",
        "-c:v", "mjpeg", "-disposition:v", "attached_pic",
    )  # fmt: skip

    result = ran(song)

    assert ["audio"] == [stream["codec_type"] for stream in eyes.streams(result.path)]
    kinds = [other["kind"] for other in result.document["media"]["others"]]
    assert ["cover_art"] == kinds


@pytest.mark.parametrize(("layout", "channel"), [("5.1", "FC"), ("7.1", "SL")])
def test_row_13_surround(
    ran: Run, eyes: Any, made: Made, layout: str, channel: str
) -> None:
    """What is in one speaker of many only is heard in stereo."""
    clip = made(
        f"{layout}.m4a", *SOUND, "-af", f"volume=12dB,pan={layout}|{channel}=c0",
        "-c:a", "aac",
    )  # fmt: skip

    result = ran(clip)

    (stream,) = eyes.streams(result.path)
    assert 2 == stream["channels"]
    assert max(map(abs, eyes.sound(result.path)[2000:6000])) > 2000


def test_row_14_languages(ran: Run, languages: Path) -> None:
    """One rendition of sound per language and kind, the source's default is ours."""
    master = ran(languages, "hls").text("master.m3u8")

    groups = re.findall(r"#EXT-X-MEDIA:TYPE=AUDIO.*", master)
    told = [
        (re.findall(r'LANGUAGE="(\w+)"', group)[0], "DEFAULT=YES" in group)
        for group in groups
    ]
    # Sound of its own kind, commentary, does not stand in for English.
    assert [("en", False), ("en", False), ("fr", True)] == sorted(told)
    assert 3 == ran(languages, "hls").text("manifest.mpd").count('contentType="audio"')


def test_row_15_tracks_nobody_can_decode(ran: Run, made: Made, languages: Path) -> None:
    """An `apac` track and a time code are left alone, with a warning, and no more."""
    clip = made(
        "timecode.mov", *PICTURE, *SOUND, *SOUND, *QUICK, "-c:a", "aac",
        "-map", 0, "-map", 1, "-map", 2, "-timecode", "01:00:00:00",
    )  # fmt: skip
    odd = clip.with_name("apac.mov")
    head, mp4a, rest = clip.read_bytes().rpartition(b"mp4a")
    odd.write_bytes(head + b"apac" + rest if mp4a else b"")

    result = ran(odd)

    assert result.one("rendition")["audio"]["codec"] == "aac"
    assert any("track 2" in one.lower() for one in result.document["warnings"])
    kinds = [other["kind"] for other in result.document["media"]["others"]]
    assert "data" in kinds


def test_row_17_subtitles(ran: Run, made: Made, media_dir: Path) -> None:
    """ASS becomes WebVTT; pictures of text are left out with a warning, no more."""
    text = ran(media_dir / "edge" / "sample_with_ass_subtitles.mkv", "hls")

    assert "TYPE=SUBTITLES" in text.text("master.m3u8")
    captions = Path(text.one("captions")["uri"]).read_text("utf-8")
    assert captions.startswith("WEBVTT")
    assert "-->" in captions


def test_row_32_privacy(ran: Run, eyes: Any, made: Made) -> None:
    """Place, device, names and chapters stay behind, even where no text is text."""
    clip = made(
        "private.mov", *PICTURE, *QUICK, "-movflags", "use_metadata_tags",
        "-metadata", "location=+48.8577+002.295/", "-metadata", "title=Caf\udce9",
        "-metadata", "com.apple.quicktime.model=iPhone", "-metadata:s:v", "title=x",
    )  # fmt: skip
    assert "iPhone" in eyes.tags(clip).values()

    result = ran(clip).path

    known = {"major_brand", "minor_version", "compatible_brands", "encoder"}
    known |= {"handler_name", "vendor_id", "language"}
    assert set() == set(eyes.tags(result)) - known
    data = Path(result).read_bytes()
    assert [] == [word for word in (b"48.85", b"iPhone", b"Caf") if word in data]


@pytest.mark.parametrize(
    "name",
    [
        "edge/te[s]t_ video ' _ .flv",
        "edge/file+with+data&streams=works?.mp4",
        "100%d \u00fc$(id) -i.mp4",
        "-y\n.mp4",
        "concat:a|b.mp4",
    ],
)
def test_row_33_names(
    ran: Run, media_dir: Path, make_clip: MakeClip, tmp_path: Path, name: str
) -> None:
    """A name is a name, whatever it means to a shell, a URL or a pattern."""
    source = media_dir / name
    if not name.startswith("edge/"):
        source = tmp_path / name
        shutil.copy(make_clip("short.mp4", 0.2), source)

    assert 0 < ran(source).one("rendition")["video"]["frames"]


@pytest.mark.parametrize("name", ["CLIP.XYZ", "clip", "clip.jpg"])
def test_row_34_extensions(
    ran: Run, make_clip: MakeClip, tmp_path: Path, name: str
) -> None:
    """Content decides what a file is, not the end of its name."""
    source = tmp_path / name
    shutil.copy(make_clip("short.mp4", 0.2), source)

    assert "mp4" == ran(source).document["media"]["container"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("obs-complete", None),
        ("seaweedfs-folder-marker", Reason.FOLDER_MARKER),
        ("seaweedfs-zero-bytes", Reason.ZERO_BYTES),
        ("seaweedfs-delete", Reason.DELETION),
        ("seaweedfs-metadata", Reason.UNCHANGED),
    ],
)
def test_row_35_events_without_an_upload(event: str, reason: Reason | None) -> None:
    """Folders, deletions and rewritten metadata start nothing; uploads are pinned."""
    path = ROOT / "tests/event/examples" / f"{event}.json"

    found = parse(json.loads(path.read_text("utf-8")))

    if reason is None:
        assert all(upload.version or upload.etag for upload in found.uploads)
    else:
        assert reason in {one.reason for one in found.ignored if type(one) is Ignored}


def test_row_36_no_encoder_in_hardware(
    ran: Run, make_clip: MakeClip, tmp_path: Path
) -> None:
    """A profile that prefers a GPU is done without one, and the work is done."""
    text = (ROOT / "profiles" / "preview.toml").read_text("utf-8")
    profile = tmp_path / "gpu.toml"
    preferred = '[video]\nencoders = ["h264_nvenc", "libx264"]'
    profile.write_text(text.replace("[video]", preferred), "utf-8")

    result = ran(make_clip("short.mp4", 0.2), profile)

    assert "h264" == result.one("rendition")["video"]["codec"]


def test_row_37_containers_are_closed() -> None:
    """Every `open` is the head of a `with`, but for the probe's, which ends with it."""
    loose = []
    for path in sorted((ROOT / "transcode").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        held = {
            id(item.context_expr)
            for node in ast.walk(tree)
            if isinstance(node, ast.With)
            for item in node.items
        }
        # Handed on to whoever asked.
        held |= {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Return)}
        loose += [
            f"{path.name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"av.open", "open_media"}
            and id(node) not in held
        ]

    assert ["__main__.py"] == [place.partition(":")[0] for place in loose]


def test_row_38_quality_is_not_measured_while_encoding() -> None:
    """libvmaf, whose queue has no end, stands beside no encoder, but after it."""
    work = ROOT / "transcode" / "work"
    named = [it for it in work.rglob("*.py") if "libvmaf" in it.read_text("utf-8")]
    scores = ast.parse((work / "command" / "scores.py").read_text("utf-8"))
    functions = [it for it in ast.walk(scores) if isinstance(it, ast.FunctionDef)]
    (filters,) = (it for it in functions if "'libvmaf'" in ast.unparse(it))
    users = [
        it
        for it in functions
        if it is not filters and f"{filters.name}(" in ast.unparse(it)
    ]

    # The one asks whether there is such a filter.
    assert {"toolchain.py", "scores.py"} == {it.name for it in named}
    assert ["compare"] == [one.name for one in users]
    outputs = re.findall(r"ffmpeg\.output\((.*)\)", ast.unparse(users[0]))
    assert outputs
    assert all("f='null'" in it for it in outputs)


def test_every_row_has_its_test() -> None:
    """The 38 rows of what breaks transcoders, each by its number."""
    here = Path(__file__).parent
    texts = [path.read_text("utf-8") for path in here.glob("test_*.py")]
    rows = {int(n) for text in texts for n in re.findall(r"def test_row_(\d+)_", text)}

    assert set(range(1, 39)) == rows
