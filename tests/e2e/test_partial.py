"""Cut and damaged uploads: refused, or made as far as they go where that is asked."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
MakeClip = Callable[..., Path]


@pytest.fixture
def cut(tmp_path: Path, make_clip: MakeClip) -> Path:
    """The first half of an MP4 of four seconds."""
    whole = make_clip("to-cut.mp4", 4, extra=("-movflags", "+faststart"))
    half = tmp_path / "cut.mp4"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return half


def _seconds(ffprobe: str, path: str) -> float:
    argv = [ffprobe, "-v", "error", "-show_entries", "format=duration"]
    done = subprocess.run(
        [*argv, "-of", "csv=p=0", path], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.parametrize("profile", ["preview", "hls"])
def test_a_cut_upload_is_made_in_part_where_that_is_accepted(
    transcode: Run, cut: Path, ffprobe: str, profile: str
) -> None:
    """Verified against what decodes; manifest and message say what is missing."""
    refused = transcode("run", cut, "--profile", profile, "--json")
    ended = transcode(
        "run", cut, "--profile", profile, "--json", "--accept-partial"
    )  # fmt: skip

    assert 3 == refused.code
    assert "MediaTruncated" == refused.document["error"]["type"]
    assert "--accept-partial" in refused.document["error"]["message"]
    assert 0 == ended.code, ended.err
    manifest = ended.document
    assert manifest["partial"]["promised_seconds"] == pytest.approx(4, abs=0.1)
    made = manifest["partial"]["made_seconds"]
    assert 0.5 < made < 3.5
    assert any("Partial result" in warning for warning in manifest["warnings"])
    assert "In part only" in ended.err
    if profile == "preview":
        seconds = _seconds(ffprobe, manifest["outputs"][0]["uri"])
        assert seconds == pytest.approx(made, abs=0.1)


def test_accepting_parts_makes_another_job_and_no_difference_to_a_whole_file(
    transcode: Run, make_clip: MakeClip
) -> None:
    """Another id, since other results may come of it; here nothing is missing."""
    clip = make_clip("whole-one.mp4", 1)
    plain = transcode("run", clip, "--profile", "preview", "--json")
    partial = transcode(
        "run", clip, "--profile", "preview", "--json", "--accept-partial"
    )  # fmt: skip

    assert (0, 0) == (plain.code, partial.code)
    assert plain.document["job_id"] != partial.document["job_id"]
    assert partial.document["partial"] is None
    assert "source_complete" in {
        check["name"] for check in partial.document["verification"]["checks"]
    }


def test_damage_in_the_middle_is_refused_or_made_in_part(
    transcode: Run, media_dir: Path
) -> None:
    """A tenth of the pictures damaged: beyond the budget of 1 %, never retried."""
    name = media_dir / "malformed/sample_with_invalid_nalu.mp4"
    refused = transcode("run", name, "--profile", "preview", "--json")
    ended = transcode(
        "run", name, "--profile", "preview", "--json", "--accept-partial"
    )  # fmt: skip

    assert 3 == refused.code
    assert 1 == len(refused.document["tasks"][0]["attempts"])
    assert 0 == ended.code, ended.err
    assert ended.document["partial"]["reason"]


@pytest.mark.parametrize("harmed", [False, True])
def test_pictures_that_are_made_up_in_part_are_told(
    transcode: Run, tmp_path: Path, media_dir: Path, *, harmed: bool
) -> None:
    """Few enough to pass, but nobody takes the results for what was recorded."""
    data = bytearray((media_dir / "edge/rotated_video.mp4").read_bytes())
    if harmed:
        data[100_000:100_030] = b"\x55" * 30
    (tmp_path / "harmed.mp4").write_bytes(data)

    ended = transcode("run", "harmed.mp4", "--profile", "preview", "--json")

    assert 0 == ended.code, ended.err
    said = [it for it in ended.document["warnings"] if "made up" in it]
    assert harmed == bool(said)


@pytest.mark.parametrize("profile", ["preview", "hls"])
def test_holes_of_which_a_decoder_tells_nothing_are_told(
    transcode: Run, tmp_path: Path, media_dir: Path, profile: str
) -> None:
    """HEVC without checksums: encoded, and copied, which hands no hole on."""
    data = bytearray((media_dir / "workload/video-h265.mp4").read_bytes())
    data[1_261_287 : 1_261_287 + 400] = bytes(400)
    (tmp_path / "holed.mp4").write_bytes(data)

    ended = transcode("run", "holed.mp4", "--profile", profile, "--json")

    assert 0 == ended.code, ended.err
    assert any("1 of 300 pictures" in it for it in ended.document["warnings"])


def test_many_holes_are_refused_though_no_decoder_tells_of_them(
    transcode: Run, tmp_path: Path, media_dir: Path
) -> None:
    data = bytearray((media_dir / "edge/hlg10-color-test.mp4").read_bytes())
    for at in range(40_000, 300_000, 40_000):
        data[at : at + 300] = bytes(300)
    (tmp_path / "holed.mp4").write_bytes(data)

    refused = transcode("run", "holed.mp4", "--profile", "preview", "--json")
    partial = transcode(
        "run", "holed.mp4", "--profile", "preview", "--json", "--accept-partial"
    )  # fmt: skip

    assert 3 == refused.code, refused.err
    assert "MediaTruncated" == refused.document["error"]["type"]
    assert 1 == len(refused.document["tasks"][0]["attempts"])
    assert 0 == partial.code, partial.err
    assert "pictures are damaged" in partial.document["partial"]["reason"]


@pytest.mark.parametrize(
    ("name", "at", "size", "code", "says"),
    [
        ("workload/chrome.webm", 508_343, 5000, 0, "container is damaged in 1 place"),
        ("workload/bun33s.mkv", 1_379_849, 65_536, 3, "some 28 are missing"),
        ("edge/portrait_hevc.ts", 517_282, 5000, 3, "pictures are damaged"),
        ("edge/hlg10-color-test.mp4", 152_000, 300, 3, "1 of 9 pictures are damaged"),
    ],
)
def test_what_is_lost_between_packets_is_missed(
    transcode: Run,
    tmp_path: Path,
    media_dir: Path,
    *,
    name: str,
    at: int,
    size: int,
    code: int,
    says: str,
) -> None:
    """
    Few pictures are a warning, many a refusal, and of a short source one is many. A
    hole took the container's own words with it, and a decoder never hears of those.
    """
    data = bytearray((media_dir / name).read_bytes())
    data[at : at + size] = bytes(size)
    (tmp_path / f"torn{Path(name).suffix}").write_bytes(data)

    ended = transcode(
        "run", f"torn{Path(name).suffix}", "--profile", "preview", "--json"
    )  # fmt: skip

    assert code == ended.code, ended.err
    error = ended.document.get("error") or {}
    assert says in " ".join([error.get("message", ""), *ended.document["warnings"]])


def test_a_transport_stream_cut_between_packets_is_found_by_decoding(
    transcode: Run, tmp_path: Path, media_dir: Path
) -> None:
    """No byte of a packet is missing, but the last picture is not whole."""
    whole = (media_dir / "edge/0.ts").read_bytes()
    (tmp_path / "cut.ts").write_bytes(whole[: 188 * 5523])

    ended = transcode("run", "cut.ts", "--profile", "preview", "--json")

    assert 3 == ended.code, ended.err
    assert "MediaTruncated" == ended.document["error"]["type"]


def test_damage_is_found_on_several_threads_as_on_one(
    transcode: Callable[..., Any], media_dir: Path
) -> None:
    """Decoders that share a picture among threads tell of no damage in it."""
    source = media_dir / "formats" / "myvideo.avi"
    specs = ("functiongraph", "128"), ("functiongraph", "4096")

    ended = [
        transcode("run", source, "--profile", "preview", "--platform", platform,
                  "--memory", memory, "--to", memory, "--json", "--quiet")
        for platform, memory in specs
    ]  # fmt: skip

    assert [3, 3] == [it.code for it in ended]
    assert ["MediaTruncated"] * 2 == [it.document["error"]["type"] for it in ended]
