"""A target quality, judged from outside: by another ffmpeg, over the whole file."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
TARGET = 90.0
OFF = 2.0
"""Of six seconds, three are what the search has seen."""


@pytest.fixture(scope="module")
def film(make_clip: Callable[..., Path]) -> Path:
    """Nothing of it can be copied; it moves, and is grained a little."""
    grain = ("-vf", "noise=alls=3:allf=t", "-c:v", "mpeg4", "-q:v", "2", "-g", "25")
    return make_clip("film", seconds=6, size="480x270", audio=False, extra=grain)


@pytest.fixture
def vmaf(ffmpeg: str, tmp_path: Path) -> Callable[..., float]:
    """Of a finished file, each of its pictures beside the source's."""

    def measure(made: Path, source: Path, pooled: str = "mean") -> float:
        log = "libvmaf=log_fmt=json:log_path=vmaf.json"
        graph = f"[0:v]settb=1/25,setpts=N[a];[1:v]settb=1/25,setpts=N[b];[a][b]{log}"
        argv = [ffmpeg, "-v", "error", "-i", str(made), "-i", str(source)]
        argv += ["-lavfi", graph, "-f", "null", "-"]
        subprocess.run(argv, cwd=tmp_path, check=True)
        found = json.loads((tmp_path / "vmaf.json").read_bytes())
        return float(found["pooled_metrics"]["vmaf"][pooled])

    return measure


def test_a_target_is_reached(
    transcode: Command, film: Path, vmaf: Callable[..., float]
) -> None:
    """Searched as a task of its own, held, told in the manifest, and true."""
    done = transcode(
        *("run", film, "--profile", "mp4", "--target-vmaf", TARGET, "--json")
    )
    assert 0 == done.code, done.err
    manifest = done.document

    assert ["sample", "encode"] == [task["kind"] for task in manifest["tasks"]]
    (rendition,) = (it for it in manifest["outputs"] if it["kind"] == "rendition")
    quality = rendition["quality"]
    assert (TARGET, "1080p") == (quality["target"], quality["model"])
    assert TARGET == pytest.approx(quality["vmaf"], abs=OFF)
    assert quality["least"] <= quality["worst_part"] <= quality["vmaf"]
    seen = vmaf(Path(rendition["uri"].removeprefix("file://")), film)
    assert TARGET == pytest.approx(seen, abs=OFF)
    assert seen == pytest.approx(quality["vmaf"], abs=1.0)
    trials = manifest["tasks"][0]["attempts"][0]["sampled"]["trials"]
    assert 22.0 == trials[0]["crf"] != quality["crf"]


@pytest.mark.parametrize(
    ("grain", "seconds"), [("alls=3", 3.6), ("alls=20:enable='lt(mod(t,8),4)'", 32)]
)
def test_what_differs_is_looked_at_as_a_whole(
    transcode: Command,
    make_clip: Callable[..., Path],
    vmaf: Callable[..., float],
    grain: str,
    seconds: float,
) -> None:
    """Six places tell of what is the same all through; of other films they do not."""
    # The same second again and again, but for the grain.
    grain = f"loop=loop=31:size=25,noise=allf=t:{grain}"
    extra = ("-t", "32", "-vf", grain, "-c:v", "mpeg4", "-q:v", "2", "-g", "25")
    film = make_clip("grain", seconds=32, size="240x136", audio=False, extra=extra)

    done = transcode("run", film, "--profile", "mp4", "--target-vmaf", 85, "--json")

    assert 0 == done.code, done.err
    (made,) = (it for it in done.document["outputs"] if it["kind"] == "rendition")
    assert seconds == pytest.approx(made["quality"]["seconds"], abs=0.7)
    seen = vmaf(Path(made["uri"].removeprefix("file://")), film)
    assert seen == pytest.approx(made["quality"]["vmaf"], abs=0.7)


def test_a_plan_says_what_it_will_cost(transcode: Command, film: Path) -> None:
    """The search is in the price, and who would have none of it is refused."""
    plain = transcode("plan", film, "--profile", "mp4", "--json")
    aimed = transcode(
        *("plan", film, "--profile", "mp4", "--target-vmaf", TARGET, "--json")
    )
    never = transcode(
        *("run", film, "--profile", "mp4", "--target-vmaf", TARGET),
        *("--sample", "never"),
    )
    beyond = transcode("plan", film, "--target-vmaf", "101")

    sampling = aimed.document["sampling"]
    assert "needed" == sampling["verdict"]
    search = float(sampling["planned"]["task"]["predicted_cost"]["amount"])
    cost = [float(it.document["predicted_cost"]["amount"]) for it in (plain, aimed)]
    assert cost[1] > cost[0] + 0.99 * search > 0
    assert (2, 2) == (never.code, beyond.code)
    assert "leave out --sample never" in never.err
    assert "write 30 to 99" in beyond.err


