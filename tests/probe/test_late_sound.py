"""Where sound begins that no packet told among the first that were read."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from transcode.contract import AudioStream, Media

_SECONDS, _LATE = 24, 9
Look = Callable[[Path], Media]
Film = Callable[..., Path]


@pytest.fixture(scope="module")
def film(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Film:
    """Noise of 6 Mbit/s, and a tone that begins *late* seconds into it."""
    folder = tmp_path_factory.mktemp("late")

    def make(name: str, codec: str, *, late: float = _LATE, more: str = "") -> Path:
        path = folder / name
        argv = f"{ffmpeg} -v error -f lavfi -i testsrc2=s=320x180:r=25:d={_SECONDS}"
        argv += f" -f lavfi -i sine=r=48000:d={_SECONDS - late} -filter_complex"
        argv += f" [0]noise=alls=60:allf=t[v];[1]asetpts=PTS+{late}/TB[a]"
        argv += " -map [v] -map [a] -c:v libx264 -preset ultrafast -qp 12 -g 50"
        argv += f" -c:a {codec} {more} {path}"
        subprocess.run(argv.split(), check=True)
        return path

    return make


def _heard(path: Path) -> tuple[float, float]:
    """(start, end) in seconds of all its packets, what primes the decoder included."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        spans = [
            (float(it.pts * it.time_base), float(it.duration * it.time_base))
            for it in container.demux(stream)
            if it.pts is not None and it.duration is not None
        ]
    return spans[0][0], sum(spans[-1])


@pytest.mark.parametrize(
    ("name", "codec"),
    [("aac.mkv", "aac"), ("opus.mkv", "libopus"), ("aac.nut", "aac")],
)
def test_sound_that_begins_behind_what_was_read_is_looked_for(
    film: Film, look: Look, name: str, codec: str
) -> None:
    """By the index of the picture: what libav says of it is where the file begins."""
    path = film(name, codec)

    media = look(path)
    start, end = _heard(path)
    sound = media.audio[0]

    assert sound.start_seconds == pytest.approx(start, abs=0.025)
    assert start > _LATE - 0.1
    assert sound.duration_seconds == pytest.approx(end - start, abs=0.045)
    assert media.video[0].start_seconds == 0
    assert media.duration_seconds == pytest.approx(_SECONDS, abs=0.1)
    assert 0 < (media.probe_bytes or 0) < path.stat().st_size


def test_sound_that_is_not_found_begins_nobody_knows_where(
    film: Film, look: Look
) -> None:
    """A recording without an index: neither at its beginning, nor as long as it."""
    path = film("live.mkv", "aac", more="-live 1")

    sound = look(path).audio[0]

    assert (sound.start_seconds, sound.duration_seconds) == (None, None)
    assert set(sound.unknown) == {"start_seconds", "duration_seconds"}


def test_sound_of_a_stream_lasts_from_where_pictures_let_it_through(
    film: Film, look: Look
) -> None:
    """Its first packet lies behind more of picture than is read for times."""
    path = film("stream.ts", "aac", late=1.0)

    sound: AudioStream = look(path).audio[0]
    start, end = _heard(path)

    assert sound.start_seconds == pytest.approx(start, abs=0.025)
    assert sound.duration_seconds == pytest.approx(end - start, abs=0.1)
