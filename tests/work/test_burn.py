"""Subtitles of pictures are drawn where they belong, for as long as they last."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import OutcomeKind

Made = Callable[..., Path]

SHOWN = (1.0, 2.0)
"""Seconds. Black before and after, as the whole picture is."""
CANVAS = (320, 240)
BOX = (120, 180, 80, 40)
"""x, y, width and height of a white box: low, in the middle."""


def pgs(*, start: float, end: float) -> bytes:
    """One white box as a PGS stream (`.sup`), after US patent 20090185789."""

    def segment(at: float, kind: int, body: bytes) -> bytes:
        return b"PG" + struct.pack(">IIBH", int(at * 90000), 0, kind, len(body)) + body

    def shown(at: float, state: int, objects: bytes) -> Iterator[bytes]:
        count = bool(objects)
        head = struct.pack(">HHBHBBBB", *CANVAS, 0x10, state, state, 0, 0, count)
        yield segment(at, 0x16, head + objects)
        yield segment(at, 0x17, struct.pack(">BBHHHH", 1, 0, *BOX))

    x, y, width, height = BOX
    line = bytes([0, 0xC0 | width >> 8, width & 0xFF, 1, 0, 0])
    picture = struct.pack(">HH", width, height) + line * height
    size = len(picture).to_bytes(3, "big")
    parts = [
        *shown(0, 0x80, b""),
        segment(0, 0x80, b""),
        *shown(start, 0x80, struct.pack(">HBBHH", 0, 0, 0, x, y)),
        segment(start, 0x14, bytes([0, 0, 1, 235, 128, 128, 255])),
        segment(start, 0x15, struct.pack(">HBB", 0, 0, 0xC0) + size + picture),
        segment(start, 0x80, b""),
        *shown(end, 0, b""),
        segment(end, 0x80, b""),
    ]
    return b"".join(parts)


@pytest.fixture(scope="session")
def subtitled(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three black seconds with such a track, English and default."""
    sup = tmp_path_factory.mktemp("pgs") / "box.sup"
    sup.write_bytes(pgs(start=SHOWN[0], end=SHOWN[1]))

    def make(
        name: str,
        *,
        size: str = "320x240",
        rate: str = "10",
        extra: tuple[str, ...] = (),
    ) -> Path:
        black = f"color=black:size={size}:rate={rate}:duration=3"
        argv = ["-f", "lavfi", "-i", black, "-f", "sup", "-i", str(sup)]
        argv += ["-map", "0", "-map", "1", "-c:v", "libx264", "-g", "10"]
        argv += ["-pix_fmt", "yuv420p", *extra, "-c:s", "copy"]
        argv += ["-metadata:s:s:0", "language=eng", "-disposition:s:0", "default"]
        return made(name, *argv)

    return make


