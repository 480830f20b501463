"""Sound and picture together, and how long it lasts, from sources as they come."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import (
    CmafPackaging,
    FilePackaging,
    OutcomeKind,
    OutputFile,
    Sprites,
)
from transcode.work.verify.cmaf import read_header, read_segment
from transcode.work.verify.playlists import read_media_playlist, read_mpd

MP4 = FilePackaging(
    files=(OutputFile(name="video.mp4", container="mp4", video="240p", audio=("aac",)),)
)
SPRITES = Sprites(
    interval_seconds=1, columns=2, rows=2, tile_width=80, tile_height=60, count=2
)
MOST_APART_SECONDS = 0.02


@pytest.fixture(scope="session")
def late_picture(made: Callable[..., Path]) -> Path:
    """A picture that begins thirteen frames after the sound."""
    picture = ("-itsoffset", 0.52, "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2")
    sound = ("-f", "lavfi", "-i", "sine=d=2.5:sample_rate=48000")
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    return made("late.mp4", *picture, *sound, *codecs, "-c:a", "aac")


def starts(staging: Path, name: str) -> list[float]:
    """When each segment of a rendition begins to be shown, by its own boxes."""
    folder = staging / name
    header = read_header(folder / "init.mp4")
    paths = sorted(folder.glob("*.m4s"))
    return [read_segment(path, header).start / header.timescale for path in paths]


def times(ffprobe: str, path: Path) -> list[float]:
    """Presentation times of a file's pictures, as another tool has them."""
    argv = [ffprobe, "-v", "error", "-select_streams", "v", "-of", "csv=p=0"]
    argv += ["-show_entries", "packet=pts_time", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return sorted(float(line.strip(",")) for line in done.stdout.split())


def lasting(ffprobe: str, path: Path) -> float:
    """How long another tool says that a file lasts."""
    argv = [ffprobe, "-v", "error", "-show_format", "-of", "json", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["format"]["duration"])


def check(produced: Any) -> None:
    failed = [check for check in produced.checks if not check.passed]
    assert (OutcomeKind.SUCCEEDED, []) == (produced.outcome, failed), produced.failure


def test_adts_is_copied_into_segments(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    audio: Any,
) -> None:
    """
    AAC that a transport stream describes in each packet is described in the header.
    """
    clip = make_clip("adts.ts", 2)
    copied = audio(made_by="copied", encoder=None, channels=1)

    produced, _ = performed(make_task(clip, make_recipe(audio=(copied,))))

    check(produced)


@pytest.mark.parametrize("offset", [0, 10])
def test_thumbnails_count_from_the_start(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    offset: float,
) -> None:
    """
    A source whose clock starts at ten seconds has thumbnails from 0 to its end.
    """
    extra = ("-muxdelay", "0", "-output_ts_offset", str(offset))
    clip = make_clip("clock.ts", 2, extra=extra)

    produced, staging = performed(make_task(clip, make_recipe(sprites=SPRITES)))

    check(produced)
    cues = re.findall(r"(\S+) --> (\S+)", (staging / "thumbnails.vtt").read_text())
    assert ("00:00:00.000", "00:00:01.000") == cues[0]
    assert "00:00:02" == cues[-1][1][:8]


def test_thumbnails_end_with_the_picture(
    *, make_task: Any, make_recipe: Any, made: Any, performed: Any, video: Any
) -> None:
    """
    In segments the last picture is held while there is sound, and so is its thumbnail;
    in a file the picture ends, and no thumbnail is promised for what follows.
    """
    picture = ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2")
    sound = ("-f", "lavfi", "-i", "sine=d=4:sample_rate=48000")
    clip = made("long-sound.mp4", *picture, *sound, "-pix_fmt", "yuv420p")
    sprites = SPRITES.model_copy(update={"count": 4})

    for count, changes in ((4, {}), (2, {"packaging": MP4})):
        pictures = (video(320, 240),)
        recipe = make_recipe(sprites=sprites, video=pictures, **changes)
        produced, staging = performed(make_task(clip, recipe))

        check(produced)
        assert count == (staging / "thumbnails.vtt").read_text().count("-->")


def test_late_picture_is_filled(
    *,
    make_task: Any,
    make_recipe: Any,
    late_picture: Path,
    performed: Any,
    video: Any,
    ffprobe: str,
) -> None:
    """
    A picture that begins after the sound begins with it, as its first frame, and the
    rest of it is where it was; in segments and in a file.
    """
    produced, staging = performed(make_task(late_picture, make_recipe()))
    check(produced)
    assert [0.0] == starts(staging, "video/240p")
    assert [0.0] == starts(staging, "audio/aac")

    produced, staging = performed(
        make_task(late_picture, make_recipe(video=(video(320, 240),), packaging=MP4))
    )
    check(produced)
    shown = times(ffprobe, staging / "video.mp4")
    source = times(ffprobe, late_picture)
    lead = len(shown) - len(source)
    assert 13 == lead
    assert [n / 25 for n in range(lead)] == pytest.approx(shown[:lead], abs=1e-3)
    assert source == pytest.approx(shown[lead:], abs=MOST_APART_SECONDS)


def test_copied_late_picture_stays_late(
    *,
    make_task: Any,
    make_recipe: Any,
    made: Any,
    performed: Any,
    video: Any,
) -> None:
    """
    A copied picture that begins a frame after the sound does so in HLS and DASH.
    """
    picture = ("-itsoffset", 0.04, "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2")
    sound = ("-f", "lavfi", "-i", "sine=d=2:sample_rate=48000")
    clip = made("frame.mp4", *picture, *sound, "-pix_fmt", "yuv420p", "-g", 25)
    top = video(320, 240, made_by="copied", encoder=None)
    recipe = make_recipe(video=(top, video(160, 120)), keyframes="source")

    produced, staging = performed(make_task(clip, recipe))

    check(produced)
    assert 0.04 == pytest.approx(starts(staging, "video/240p")[0], abs=1e-3)
    mpd = read_mpd((staging / "manifest.mpd").read_text())
    at = [one.starts[0] / one.timescale for one in mpd.representations]
    assert [0.04, 0.04, 0.0] == pytest.approx(at, abs=1e-3)


@pytest.mark.parametrize(("picture", "sound"), [(2, 3), (3, 2)])
def test_a_file_lasts_as_long_as_its_longest_track(
    *,
    make_task: Any,
    make_recipe: Any,
    made: Any,
    performed: Any,
    video: Any,
    ffprobe: str,
    picture: float,
    sound: float,
) -> None:
    """
    What the manifest says a file lasts is what any other tool says.
    """
    clip = made(
        f"ends-{picture}-{sound}.mp4",
        *("-f", "lavfi", "-i", f"testsrc2=s=320x240:r=25:d={picture}"),
        *("-f", "lavfi", "-i", f"sine=d={sound}:sample_rate=48000"),
        *("-pix_fmt", "yuv420p"),
    )

    recipe = make_recipe(video=(video(320, 240),), packaging=MP4)

    produced, staging = performed(make_task(clip, recipe))

    check(produced)
    said = lasting(ffprobe, staging / "video.mp4")
    assert said == pytest.approx(produced.artifacts[0].duration_seconds, abs=0.03)


def test_an_untagged_copy_joins_the_others(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    video: Any,
    ffprobe: str,
) -> None:
    """
    A copied top rendition without colour tags gets those of the encoded ones: all of
    the picture is in one adaptation set.
    """
    clip = make_clip("untagged", 2, extra=("-g", "25"))
    top = video(320, 240, made_by="copied", encoder=None)
    recipe = make_recipe(video=(top, video(160, 120)), keyframes="source")

    produced, staging = performed(make_task(clip, recipe))

    check(produced)
    mpd = read_mpd((staging / "manifest.mpd").read_text())
    groups = {one.group for one in mpd.representations if one.kind == "video"}
    assert 1 == len(groups)
    tags = []
    for name in ("240p", "120p"):
        joined = staging / f"{name}.mp4"
        parts = sorted((staging / "video" / name).glob("*.m4s"))
        header = staging / "video" / name / "init.mp4"
        joined.write_bytes(b"".join(part.read_bytes() for part in [header, *parts]))
        argv = [ffprobe, "-v", "error", "-show_streams", "-of", "json", str(joined)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        stream = json.loads(done.stdout)["streams"][0]
        tags.append({key: stream.get(key) for key in stream if "color" in key})
    assert tags[0] == tags[1]
    assert "smpte170m" == tags[0]["color_primaries"]


def test_a_heavy_last_segment_is_announced(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, video: Any
) -> None:
    """
    A last segment that is short and heavy counts for its playlist's target duration:
    alone where it lasts half of that, else with its neighbour (RFC 8216 §4.1).
    """
    black = "drawbox=t=fill:color=black:enable='lt(t,10)'"
    clip = make_clip("heavy", 10.6, audio=False, extra=("-vf", black))
    recipe = make_recipe(
        video=(video(320, 240, max_bit_rate=None, buffer_bits=None),),
        audio=(),
        packaging=CmafPackaging(segment_seconds=1),
        gop_seconds=1,
    )

    produced, staging = performed(make_task(clip, recipe))

    check(produced)
    folder = staging / "video/240p"
    listed = read_media_playlist((folder / "index.m3u8").read_text())
    parts = [
        ((folder / one.uri).stat().st_size * 8, float(one.seconds))
        for one in listed.entries
    ]
    rates = [bits / seconds for bits, seconds in parts]
    assert (0.6, rates[-1]) == (parts[-1][1], max(rates))
    master = (staging / "master.m3u8").read_text()
    manifest = (staging / "manifest.mpd").read_text()
    said = [
        int(re.findall(r"\bbandwidth=\"?(\d+)", text, re.IGNORECASE)[0])
        for text in (master, manifest)
    ]
    # MPD has no target duration: there the longest segment's is taken.
    assert said == pytest.approx(
        [peak(parts, listed.target_seconds), peak(parts, 1)], rel=0.001
    )
    assert said[1] == pytest.approx(max(rates), rel=0.001)


def peak(parts: list[tuple[int, float]], target: int) -> float:
    """RFC 8216 §4.1, written down anew: of all runs that last about a target."""
    runs = [parts[a:b] for a in range(len(parts)) for b in range(a + 1, a + 4)]
    sums = [(sum(b for b, _ in run), sum(s for _, s in run)) for run in runs]
    return max(b / s for b, s in sums if target / 2 <= s <= target * 3 / 2)


def test_a_variable_rate_keeps_its_end(
    *,
    make_task: Any,
    make_recipe: Any,
    media_dir: Path,
    performed: Any,
    video: Any,
    ffprobe: str,
) -> None:
    """
    With frames at uneven times the file still lasts until its last frame ends.
    """
    clip = media_dir / "formats/fixture-null.webm"
    file = OutputFile(name="video.mp4", container="mp4", video="180p", audio=())
    recipe = make_recipe(
        video=(video(320, 180, preset="veryfast"),),
        audio=(),
        packaging=FilePackaging(files=(file,)),
    )
    task = make_task(clip, recipe)
    assert task.media.video[0].variable_frame_rate

    produced, staging = performed(task)

    check(produced)
    path = staging / "video.mp4"
    assert times(ffprobe, path)[-1] < lasting(ffprobe, path)


def test_at_half_the_rate_the_last_picture_may_stand_longer(
    make_task: Any, make_recipe: Any, media_dir: Path, performed: Any, video: Any
) -> None:
    """
    Of 60 pictures a second 30: the last one begins half a frame before the source's
    last, and ends with it. That is no hole.
    """
    file = OutputFile(name="video.mp4", container="mp4", video="180p", audio=())
    half = video(320, 180, preset="ultrafast", frame_rate=Fraction(30))
    recipe = make_recipe(
        video=(half,), audio=(), packaging=FilePackaging(files=(file,))
    )
    clip = media_dir / "edge/transparency.webm"

    produced, _ = performed(make_task(clip, recipe))

    check(produced)


def test_a_guessed_duration_is_no_promise(
    make_task: Any, make_recipe: Any, media_dir: Path, performed: Any, video: Any
) -> None:
    """
    A bare stream is as long as it turns out to be, and so are its thumbnails.
    """
    clip = media_dir / "workload/VID_1920x1080_cabac_temporal_direct.264"
    small = video(320, 180, preset="ultrafast")
    task = make_task(clip, make_recipe(video=(small,), audio=(), sprites=SPRITES))
    assert task.media.duration_estimated

    produced, _ = performed(task)

    check(produced)


@pytest.mark.parametrize("copied", [False, True])
def test_a_gap_before_the_last_picture_counts(
    *,
    make_task: Any,
    make_recipe: Any,
    made: Any,
    performed: Any,
    video: Any,
    ffprobe: str,
    copied: bool,
) -> None:
    """
    The last picture comes four frames late: the file lasts until it has been shown,
    although MP4 adds up durations in the order of decoding.
    """
    picture = ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=20")
    gap = ("-vf", "select='not(between(n,495,498))'", "-fps_mode", "vfr")
    codec = ("-c:v", "libx264" if copied else "mpeg2video", "-pix_fmt", "yuv420p")
    clip = made(f"gap-{copied}.ts", *picture, *gap, *codec)
    changes = {"made_by": "copied", "encoder": None} if copied else {}
    recipe = make_recipe(
        video=(video(320, 240, preset="veryfast", **changes),),
        audio=(),
        packaging=FilePackaging(
            files=(OutputFile(name="video.mp4", container="mp4", video="240p"),)
        ),
    )

    produced, staging = performed(make_task(clip, recipe))

    check(produced)
    assert 496 == len(times(ffprobe, staging / "video.mp4"))
    assert 20 == pytest.approx(lasting(ffprobe, staging / "video.mp4"))
