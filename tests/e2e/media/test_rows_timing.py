"""Rows 1 to 6 and 18 to 26 of what breaks transcoders: times, ends, cuts, sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeClip

Run = Callable[..., Any]
Made = Callable[..., Path]

PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=2")
QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
FRAME = 0.04


def test_row_01_variable_frame_rate(ran: Run, eyes: Any, media_dir: Path) -> None:
    """Every frame of a phone's uneven 8.8 frames a second keeps its own time."""
    source = media_dir / "edge" / "rotated_video.mp4"

    result = ran(source).path

    shown = eyes.times(source)
    assert 44 == len(shown)
    # One more, for the quarter of a second in which there is only sound.
    assert [0.0, *shown] == pytest.approx(eyes.times(result), abs=0.002)


def test_row_02_edit_lists(ran: Run, eyes: Any, made: Made, media_dir: Path) -> None:
    """What an edit list cuts off or holds back stays cut off or held back."""
    cut = ran(media_dir / "edge" / "iibbibb_editlist_videoonly.mp4")
    late = made(
        "late-sound.mp4", *PICTURE, "-itsoffset", "0.5", *SOUND, *QUICK, "-c:a", "aac"
    )

    assert 12 == cut.one("rendition")["video"]["frames"]
    sound = eyes.sound(ran(late).path)
    begins = next(n for n, sample in enumerate(sound) if abs(sample) > 1000) / 8000
    assert begins == pytest.approx(0.5, abs=0.02)


def test_row_03_clocks_that_start_elsewhere(
    ran: Run, eyes: Any, media_dir: Path
) -> None:
    """A stream whose clock starts at ten seconds starts at 0, sound and picture."""
    source = media_dir / "edge" / "0.ts"

    result = ran(source).path

    begins = [eyes.times(result, kind)[0] for kind in "va"]
    ends = [eyes.times(result, kind)[-1] for kind in "va"]
    apart = eyes.times(source, "a")[-1] - eyes.times(source)[-1]
    assert begins == pytest.approx([0, 0], abs=0.04)
    assert ends[1] - ends[0] == pytest.approx(apart, abs=0.05)


def test_row_03_a_caption_that_comes_first(
    ran: Run, eyes: Any, media_dir: Path
) -> None:
    """The clock begins with picture and sound, not with a caption 67 ms before."""
    source = media_dir / "edge" / "sample_with_ass_subtitles.mkv"

    result = ran(source, "mp4").path

    for kind in "va":
        theirs, ours = eyes.times(source, kind), eyes.times(result, kind)
        assert theirs[0] - 0.067 == pytest.approx(max(ours[0], 0), abs=0.07)
        assert theirs[-1] - 0.067 == pytest.approx(ours[-1], abs=0.03)


def test_row_03_pictures_before_the_first_packet(
    ran: Run, eyes: Any, media_dir: Path
) -> None:
    """A camcorder's two pictures shown before its first keyframe are shown."""
    times = eyes.times(ran(media_dir / "edge" / "avts.mts", "mp4").path)

    assert 61 == len(times)
    assert [n * 1001 / 60000 for n in range(4)] == pytest.approx(times[:4], abs=1e-3)


def test_row_04_missing_times(ran: Run, eyes: Any, make_clip: MakeClip) -> None:
    """A bare stream without any time is counted: each frame once, 1/25 s apart."""
    bare = make_clip("bare.264", 2, audio=False, extra=("-f", "h264"))

    times = eyes.times(ran(bare).path)

    assert [n * FRAME for n in range(50)] == pytest.approx(times, abs=0.001)


def test_row_05_discontinuities(ran: Run, eyes: Any, made: Made) -> None:
    """A clock that wraps, and then one that jumps back: four seconds are four."""
    parts = [
        made(
            f"{at}.ts", *PICTURE, *SOUND, *QUICK, "-bf", "0", "-c:a", "aac",
            "-output_ts_offset", at,
        )
        for at in (95442, 100)
    ]  # fmt: skip
    joined = parts[0].with_name("joined.ts")
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))

    result = ran(joined)

    assert 100 == result.one("rendition")["video"]["frames"]
    assert eyes.lasts(result.path) == pytest.approx(4, abs=0.15)
    times = eyes.times(result.path)
    assert max(b - a for a, b in pairwise(times)) < 0.15