def whites(ffmpeg: str, path: Path) -> list[list[tuple[int, int]]]:
    """Of each frame, at 16x12, the places that are white."""
    argv = [ffmpeg, "-nostdin", "-v", "error", "-i", str(path), "-vf"]
    argv += ["scale=16:12:flags=area,format=gray", "-f", "rawvideo", "-"]
    raw = subprocess.run(argv, capture_output=True, check=True).stdout
    frames = [raw[at : at + 192] for at in range(0, len(raw), 192)]
    return [
        [(n % 16, n // 16) for n, it in enumerate(frame) if it > 128]
        for frame in frames
    ]


EXPECTED = [(x, y) for y in (9, 10) for x in (6, 7, 8, 9)]
"""The box in sixteenths and twelfths of the canvas."""


def burn(wanted: str) -> str:
    return f'mp4\n[subtitles]\nburn = "{wanted}"\n'


@pytest.mark.parametrize("wanted", ["eng", "default", "first"])
@pytest.mark.parametrize(
    ("name", "size", "extra"),
    [
        ("plain.mkv", "320x240", ()),
        # Another raster than the canvas; its shape is the same.
        ("large.mkv", "640x480", ()),
        ("wide pixels.mkv", "160x240", ("-vf", "setsar=2")),
    ],
    ids=lambda it: it if isinstance(it, str) and "." in it else "",
)
def test_subtitles_are_burned_where_and_when_they_belong(  # noqa: PLR0917
    name: str,
    size: str,
    extra: tuple[str, ...],
    wanted: str,
    through: Any,
    subtitled: Made,
    ffmpeg: str,
) -> None:
    """
    From the first second to the second, nowhere else, at no other time.
    """
    if wanted != "eng" and name != "plain.mkv":
        pytest.skip("the choice has nothing to do with the size")
    clip = subtitled(name, size=size, extra=extra)

    produced, staging, task = through(clip, burn(wanted))

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert (1, ()) == (task.recipe.burned_index, task.recipe.captions)
    frames = whites(ffmpeg, staging / "video.mp4")
    assert [10 <= n < 20 for n in range(30)] == [bool(frame) for frame in frames]
    assert all(frame == EXPECTED for frame in frames[11:19])


@pytest.mark.parametrize(
    ("name", "codec", "video"),
    [
        ("vobsub.mkv", "dvdsub", "copy"),
        ("dvb.ts", "dvbsub", "copy"),
        ("dvb.mkv", "dvbsub", "copy"),
        # Its raster stands nowhere but in the picture.
        ("disc.vob", "dvdsub", "mpeg2video"),
    ],
)
def test_every_kind_is_burned_on_time(  # noqa: PLR0917
    name: str,
    codec: str,
    video: str,
    through: Any,
    subtitled: Made,
    made: Made,
    ffmpeg: str,
) -> None:
    """
    VobSub and DVB say when a line ends; a transport stream's clock begins anywhere.
    """
    clip = subtitled("kinds.mkv", rate="25")
    argv = ["-fix_sub_duration", "-i", clip, "-map", "0", "-c:v", video, "-c:s", codec]
    packaged = {".vob": ("-f", "vob")}.get(Path(name).suffix, ())
    other = made(name, *argv, *packaged)

    produced, staging, task = through(other, burn("first"))

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert task.recipe.burned_index is not None
    frames = whites(ffmpeg, staging / "video.mp4")
    assert [n for n, frame in enumerate(frames) if frame] == pytest.approx(
        list(range(25, 50)), abs=1
    )
    assert all(frame == EXPECTED for frame in frames[27:48])


@pytest.mark.parametrize("start", [0.4, 1.48])
def test_a_clip_has_its_own_lines(
    start: float, through: Any, subtitled: Made, ffmpeg: str
) -> None:
    """
    What is cut off before a clip moves its lines as it moves its picture.
    """
    clip = subtitled("clip.mkv", rate="25")
    asked = f"{burn('eng')}[clip]\nstart_seconds = {start}\nend_seconds = 2.4\n"

    produced, staging, _ = through(clip, asked)

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    frames = whites(ffmpeg, staging / "video.mp4")
    first, last = max(0, round((1 - start) * 25)), round((2 - start) * 25)
    assert [first <= n < last for n in range(len(frames))] == list(map(bool, frames))


@pytest.mark.parametrize("wanted", ["none", "forced", "fra"])
def test_what_is_not_asked_for_is_not_burned(
    wanted: str, through: Any, subtitled: Made, ffmpeg: str
) -> None:
    """
    No flag and no language that fits: the picture stays as it is.
    """
    produced, staging, task = through(subtitled("plain.mkv"), burn(wanted))

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert task.recipe.burned_index is None
    assert not any(whites(ffmpeg, staging / "video.mp4"))


def test_a_turned_picture_has_them_upright(
    through: Any, subtitled: Made, made: Made, ffmpeg: str
) -> None:
    """
    A phone's picture lies on its side in the file; what is read does not.
    """
    flat = subtitled("lying.mkv", size="240x320")
    turn = ["-display_rotation:v:0", "90", "-i", flat, "-map", "0", "-c", "copy"]
    turned = made("turned.mkv", *turn)

    produced, staging, _ = through(turned, burn("eng"))

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert EXPECTED == whites(ffmpeg, staging / "video.mp4")[15]


def test_a_bright_picture_is_not_outshone(
    through: Any, subtitled: Made, ffmpeg: str
) -> None:
    """
    Over HDR text is as bright as paper, not as the sun; tone mapping makes it white.
    """
    tags = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    coding = ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-preset", "ultrafast"]
    said = "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    extra = ("-vf", tags, *coding, "-x265-params", said)
    clip = subtitled("hdr.mkv", extra=extra)

    produced, staging, task = through(clip, burn("eng"))

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert task.recipe.tone_map
    assert EXPECTED == whites(ffmpeg, staging / "video.mp4")[15]


def test_what_follows_a_clip_is_not_read_for_its_lines(
    through: Any, made: Made, tmp_path: Path
) -> None:
    """Nor billed: of two minutes the first seconds, and until the next line comes."""
    sup = tmp_path / "boxes.sup"
    lines = (pgs(start=at, end=at + 1) for at in range(1, 120, 2))
    sup.write_bytes(b"".join(lines))
    argv = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=120"]
    argv += ["-f", "sup", "-i", str(sup), "-map", "0", "-map", "1", "-c:v", "libx264"]
    argv += ["-preset", "ultrafast", "-g", "25", "-c:s", "copy"]
    argv += ["-metadata:s:s:0", "language=eng", "-disposition:s:0", "default"]
    film = made("film.mkv", *argv)

    asked = f"{burn('eng')}[clip]\nstart_seconds = 0.4\nend_seconds = 2.4\n"
    produced, _, _ = through(film, asked)

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    assert produced.read_bytes < film.stat().st_size / 3
