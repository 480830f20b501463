"""Pictures that stand still: how long they last, and where segments are cut in them."""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from transcode.contract import OutcomeKind, Produced

STILL = "lt(t,3)+gt(t,10.99)"
"""Of 13 s, 8 s without a picture."""
HOLES = "lt(t,3.9)+gt(t,4.3)*lt(t,7.7)+gt(t,8.1)"
REORDERED = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3")
IN_ORDER = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "0")
AAC = '[[audio]]\ncodec = "aac"\n'
_ANOTHER = 12
"""Mean difference in grey between two pictures of the pattern; coding makes 9 at most.
"""
BROWSER = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")


@pytest.fixture(scope="session")
def recorded(made: Callable[..., Path]) -> Callable[..., Path]:
    """A recording of 13 s at 25 frames a second, of which only some were stored."""
    kept: dict[str, Path] = {}

    def make(name: str, which: str, *codec: str, rest: tuple[str, ...] = ()) -> Path:
        if name not in kept:
            picture = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=13")
            sound = ("-f", "lavfi", "-i", "sine=d=13:sample_rate=48000")
            thinned = ("-vf", f"select='{which}'", "-fps_mode", "vfr")
            kept[name] = made(
                name, *picture, *sound, *thinned, "-pix_fmt", "yuv420p", *codec, *rest
            )
        return kept[name]

    return make


CASES = {
    "still-b.mp4": (STILL, *REORDERED),
    "still.mp4": (STILL, *IN_ORDER),
    "still-b.mkv": (STILL, *REORDERED),
    "holes-b.mp4": (HOLES, *REORDERED),
    "still.webm": (STILL, *BROWSER),
    # ffmpeg takes a step of 10 s for another clock, unless it is told.
    "long.ts": ("lt(t,1)+gt(t,12.05)", *REORDERED),
    "first.mp4": ("lt(t,0.1)+gt(t,8.5)", *REORDERED),
}


@pytest.mark.parametrize("name", CASES)
def test_what_stands_still_lasts(
    recorded: Callable[..., Path], through: Any, name: str
) -> None:
    """
    The source's picture is seen at each time, in segments of the length asked for that
    last as long as the playlist says.
    """
    clip = recorded(name, *CASES[name])

    produced, staging, _ = through(clip, f"hls\n{AAC}")

    check(produced)
    place = next((staging / "video").iterdir())
    files = sorted(place.glob("*.m4s"))
    whole = b"".join(it.read_bytes() for it in (place / "init.mp4", *files))
    same_pictures(clip, io.BytesIO(whole))
    starts = [first_shown(place, it) for it in files]
    lengths = [b - a for a, b in zip(starts, [*starts[1:], 13.0], strict=True)]
    said = [float(it) for it in re.findall(r"EXTINF:([\d.]+)", playlist(place))]
    assert lengths == pytest.approx(said, abs=0.03)
    assert [4.0, 4.0, 4.0, 1.0] == pytest.approx(lengths, abs=0.05)


@pytest.mark.parametrize("name", ["still-b.mp4", "still.webm"])
def test_a_file_lasts_as_long_as_its_source(
    recorded: Callable[..., Path], through: Any, name: str
) -> None:
    """
    26 seconds of source made a file of 43: what demuxers say of how long a picture is
    shown is how long it is until the next one is decoded.
    """
    clip = recorded(name, *CASES[name])

    produced, staging, _ = through(clip, f"mp4\n{AAC}")

    check(produced)
    same_pictures(clip, staging / "video.mp4")
    with av.open(staging / "video.mp4") as file:
        assert 13.0 == pytest.approx((file.duration or 0) / 1e6, abs=0.025)
        video = file.streams.video[0]
        lasts = (video.duration or 0) * (video.time_base or 0)
        assert 13.0 == pytest.approx(float(lasts), abs=0.025)