@pytest.mark.parametrize("container", ["ts", "mp4"])
def test_row_06_size_changes(container: str, ran: Run, eyes: Any, made: Made) -> None:
    """
    A broadcast that goes from 320x240 to 640x360 is one size, none is squeezed.

    Nor where it was put into MP4 as it was, its headers among the pictures.
    """
    small = made("small.ts", *PICTURE, *QUICK)
    wide = "testsrc2=size=640x360:rate=25:duration=2"
    large = made("large.ts", "-f", "lavfi", "-i", wide, *QUICK)
    joined = small.with_name("sizes.ts")
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    if container == "mp4":
        joined = made("sizes.mp4", "-i", joined, "-c", "copy")

    result = ran(joined)

    frames = subprocess.run(
        [eyes.ffprobe, "-v", "error", "-show_entries", "frame=width,height",
         "-select_streams", "v", "-of", "csv=p=0", result.path],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert 100 == len(frames)
    assert {"320,240"} == {frame.rstrip(",") for frame in frames}
    rows = [eyes.picture(result.path, number=75)[n * 96 :][:96] for n in (1, 16)]
    assert [True, False] == [max(row) < 40 for row in rows]


def test_row_06_size_changes_of_a_copy(ran: Run, eyes: Any, made: Made) -> None:
    """What conforms but is 640x360 for its middle second is encoded after all."""
    parts = [
        made(
            f"part{number}.h264", "-f", "lavfi",
            "-i", f"color=c=gray:size={size}:rate=25:duration=1", *QUICK,
        ).read_bytes()
        for number, size in enumerate(("320x240", "640x360", "320x240"))
    ]  # fmt: skip
    bare = made("part0.h264").with_name("changing.h264")
    bare.write_bytes(b"".join(parts))
    source = made("changing.mkv", "-r", "25", "-f", "h264", "-i", bare, "-c", "copy")

    result = ran(source, "mp4")

    (rendition,) = [o for o in result.outputs if o["kind"] == "rendition"]
    assert "encoded" == rendition["made_by"]
    (task,) = result.document["tasks"]
    assert ["encoder_failed", "succeeded"] == [a["outcome"] for a in task["attempts"]]
    assert any("Copying gave no sound result" in w for w in result.document["warnings"])
    assert 75 == len(eyes.times(result.path))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("edge/annex-b.mp4", "MediaTruncated"),
        ("edge/bbb_init_only.mp4", "MediaRejected"),
        ("malformed/WrongFile.mp4", "MediaRejected"),
        ("malformed/broken.mp4", "MediaRejected"),
    ],
)
def test_row_18_truncated_or_no_media(
    ran: Run, media_dir: Path, name: str, error: str
) -> None:
    """Cut off, empty of samples, no media at all: refused for good, by name."""
    refused = ran(media_dir / name)

    assert (3, error) == (refused.code, refused.document["error"]["type"])
    assert not refused.document["error"]["retryable"]


def test_row_18_zero_bytes(ran: Run, tmp_path: Path) -> None:
    """Nothing is no media."""
    empty = tmp_path / "empty.mp4"
    empty.touch()

    assert 3 == ran(empty).code


def test_row_19_index_at_the_end(ran: Run, make_clip: MakeClip) -> None:
    """Read from the tail within the budget, and written with the index in front."""
    clip = make_clip("tail.mp4", 2)
    data = clip.read_bytes()
    assert data.index(b"moov") > data.index(b"mdat")

    result = ran(clip)

    assert result.document["media"]["faststart"] is False
    assert result.document["media"]["probe_bytes"] < 2 << 20
    data = Path(result.path).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_row_20_a_single_keyframe(ran: Run, make_clip: MakeClip) -> None:
    """One keyframe in nine seconds: cut every four all the same."""
    clip = make_clip("rare.mp4", 9, extra=("-g", "999", "-sc_threshold", "0"))

    playlist = ran(clip, "hls").text("index.m3u8")

    assert 3 == playlist.count("#EXTINF")
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in ran(clip, "hls").text("master.m3u8")


