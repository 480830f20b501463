"""HDR kept as it was mastered, or made into SDR that nobody takes for HDR."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import (
    CmafPackaging,
    ContentLight,
    DynamicRange,
    FilePackaging,
    OutputFile,
    Poster,
    VideoStream,
)
from transcode.work.report import EncodeReport
from transcode.work.verify.verify import verify

MASTERED = (
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)"
    "L(10000000,50):max-cll=1000,400"
)
ENCODERS = {"hevc": ("libx265", "ultrafast"), "av1": ("libsvtav1", "12")}
REPORT = EncodeReport(
    decoded_frames=None,
    decode_errors=0,
    packets_read=None,
    encoded_frames={},
    audio_samples=None,
    argv=(),
    stderr_tail="",
    wall_seconds=1.0,
)


@pytest.fixture(scope="session")
def hdr_clip(make_clip: Any) -> Callable[[str], Path]:
    """A second of HEVC in 10 bits: `smpte2084` as mastered, or `arib-std-b67`."""

    def make(transfer: str, suffix: str = "mp4") -> Path:
        tags = f"colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}"
        mastered = f":{MASTERED}" if transfer == "smpte2084" else ""
        extra = ["-c:v", "libx265", "-pix_fmt", "yuv420p10le"]
        extra += ["-vf", f"setparams={tags}:range=tv"]
        extra += ["-x265-params", f"log-level=none{mastered}"]
        extra += ["-tag:v", "hvc1"] if suffix == "mp4" else []
        return Path(make_clip(f"{transfer}.{suffix}", 1, audio=False, extra=extra))

    return make


@pytest.fixture
def kept(make_recipe: Any, video: Any) -> Callable[..., Any]:
    """A recipe that keeps HDR."""

    def make(codec: str, **changes: Any) -> Any:
        encoder, preset = ENCODERS[codec]
        renditions = [
            video(
                *size,
                codec=codec,
                encoder=encoder,
                preset=preset,
                codec_profile=None,
                pixel_format="yuv420p10le",
            )
            for size in ((320, 240), (160, 120))
        ]
        return make_recipe(video=renditions, audio=(), **changes)

    return make


@pytest.fixture
def to_sdr(make_task: Any, make_recipe: Any, video: Any) -> Callable[[Path], Any]:
    """A task that makes a small SDR file of HDR, in the shape of that."""

    def make(clip: Path, *, width: int = 320) -> Any:
        file = OutputFile(name="video.mp4", container="mp4", video="180p")
        packaging = FilePackaging(files=(file,))
        small = video(width, 180)
        recipe = make_recipe(
            video=(small,), audio=(), packaging=packaging, tone_map=True
        )
        task = make_task(clip, recipe)
        index = task.media.video[0].index
        recipe = recipe.model_copy(update={"video_index": index})
        return task.model_copy(update={"recipe": recipe})

    return make


@pytest.fixture
def small_hevc(make_recipe: Any, video: Any) -> Any:
    """A recipe of one small HEVC ladder in SDR."""
    encoder, preset = ENCODERS["hevc"]
    small = video(
        160, 120, codec="hevc", encoder=encoder, preset=preset, codec_profile="main"
    )
    return make_recipe(video=(small,), audio=(), tone_map=True)


@pytest.fixture(scope="session")
def seen(ffprobe: str) -> Callable[[Path], dict[str, Any]]:
    """A second tool's view of the first frame: tags and messages."""

    def look(path: Path) -> dict[str, Any]:
        argv = [ffprobe, "-v", "error", "-of", "json", "-select_streams", "v:0"]
        argv += ["-show_frames", "-read_intervals", "%+#1", str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        frame = json.loads(done.stdout)["frames"][0]
        messages = {it["side_data_type"]: it for it in frame.get("side_data_list", ())}
        return {**frame, "messages": messages}

    return look


def passed(produced: Any) -> bool:
    """Shows why where it did not."""
    assert ("succeeded", None) == (produced.outcome.value, produced.failure)
    return True


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
def test_mastering_is_learned(
    hdr_clip: Any, make_task: Any, kept: Any, suffix: str
) -> None:
    """
    What HDR10 was graded on is read from the stream, whatever the container.
    """
    task = make_task(hdr_clip("smpte2084", suffix), kept("hevc"))

    (picture,) = task.media.video
    display = picture.mastering_display
    assert DynamicRange.HDR10 == picture.dynamic_range
    assert ((0.68, 0.32), (0.3127, 0.329)) == (display.red, display.white)
    assert (1000.0, 0.005) == (display.max_nits, display.min_nits)
    assert ContentLight(max_nits=1000, average_nits=400) == picture.content_light


def test_hdr10_in_hevc(
    hdr_clip: Any, make_task: Any, kept: Any, performed: Any, seen: Any
) -> None:
    """
    Tags, mastering display and light levels come out as they went in, in each segment.
    """
    produced, staging = performed(make_task(hdr_clip("smpte2084"), kept("hevc")))

    assert passed(produced)
    folder = staging / "video/120p"
    joined = staging / "joined.mp4"
    parts = [folder / "init.mp4", folder / "00001.m4s"]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frame = seen(joined)
    display = frame["messages"]["Mastering display metadata"]
    light = frame["messages"]["Content light level metadata"]
    assert ("yuv420p10le", "bt2020nc", "bt2020", "smpte2084", "tv") == tuple(
        frame[name]
        for name in (
            *("pix_fmt", "color_space", "color_primaries"),
            *("color_transfer", "color_range"),
        )
    )
    assert ("34000/50000", "10000000/10000") == (
        display["red_x"],
        display["max_luminance"],
    )
    assert (1000, 400) == (light["max_content"], light["max_average"])
    master = (staging / "master.m3u8").read_text()
    assert 4 == master.count("VIDEO-RANGE=PQ")
    assert (
        'TransferCharacteristics" value="16"' in (staging / "manifest.mpd").read_text()
    )


def test_hlg_in_hevc(hdr_clip: Any, make_task: Any, kept: Any, performed: Any) -> None:
    """
    HLG stays HLG, and the playlists say so.
    """
    produced, staging = performed(make_task(hdr_clip("arib-std-b67"), kept("hevc")))

    assert passed(produced)
    assert 4 == (staging / "master.m3u8").read_text().count("VIDEO-RANGE=HLG")


def test_hdr10_in_av1(
    hdr_clip: Any, make_task: Any, kept: Any, performed: Any, seen: Any
) -> None:
    """
    The same in AV1, in one file, whose own boxes say it, too.
    """
    file = OutputFile(name="video.mp4", container="mp4", video="240p")
    packaging = FilePackaging(files=(file,))
    recipe = kept("av1", packaging=packaging).model_copy(
        update={"video": kept("av1").video[:1]}
    )

    produced, staging = performed(make_task(hdr_clip("smpte2084"), recipe))

    assert passed(produced)
    data = (staging / "video.mp4").read_bytes()
    assert b"colrnclx\0\x09\0\x10\0\x09" in data
    assert b"mdcv" in data
    assert b"clli" in data


def test_sdr_says_nothing_of_hdr(
    hdr_clip: Any, make_task: Any, small_hevc: Any, performed: Any, seen: Any
) -> None:
    """
    Tone-mapped pictures carry no mastering display: players would show them as HDR.
    """
    produced, staging = performed(make_task(hdr_clip("smpte2084"), small_hevc))

    assert passed(produced)
    folder = staging / "video/120p"
    joined = staging / "joined.mp4"
    parts = [folder / "init.mp4", folder / "00001.m4s"]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frame = seen(joined)
    assert "bt709" == frame["color_transfer"]
    assert set() == {name for name in frame["messages"] if "SEI" not in name}


def test_stills_of_kept_hdr_are_sdr(
    hdr_clip: Any, make_task: Any, kept: Any, performed: Any, ffmpeg: str
) -> None:
    """
    A poster is SDR whatever the renditions are: white is white, not PQ's grey.
    """
    recipe = kept("hevc", poster=Poster(width=320, height=240, candidates=1))
    flat = recipe.model_copy(update={"tone_map": True})
    eight = [it.model_copy(update={"pixel_format": "yuv420p"}) for it in recipe.video]
    flat = flat.model_copy(update={"video": tuple(eight)})
    clip = hdr_clip("smpte2084")

    _, one = performed(make_task(clip, recipe))
    _, two = performed(make_task(clip, flat))

    assert mean_luma(ffmpeg, two / "poster.jpg") == pytest.approx(
        mean_luma(ffmpeg, one / "poster.jpg"), abs=2
    )


def mean_luma(ffmpeg: str, path: Path, *filters: str) -> float:
    chain = ",".join(
        [*filters, "format=yuv444p", "signalstats", "metadata=print:file=-"]
    )
    argv = [ffmpeg, "-v", "error", "-i", str(path), "-frames:v", "1", "-vf", chain]
    argv += ["-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return float(re.findall(r"YAVG=([\d.]+)", done.stdout)[0])


@pytest.mark.parametrize(
    ("name", "width"), [("hlg10-color-test.mp4", 320), ("0.ts", 180)]
)
def test_tone_mapping_is_as_bright_as_the_standard(
    *, media_dir: Path, to_sdr: Any, performed: Any, ffmpeg: str, name: str, width: int
) -> None:
    """
    HLG shown as SDR without conversion has the brightness that ITU-R BT.2100 means;
    ours is within 8 % of it.
    """
    clip = media_dir / "edge" / name

    produced, staging = performed(to_sdr(clip, width=width))

    assert passed(produced)
    frame = "select=eq(n\\,8),scale=320:180:out_range=tv"
    theirs = mean_luma(ffmpeg, clip, frame) - 16
    ours = mean_luma(ffmpeg, staging / "video.mp4", frame) - 16
    assert ours == pytest.approx(theirs, rel=0.08)


# ── checks that can fail ──────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ladder(
    hdr_clip: Any, make_task: Any, make_recipe: Any, video: Any, tmp_path_factory: Any
) -> tuple[Any, Path]:
    """One finished ladder of HDR10."""
    from transcode.settings import Settings  # noqa: PLC0415
    from transcode.work.perform import perform  # noqa: PLC0415

    encoder, preset = ENCODERS["hevc"]
    rendition = video(
        160, 120, codec="hevc", encoder=encoder, preset=preset,
        codec_profile="main10", pixel_format="yuv420p10le",
    )  # fmt: skip
    recipe = make_recipe(
        video=(rendition,), audio=(), packaging=CmafPackaging(segment_seconds=4)
    )
    task = make_task(hdr_clip("smpte2084"), recipe)
    staging = tmp_path_factory.mktemp("hdr") / "staging"
    produced = perform(
        task,
        staging=staging,
        scratch=tmp_path_factory.mktemp("scratch"),
        settings=Settings(),
        report=lambda _: None,
    )
    assert passed(produced)
    return task, staging


def failed(task: Any, staging: Path) -> dict[str, str]:
    found = verify(task, REPORT, staging=staging).failed
    return {it.name: it.detail for it in found}


def with_picture(task: Any, **changes: Any) -> Any:
    picture: VideoStream = task.media.video[0].model_copy(update=changes)
    media = task.media.model_copy(update={"video": (picture,)})
    return task.model_copy(update={"media": media})


def test_lost_light_levels_are_found(ladder: Any) -> None:
    """
    Other levels than the source's fail the colour check.
    """
    task, staging = ladder
    other = ContentLight(max_nits=4000, average_nits=400)

    assert (
        "[4000, 400]"
        in failed(with_picture(task, content_light=other), staging)["colour"]
    )


def test_another_display_is_found(ladder: Any) -> None:
    """
    Another mastering display than the source's fails the colour check.
    """
    task, staging = ladder
    display = task.media.video[0].mastering_display
    other = display.model_copy(update={"max_nits": 4000.0})

    found = failed(with_picture(task, mastering_display=other), staging)

    assert "another display" in found["colour"]


def test_hdr_metadata_in_sdr_is_found(ladder: Any) -> None:
    """
    What should be SDR and speaks of mastering fails the colour check.
    """
    task, staging = ladder
    recipe = task.recipe.model_copy(update={"tone_map": True})

    found = failed(task.model_copy(update={"recipe": recipe}), staging)

    assert "says how HDR was mastered and is none" in found["colour"]
    assert "VIDEO-RANGE PQ, it is SDR" in found["playlists"]


@pytest.mark.parametrize(
    ("name", "old", "new", "check"),
    [
        (
            "video/120p/init.mp4",
            b"colrnclx\0\x09\0\x10",
            b"colrnclx\0\x01\0\x01",
            "colour",
        ),
        ("master.m3u8", b"VIDEO-RANGE=PQ", b"VIDEO-RANGE=HLG", "playlists"),
        ("manifest.mpd", b'istics" value="16"', b'istics" value="1"', "playlists"),
    ],
)
def test_wrong_tags_are_found(
    ladder: Any, name: str, old: bytes, new: bytes, check: str
) -> None:
    """
    A container or playlist that says other colours than the pictures have.
    """
    task, staging = ladder
    path = staging / name
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new))

    found = failed(task, staging)

    path.write_bytes(whole)
    assert check in found