def test_after_a_hole_pictures_may_lie_between(
    made: Callable[..., Path], through: Any
) -> None:
    """
    A stop of half a second and half a frame, at a rate that is constant otherwise: what
    follows is told from what is shown again meanwhile.
    """
    picture = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=59.46")
    late = ("-vf", "settb=1/50,setpts=PTS+27*gte(N\\,700)", "-fps_mode", "vfr")
    clip = made("half.mp4", *picture, *late, "-enc_time_base", "1/50", *IN_ORDER)

    produced, staging, task = through(clip, f"mp4\n{AAC}")

    check(produced)
    assert task.media.video[0].variable_frame_rate is False
    times = {round(time, 3) for time, _ in shown(staging / "video.mp4")}
    assert times >= {round(n * 0.04 + 0.54 * (n >= 700), 3) for n in range(1486)}
    held = sorted(it for it in times if 27.965 < it < 28.535)
    assert [28.08, 28.24, 28.4] == pytest.approx(held, abs=0.09)


@pytest.mark.parametrize("seconds", [3, 9])
def test_a_picture_is_held_while_there_is_sound(
    made: Callable[..., Path], through: Any, seconds: int
) -> None:
    """
    Sound that goes on after the picture has a picture in every segment.
    """
    picture = ("-f", "lavfi", "-i", f"testsrc2=s=160x120:r=25:d={seconds}")
    sound = ("-f", "lavfi", "-i", "sine=d=13:sample_rate=48000")
    clip = made(f"sound-{seconds}.mp4", *picture, *sound, "-pix_fmt", "yuv420p")

    produced, staging, _ = through(clip, f"hls\n{AAC}")

    check(produced)
    place = next((staging / "video").iterdir())
    said = [float(it) for it in re.findall(r"EXTINF:([\d.]+)", playlist(place))]
    assert [4.0, 4.0, 4.0, 1.0] == pytest.approx(said, abs=0.03)
    files = sorted(place.glob("*.m4s"))
    whole = b"".join(it.read_bytes() for it in (place / "init.mp4", *files))
    pictures = shown(io.BytesIO(whole))
    last = [it for time, it in shown(clip) if time < seconds][-1]
    assert pictures[-1][0] > 11.9
    assert apart(last, pictures[-1][1]) < _ANOTHER


def check(produced: Produced) -> None:
    assert OutcomeKind.SUCCEEDED == produced.outcome, produced.failure


def playlist(place: Path) -> str:
    return (place / "index.m3u8").read_text()


def first_shown(place: Path, segment: Path) -> float:
    data = (place / "init.mp4").read_bytes() + segment.read_bytes()
    with av.open(io.BytesIO(data), format="mov") as file:
        assert isinstance(file, av.container.InputContainer)
        return min(
            float(it.pts * it.time_base)
            for it in file.demux()
            if it.pts is not None and it.time_base is not None
        )


def shown(file: Any) -> list[tuple[float, bytes]]:
    """Every picture of a file, tiny and grey, and when it is shown."""
    with av.open(file) as media:
        clock = (media.start_time or 0) if media.format.name == "mpegts" else 0
        frames = [
            (float(it.pts * it.time_base) - clock / 1e6, bytes(small.planes[0]))
            for it in media.decode(video=0)
            if (small := it.reformat(64, 48, "gray")) and it.pts is not None
        ]
    return sorted(frames)


def same_pictures(source: Any, result: Any) -> None:
    """At a time between any two changes of the source, the result shows the same."""
    wanted, got = shown(source), shown(result)
    starts = [time for time, _ in got]
    for (begins, picture), (ends, _) in zip(
        wanted, [*wanted[1:], (13.0, b"")], strict=True
    ):
        for time in (begins + 0.01, (begins + ends) / 2, ends - 0.01):
            seen = got[max(0, bisect_right(starts, time) - 1)][1]
            assert apart(picture, seen) < _ANOTHER, f"another picture at {time:.3f} s"


def apart(one: bytes, other: bytes) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def test_a_copy_ends_where_its_edit_list_ends_it(
    recorded: Callable[..., Path], through: Any
) -> None:
    """
    A first picture that stands still is decoded as long before the others: together
    samples last 3 s longer than what is shown of them.
    """
    options = (*REORDERED, "-crf", "45", "-force_key_frames", "0,5,9")
    clip = recorded("begins.mp4", "lt(t,0.02)+gt(t,3)", *options)

    produced, _, task = through(clip, 'mp4\n[[audio]]\ncodec = "aac"\n')

    check(produced)
    assert ["copied"] == [it.made_by for it in task.recipe.video]