def test_a_poor_source_is_made_no_larger(
    transcode: Command, make_clip: Callable[..., Path], ffprobe: str
) -> None:
    """What a fixed rate factor would spend on its artefacts is not spent."""
    few = ("-vf", "noise=alls=8:allf=t", "-c:v", "libx265", "-b:v", "150k", "-g", "25")
    source = make_clip("poor", seconds=4, size="480x270", audio=False, extra=few)

    done = transcode("run", source, "--profile", "mp4", "--json")

    assert 0 == done.code, done.err
    (made,) = (it for it in done.document["outputs"] if it["kind"] == "rendition")
    assert "encoded" == made["made_by"]
    paths = source, made["uri"].removeprefix("file://")
    own, ours = (sum(map(int, _packets(ffprobe, path))) for path in paths)
    # HEVC's pictures take 1 / 0.65 of their bits in H.264.
    assert ours <= own / 0.65


def test_it_is_not_spoilt_for_that(
    transcode: Command, make_clip: Callable[..., Path], vmaf: Callable[..., float]
) -> None:
    """What AV1 drew in few bits a fast encoder cannot: it shows it all the same."""
    few = [*("-c:v", "libaom-av1", "-cpu-used", "8", "-row-mt", "1", "-crf", "50")]
    few += ["-b:v", "0", "-g", "250", "-vf", "gblur=sigma=2"]
    source = make_clip("drawn", seconds=6, size="480x270", audio=False, extra=few)

    done = transcode("run", source, "--profile", "preview", "--json")

    assert 0 == done.code, done.err
    (made,) = (it for it in done.document["outputs"] if it["kind"] == "rendition")
    assert vmaf(Path(made["uri"].removeprefix("file://")), source, "min") > 50


HDR = """
name = "hdr-file"
title = "One HEVC file that keeps HDR"
[packaging]
type = "file"
container = "mp4"
[video]
codec = "hevc"
preset = "ultrafast"
pixel_format = "yuv420p10le"
dynamic_range = "keep"
target_xpsnr = 30
copy = false
source_bit_rate_ratio = 100
[[video.rungs]]
short_side = 272
crf = 22
max_bit_rate_kbps = 20000
"""
PQ = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:log-level=none"


def test_hdr_is_made_for_an_xpsnr(
    transcode: Command, make_clip: Callable[..., Path], ffmpeg: str, tmp_path: Path
) -> None:
    """VMAF knows none of it; at a width where FFmpeg's own filter is wrong."""
    ten: tuple[str, ...] = (
        "-vf",
        "noise=alls=4:allf=t,format=yuv420p10le",
        "-pix_fmt",
        "yuv420p10le",
    )
    ten += ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "8", "-x265-params", PQ)
    source = make_clip("hdr", seconds=6, size="486x272", audio=False, extra=ten)
    profile = tmp_path / "hdr.toml"
    profile.write_text(HDR)

    done = transcode("run", source, "--profile", profile, "--json")

    assert 0 == done.code, done.err
    (made,) = (it for it in done.document["outputs"] if it["kind"] == "rendition")
    quality = made["quality"]
    assert (None, None, 30.0) == (
        quality["vmaf"],
        quality["model"],
        quality["target"],
    )
    assert quality["xpsnr"] == pytest.approx(30, abs=1.0)
    path = made["uri"].removeprefix("file://")
    seen = _xpsnr(ffmpeg, Path(path), source, "scale=512:272:flags=neighbor")
    assert seen == pytest.approx(quality["xpsnr"], abs=1.0)


def test_small_pictures_are_made_for_an_xpsnr(
    transcode: Command, make_clip: Callable[..., Path], ffmpeg: str
) -> None:
    """Below what VMAF takes, which says so and what to ask for instead."""
    source = make_clip(
        "small", seconds=6, size="128x72", audio=False, extra=("-c:v", "mpeg4")
    )

    refused = transcode("run", source, "--profile", "mp4", "--target-vmaf", 93)
    done = transcode(
        *("run", source, "--profile", "mp4", "--target-xpsnr", 34, "--json")
    )

    assert 2 == refused.code
    assert "--target-xpsnr" in refused.err
    assert 0 == done.code, done.err
    (made,) = (it for it in done.document["outputs"] if it["kind"] == "rendition")
    path = made["uri"].removeprefix("file://")
    seen = _xpsnr(ffmpeg, Path(path), source, "null")
    assert seen == pytest.approx(made["quality"]["xpsnr"], abs=1.0)


def _xpsnr(ffmpeg: str, made: Path, source: Path, prepare: str) -> float:
    """dB over the whole of both, luma six times as much as each plane of colour."""
    graph = f"[0:v]settb=1/25,setpts=N,{prepare}[a];"
    graph += f"[1:v]settb=1/25,setpts=N,{prepare}[b];[a][b]xpsnr"
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-i", str(made), "-i", str(source)]
    argv += ["-lavfi", graph, "-f", "null", "-"]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stderr
    found = re.findall(r"XPSNR +y: +(\S+) +u: +(\S+) +v: +(\S+)", told)
    luma, blue, red = map(float, found[-1])
    return (6 * luma + blue + red) / 8


def _packets(ffprobe: str, path: Path | str) -> list[str]:
    argv = [ffprobe, "-v", "error", "-select_streams", "v:0", "-show_entries"]
    argv += ["packet=size", "-of", "csv=p=0", str(path)]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return [it.strip(",") for it in told.split()]
