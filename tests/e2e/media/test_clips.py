"""Clips of odd files: what is seen and heard begins and ends where it was asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Eyes
from .test_kinds import QUICK, SOUND, lengths

Run = Callable[..., Any]
Made = Callable[..., Path]


@pytest.mark.parametrize("rate", [15, 24, 30])
@pytest.mark.parametrize("kind", ["avi", "ogv"])
def test_a_clip_where_the_clock_counts_pictures(
    ran: Run, made: Made, eyes: Eyes, kind: str, rate: int
) -> None:
    """
    Half a picture before its start is half a tick, which was rounded to the picture
    before: that was shown first, for 11 microseconds, and the last one was missing.
    """
    codec = {"avi": "mpeg4", "ogv": "libtheora"}[kind]
    source = made(
        f"counting-{rate}.{kind}", "-f", "lavfi", "-i",
        f"testsrc2=size=160x96:rate={rate}:duration=4", "-c:v", codec, "-q:v", "5",
    )  # fmt: skip

    path = ran(source, "preview", "--start", "2", "--end", "3").path

    times = eyes.times(path)
    assert [n / rate for n in range(rate)] == pytest.approx(times, abs=1e-4)
    then, shown = eyes.picture(source, number=2 * rate), eyes.picture(path)
    assert sum(abs(a - b) for a, b in zip(then, shown, strict=True)) / len(then) < 4


@pytest.mark.parametrize("profile", ["preview", "hls"])
@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_a_clip_that_begins_in_a_still_stretch(
    ran: Run, made: Made, eyes: Eyes, kind: str, profile: str
) -> None:
    """It begins with what is seen there; all of them had failed."""
    codec = {"mp4": QUICK, "webm": ("-c:v", "libvpx", "-deadline", "realtime")}[kind]
    source = made(
        f"still-then.{kind}", "-f", "lavfi", "-i",
        "testsrc2=size=160x96:rate=25:duration=6,select='not(between(n,26,100))'",
        *SOUND, *codec, "-g", "25", "-fps_mode", "vfr",
    )  # fmt: skip

    path = ran(source, profile, "--start", "2.01", "--end", "5.5").path

    times = eyes.times(path)
    again = [0, 1, 2] if profile == "preview" else [0, 2]
    assert [*again, 2.03, 2.07] == pytest.approx(times[: len(again) + 2], abs=0.002)
    # The last before it, which is the 26th.
    then, shown = eyes.picture(source, number=25), eyes.picture(path)
    assert sum(abs(a - b) for a, b in zip(then, shown, strict=True)) / len(then) < 6


@pytest.mark.parametrize(
    ("kind", "profile"), [("mp4", "hls"), ("webm", "hls"), ("mp4", "preview")]
)
def test_a_clip_that_ends_in_a_still_stretch(
    ran: Run, made: Made, eyes: Eyes, kind: str, profile: str
) -> None:
    """
    What is seen then is seen to the end, and its thumbnails, too: it had gone after
    one more picture's length, before the sound, and most in segments were refused.
    """
    codec = {"mp4": QUICK, "webm": ("-c:v", "libvpx", "-deadline", "realtime")}[kind]
    source = made(
        f"still-until.{kind}", "-f", "lavfi", "-i",
        "testsrc2=size=160x96:rate=25:duration=6,select='not(between(n,26,130))'",
        "-f", "lavfi", "-i", "sine=sample_rate=48000:duration=6",
        *codec, "-g", "25", "-fps_mode", "vfr",
    )  # fmt: skip

    run = ran(source, profile, "--start", "0.4", "--end", "4.1")

    assert 3.7 == pytest.approx(eyes.lasts(run.path), abs=0.03)
    if profile == "hls":
        assert 3.7 == pytest.approx(sum(lengths(run.path)), abs=0.001)
        ends = run.text("thumbnails.vtt").split("-->")[-1].split()[0]
        assert 3.7 == pytest.approx(float(ends.split(":")[-1]), abs=0.001)
    else:
        assert 3.7 == pytest.approx(float(eyes.video(run.path)["duration"]), abs=0.001)


def test_a_clip_between_two_ticks_of_a_coarse_clock(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """Pictures of a variable rate in Ogg: all had moved to the nearest tick."""
    source = made(
        "coarse.ogv", "-f", "lavfi", "-i",
        "testsrc2=size=160x96:rate=60:duration=3,select='not(between(n,10,22))'",
        "-fps_mode", "vfr", "-c:v", "libtheora", "-q:v", "5",
    )  # fmt: skip

    path = ran(source, "hls", "--start", "0.82", "--end", "2").path

    later = [0, *(n / 60 - 0.82 for n in range(50, 120))]
    assert later == pytest.approx(eyes.times(path), abs=1e-3)


def test_thumbnails_of_a_clip_whose_sound_goes_on(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """They end with the picture, where its rate is variable, too."""
    source = made(
        "goes-on-variable.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=2"),
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=6"),
        *("-vf", "select='not(between(n,5,15))'", "-fps_mode", "vfr", *QUICK),
    )

    run = ran(source, "hls", "--start", "0.41", "--end", "5")

    ends = run.text("thumbnails.vtt").split("-->")[-1].split()[0]
    lasts = sum(lengths(run.one("rendition")["uri"]))
    assert lasts == pytest.approx(float(ends.split(":")[-1]), abs=0.1)


@pytest.mark.parametrize("profile", ["preview", "hls"])
def test_the_beginning_of_a_late_picture(
    ran: Run, made: Made, eyes: Eyes, profile: str
) -> None:
    """Filled as in the whole: B-frames behind one that stands made it longer."""
    source = made(
        "late-beginning.ts", "-itsoffset", "0.52",
        *("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=2"),
        *(*SOUND, "-map", "0", "-map", "1", *QUICK, "-bf", "2", "-c:a", "aac"),
    )  # fmt: skip

    path = ran(source, profile, "--end", "0.96").path

    assert 24 == pytest.approx(len(eyes.times(path)), abs=1)
    assert 0.96 == pytest.approx(eyes.lasts(path), abs=0.05)


LATE = ("-itsoffset", "1.37", "-f", "lavfi", "-i", "testsrc2=s=160x96:r=12:d=3")


@pytest.mark.parametrize("kind", ["mkv", "mov"])
def test_a_clip_that_begins_before_a_late_picture(
    ran: Run, made: Made, eyes: Eyes, kind: str
) -> None:
    """
    Its first picture fills what it is late by, and the rest stays beside the sound:
    where that one stood instead, B-frames behind it made the clip longer.
    """
    source = made(f"late-clip.{kind}", *LATE, *SOUND, *QUICK, "-bf", "2", "-c:a", "aac")

    path = ran(source, "hls", "--start", "1", "--end", "2.3").path

    due = [it - 1 for it in eyes.times(source) if it < 2.3]
    shown = eyes.times(path)
    assert shown[0] == 0
    assert shown[-len(due) :] == pytest.approx(due, abs=0.002)
    assert eyes.lasts(path) == pytest.approx(due[-1] + 1 / 12, abs=0.05)


@pytest.mark.parametrize("left", ["1", "mod(n,5)"])
def test_a_clip_that_ends_before_a_late_picture_is_refused(
    made: Made, transcode: Callable[..., Any], left: str
) -> None:
    """At any rate: there is nothing but sound, which the plan says."""
    source = made(
        f"late-{len(left)}.mkv", *LATE, *SOUND, *QUICK, "-vf", f"select='{left}'",
        *("-fps_mode", "vfr", "-c:a", "aac"),
    )  # fmt: skip

    ended = transcode("plan", source, "--start", "0.3", "--end", "1")

    assert ended.code == 2
    assert "No picture begins between 0.3 s and 1 s" in ended.err


def test_a_clip_that_begins_while_the_last_picture_stands_is_refused(
    made: Made, transcode: Callable[..., Any]
) -> None:
    """Nothing is shown from there on: it had failed after two attempts."""
    source = made(
        "last-stands.mp4", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10:d=3",
        *QUICK, "-bf", "0",
        *("-bsf:v", "setts=duration='if(eq(N,29),80*DURATION,DURATION)'"),
    )  # fmt: skip

    ended = transcode("plan", source, "--start", "5")
    before = transcode("plan", source, "--start", "2.9")

    assert (2, 0) == (ended.code, before.code)
    assert "the last one stands from 2.900 s on" in ended.err


def test_a_clip_may_begin_behind_a_length_that_was_guessed(
    made: Made, transcode: Callable[..., Any]
) -> None:
    """Nothing was left of it to be priced by, not even its bytes."""
    source = made(
        "guessed.h264", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:d=4",
        *("-vf", "noise=alls=60:allf=t", *QUICK, "-b:v", "8M", "-f", "h264"),
    )  # fmt: skip

    ended = transcode("plan", source, "--start", "60", "--profile", "mp4")

    assert source.stat().st_size > 2 << 20
    assert 0 == ended.code


@pytest.mark.parametrize("kind", ["mp4", "ts", "mkv"])
def test_a_clip_of_sound_alone_has_no_picture_to_begin_with(
    transcode: Callable[..., Any], made: Made, kind: str
) -> None:
    """An encoder failed, and was billed: nothing came to make a poster of."""
    source = made(
        f"heard-longer.{kind}", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:d=2",
        *("-f", "lavfi", "-i", "sine=d=5", *QUICK, "-c:a", "aac"),
    )  # fmt: skip

    ended = transcode("run", source, "--profile", "preview", "--start", "3")

    assert 2 == ended.code
    assert "No picture is shown there: the last one ends at 2.0" in ended.err


def test_opus_of_a_clip_begins_with_it(ran: Run, made: Made, eyes: Eyes) -> None:
    """
    Where the clip's first samples are few, too: the silence before them, which the
    encoder's delay is put into, must not be lost.
    """
    source = made(
        "opus-of-a-clip.ts",
        *("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=12:duration=4"),
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=4"),
        *("-map", "0", "-map", "1", *QUICK, "-c:a", "aac"),
    )

    for start in ("1", "1.02", "1.5"):
        run = ran(source, "vp9", "--start", start, "--end", "2.6")
        assert 0 == pytest.approx(
            eyes.times(run.one("audio")["uri"], "a")[0], abs=0.001
        )


@pytest.mark.parametrize(
    ("rate", "dropped", "seconds", "clip"),
    [
        # Ends where the nearest of thirty places a second is one too far.
        (40, "eq(mod(n,17),3)", 71 / 40, (0.24, None)),
        # Ends, and ends and begins, where nothing is new.
        (60, "between(n,130,200)", 5, (0.24, 3.1)),
        (60, "between(n,130,200)", 5, (2.3, 3)),
    ],
)
def test_a_clip_of_a_variable_rate_at_a_constant_one(  # noqa: PLR0917 - fixtures
    ran: Run,
    made: Made,
    eyes: Eyes,
    rate: int,
    dropped: str,
    seconds: float,
    clip: tuple[float, float | None],
) -> None:
    """
    Has a picture at each place: the last one of all had none, and of a still stretch
    more came than the clip is long.
    """
    start, end = clip
    source = made(
        f"to-thirty-{rate}-{seconds:.2f}.mp4", "-f", "lavfi", "-i",
        f"testsrc2=size=160x96:rate={rate}:duration={seconds},select='not({dropped})'",
        "-f", "lavfi", "-i", f"sine=sample_rate=48000:duration={seconds}",
        *QUICK, "-fps_mode", "vfr",
    )  # fmt: skip

    options = ("--start", str(start)) + (("--end", str(end)) if end else ())
    path = ran(source, "preview", *options).path

    count = round(((end or seconds) - start) * 30)
    assert [n / 30 for n in range(count)] == pytest.approx(eyes.times(path), abs=1e-4)


def test_a_clip_at_another_rate_begins_with_what_is_next(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """
    Within half of a new picture another of the source's is shown instead of the first,
    which may look otherwise: it was refused.
    """
    source = made(
        "flashes.mp4", "-f", "lavfi", "-i",
        "testsrc2=size=160x96:rate=60:duration=2,negate=enable='mod(n,2)',"
        "select='not(eq(mod(n,7),3))'",
        *QUICK, "-fps_mode", "vfr",
    )  # fmt: skip

    path = ran(source, "preview", "--start", "0.24").path

    # The one at 0.250 s takes the place of the one at 0.233 s.
    later = [it for it in eyes.times(source) if it >= 0.24]
    number = eyes.times(source).index(later[0])
    then, shown = eyes.picture(source, number=number), eyes.picture(path)
    assert sum(abs(a - b) for a, b in zip(then, shown, strict=True)) / len(then) < 6


def test_a_late_picture_at_another_rate_fills_the_beginning_itself(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """What follows it within half of a new picture is not shown before it."""
    source = made(
        "late-flashes.mp4", "-f", "lavfi", "-i",
        "testsrc2=size=160x96:rate=60:duration=3,negate=enable='mod(n,2)',"
        "select='not(eq(mod(n,7),3))'",
        *(*SOUND, "-vf", "setpts=PTS+0.4867/TB", *QUICK, "-fps_mode", "vfr"),
    )  # fmt: skip

    then, shown = eyes.picture(source), eyes.picture(ran(source, "preview").path)

    assert sum(abs(a - b) for a, b in zip(then, shown, strict=True)) / len(then) < 6


@pytest.mark.parametrize("start", ["0.16", "0.41", "1.3"])
def test_a_clip_of_what_a_coarse_clock_says(
    ran: Run, made: Made, eyes: Eyes, start: str
) -> None:
    """
    AVI counts pictures: a clip that begins between two of a variable rate begins with
    the one that is seen then. It was compared with another, and refused.
    """
    source = made(
        "coarse.avi", "-f", "lavfi", "-i",
        "testsrc2=size=160x96:rate=24:duration=4,negate=enable='mod(n,2)',"
        "select='not(eq(mod(n,5),2))'",
        *("-fps_mode", "vfr", "-c:v", "mjpeg", "-q:v", "3"),
    )  # fmt: skip

    path = ran(source, "mp4", "--start", start).path

    before = [it for it in eyes.times(source) if it <= float(start)]
    then = eyes.picture(source, number=len(before) - 1)
    shown = eyes.picture(path)
    assert sum(abs(a - b) for a, b in zip(then, shown, strict=True)) / len(then) < 6


def test_a_clip_whose_sound_goes_on_in_segments(
    ran: Run, made: Made, eyes: Eyes
) -> None:
    """The last picture is shown again until it ends: more than the clip has."""
    source = made(
        "sound-goes-on.mkv", "-f", "lavfi", "-i",
        "testsrc2=size=160x96:rate=30:duration=7.1",
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=10.1"),
        *(*QUICK, "-c:a", "aac"),
    )  # fmt: skip

    path = ran(source, "hls", "--start", "3.48").path

    assert 10.1 - 3.48 == pytest.approx(sum(lengths(path)), abs=0.06)