def test_row_21_open_groups(ran: Run, eyes: Any, made: Made) -> None:
    """Cut in open groups: what can be decoded is shown, and groups are closed."""
    whole = made(
        "open.ts", *PICTURE, "-c:v", "libx264", "-pix_fmt", "yuv420p",
        "-x264-params", "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0",
    )  # fmt: skip
    cut = whole.with_name("cut.ts")
    data = whole.read_bytes()
    # Tables first, and then from somewhere in the middle of a group.
    cut.write_bytes(data[: 3 * 188] + data[len(data) // 188 // 3 * 188 :])

    result = ran(cut)

    argv = [eyes.ffmpeg, "-v", "error", "-i", result.path, "-f", "null", "-"]
    assert b"" == subprocess.run(argv, capture_output=True, check=True).stderr
    frames = eyes.video(result.path)["nb_frames"]
    assert 20 <= int(frames) <= 40
    assert 0 == eyes.times(result.path)[0]


def test_row_22_sound_across_cuts(ran: Run, eyes: Any, make_clip: MakeClip) -> None:
    """Sound is one encode: no gap at any cut, as many samples as there were."""
    clip = make_clip("rare.mp4", 9, extra=("-g", "999", "-sc_threshold", "0"))

    sound = ran(clip, "hls").one("audio")["uri"]

    times = eyes.times(sound, "a")
    steps = {round((b - a) * 48000) for a, b in pairwise(times)}
    assert {1024} == steps
    assert len(times) * 1024 / 48000 == pytest.approx(9, abs=0.05)


def test_row_23_cuts_of_a_copy(ran: Run, eyes: Any, make_clip: MakeClip) -> None:
    """A copied picture in segments: no frame lost, repeated or out of order."""
    clip = make_clip(
        "copied.mp4", 9, extra=("-preset", "veryfast", "-g", "50", "-crf", "30",
                                "-x264-params", "scenecut=0:open-gop=0"),
    )  # fmt: skip

    result = ran(clip, "hls")

    top = result.one("rendition")
    assert "copied" == top["made_by"]
    assert 3 == Path(top["uri"]).read_text("utf-8").count("#EXTINF")
    assert eyes.times(clip) == pytest.approx(eyes.times(top["uri"]), abs=0.001)


def test_row_24_extreme_rates(ran: Run, eyes: Any, made: Made, media_dir: Path) -> None:
    """240 frames a second become 30; a header that says 1000 is not believed."""
    fast = "testsrc2=size=320x240:rate=240:duration=1"
    slow_motion = made("fast.mp4", "-f", "lavfi", "-i", fast, *QUICK)

    capped = ran(slow_motion).path
    lied = ran(media_dir / "formats" / "sample.flv")

    assert 30 == int(eyes.video(capped)["nb_frames"])
    assert eyes.lasts(capped) == pytest.approx(1, abs=1 / 30)
    times = eyes.times(lied.path)
    assert 25 < len(times) / (times[-1] - times[0]) < 61


def test_row_25_very_short(ran: Run, media_dir: Path, make_clip: MakeClip) -> None:
    """Four frames, and one: all shown, with a poster and a thumbnail."""
    four = ran(media_dir / "edge" / "unordered.mov", "mp4")
    single = ran(make_clip("single.mp4", 0.04, audio=False), "hls")

    assert 4 == four.one("rendition")["video"]["frames"]
    assert 1 == single.one("rendition")["video"]["frames"]
    assert 0 < single.one("poster")["bytes"]
    assert 1 == single.text("thumbnails.vtt").count("-->")


def test_row_26_very_long(ran: Run, eyes: Any, made: Made) -> None:
    """Twelve hours, past 2^31 ticks of 90 kHz: to the end, by a plan that says so."""
    hours = 12 * 3600
    rare = f"color=gray:size=64x64:rate=1/60:duration={hours}"
    clip = made("long.mkv", "-f", "lavfi", "-i", rare, *QUICK, "-g", "10")

    result = ran(clip)

    assert hours / 60 == result.one("rendition")["video"]["frames"]
    assert eyes.times(result.path)[-1] == pytest.approx(hours - 60, abs=1)


def test_row_26_more_than_four_gigabytes(tmp_path: Path, made: Made) -> None:
    """Past 4 GiB (of a hole): the plan reckons with the bytes and reads few."""
    clip = made("head.mp4", *PICTURE, *QUICK, "-movflags", "+faststart")
    large = tmp_path / "large.mp4"
    large.write_bytes(clip.read_bytes())
    with large.open("ab") as file:
        file.truncate(5 << 30)

    argv = [sys.executable, "-m", "transcode", "probe", str(large), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    media = json.loads(done.stdout)
    assert 5 << 30 == media["bytes"]
    assert media["probe_bytes"] < 1 << 20
