"""No channel is lost on the way, none louder or quieter than it should be."""

from __future__ import annotations

import cmath
import math
import subprocess
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import OutcomeKind

Made = Callable[..., Path]
Levels = list[dict[int, float]]

AAC = '[[audio]]\ncodec = "aac"\nbit_rate_kbps_per_channel = 128\ncopy = false\n'
TONE = 0.1
"""Of full scale, in each channel another frequency."""
HALF = -3.01
RATE = 48000


def tone(channel: int) -> int:
    """Hz, far apart and whole numbers of periods in a tenth of a second."""
    return 300 + 170 * channel


def tones(count: int, *, level: float = TONE) -> str:
    """A source of *count* channels for lavfi."""
    parts = (f"{level}*sin(2*PI*{tone(n)}*t)" for n in range(count))
    return "aevalsrc='" + "|".join(parts) + f"':d=1.5:s={RATE}"


def pcm(ffmpeg: str, path: Path, channels: int) -> list[array[float]]:
    """What a player would hear, one array a channel."""
    argv = [ffmpeg, "-nostdin", "-v", "error", "-i", str(path), "-vn"]
    argv += ["-f", "f32le", "-c:a", "pcm_f32le", "-"]
    samples = array("f", subprocess.run(argv, capture_output=True, check=True).stdout)
    return [samples[n::channels] for n in range(channels)]


def levels(sound: list[array[float]], count: int) -> Levels:
    """Of each output channel, which input channels it has and at how many dB."""
    found: Levels = []
    for samples in sound:
        part = samples[RATE // 2 : RATE // 2 + RATE // 10]
        heard = {}
        for channel in range(count):
            turn = -2j * math.pi * tone(channel) / RATE
            total = sum(s * cmath.exp(turn * n) for n, s in enumerate(part))
            amplitude = 2 * abs(total) / len(part)
            if amplitude > TONE / 30:
                heard[channel] = round(20 * math.log10(amplitude / TONE), 1)
        found.append(heard)
    return found


def assert_close(expected: Levels, actual: Levels) -> None:
    assert [set(it) for it in expected] == [set(it) for it in actual]
    for one, other in zip(expected, actual, strict=True):
        for channel, level in one.items():
            assert abs(level - other[channel]) <= 0.4, (expected, actual)


CASES: dict[str, tuple[int, str | None, str, str, Any]] = {
    # Source: channels, layout (None: nothing says), codec and container; then what
    # is heard left and right. 5.1 is FL FR FC LFE BL BR.
    "mono": (1, "mono", "pcm_s16le", "wav", [{0: 0}]),
    "stereo": (2, "stereo", "flac", "flac", [{0: 0}, {1: 0}]),
    "5.1, by its own word": (
        *(6, "5.1", "ac3", "mkv"),
        [{0: 0, 2: -4.5, 4: -6}, {1: 0, 2: -4.5, 5: -6}],
    ),
    "5.1": (
        *(6, "5.1", "flac", "mkv"),
        [{0: 0, 2: HALF, 4: HALF}, {1: 0, 2: HALF, 5: HALF}],
    ),
    "5.1(side), by its own word": (
        *(6, "5.1(side)", "eac3", "mkv"),
        [{0: 0, 2: -4.5, 4: -6}, {1: 0, 2: -4.5, 5: -6}],
    ),
    "quad": (4, "quad", "pcm_s24le", "wav", [{0: 0, 2: HALF}, {1: 0, 3: HALF}]),
    "7.1": (
        *(8, "7.1", "pcm_f32le", "mkv"),
        [{0: 0, 2: HALF, 4: HALF, 6: HALF}, {1: 0, 2: HALF, 5: HALF, 7: HALF}],
    ),
    "six, unknown": (
        *(6, None, "pcm_s16le", "mkv"),
        [{0: 0, 2: HALF, 4: HALF}, {1: 0, 2: HALF, 5: HALF}],
    ),
    "three, unknown": (3, None, "pcm_s16le", "mkv", [{0: 0, 2: HALF}, {1: 0, 2: HALF}]),
    "four, unknown": (
        *(4, None, "pcm_s16le", "mkv"),
        [{0: 0, 2: HALF}, {1: 0, 3: HALF}],
    ),
    "nine, unknown": (
        *(9, None, "pcm_s16le", "mkv"),
        [dict.fromkeys(range(0, 9, 2), -6.5), dict.fromkeys(range(1, 9, 2), -6.5)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_channels_become_two_at_most(
    name: str, through: Any, made: Made, ffmpeg: str
) -> None:
    """
    Each channel of the source is heard where it belongs: centre and surrounds at
    -3 dB unless the stream says how much (ffmpeg's encoders of AC-3 write -4.5 and -6),
    the bass channel of 5.1 not at all.
    """
    count, layout, codec, container, expected = CASES[name]
    said = (
        []
        if layout is None
        else ["-af", f"channelmap={'|'.join(map(str, range(count)))}:{layout}"]
    )
    clip = made(
        f"{name}.{container}", "-f", "lavfi", "-i", tones(count), *said, "-c:a", codec
    )

    produced, staging, _ = through(clip, f"sound\n{AAC}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    sound = pcm(ffmpeg, staging / "audio.m4a", len(expected))
    assert_close(expected, levels(sound, count))


def test_all_channels_at_full_scale_do_not_clip(
    through: Any, made: Made, ffmpeg: str
) -> None:
    """
    Five channels of one full-scale tone would be 7.7 dB too much: held, not cut.
    """
    wave = f"sin(2*PI*{tone(0)}*t)"
    source = f"aevalsrc='{'|'.join([wave] * 6)}':d=1.5:s={RATE}:c=5.1"
    clip = made("full.flac", "-f", "lavfi", "-i", source)

    produced, staging, _ = through(clip, f"sound\n{AAC}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    left = pcm(ffmpeg, staging / "audio.m4a", 2)[0]
    body = left[RATE // 4 : -RATE // 4]
    assert max(map(abs, body)) < 0.97
    # A cut tone is no tone any more: all of the power is in the one frequency.
    part = body[: RATE // 10]
    turn = -2j * math.pi * tone(0) / RATE
    line = 2 * abs(sum(s * cmath.exp(turn * n) for n, s in enumerate(part))) / len(part)
    power = sum(s * s for s in part) / len(part)
    assert line**2 / 2 / power > 0.99


@pytest.mark.parametrize("codec", ["aac", "opus"])
def test_six_channels_stay_six_where_asked(
    codec: str, through: Any, made: Made, ffmpeg: str
) -> None:
    """
    `channels = 6` keeps 5.1, its bass channel with it, in its order.
    """
    clip = made("keep.mkv", "-f", "lavfi", "-i", tones(6) + ":c=5.1", "-c:a", "flac")
    asked = AAC.replace('"aac"', f'"{codec}"') + "channels = 6\n"

    produced, staging, _ = through(clip, f"sound\n{asked}")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    name = {"aac": "audio.m4a", "opus": "audio.ogg"}[codec]
    found = levels(pcm(ffmpeg, staging / name, 6), 6)
    # The encoders keep no more than 120 Hz of the bass channel, if anything.
    assert_close([{0: 0}, {1: 0}, {2: 0}, {4: 0}, {5: 0}], [*found[:3], *found[4:]])


def test_four_channels_are_kept_in_5_1(through: Any, made: Made, ffmpeg: str) -> None:
    """
    Players play mono, stereo, 5.1 and 7.1: what lies between takes the next larger.
    """
    said = ["-af", "channelmap=0|1|2|3:quad"]
    clip = made("four.wav", "-f", "lavfi", "-i", tones(4), *said)

    produced, staging, _ = through(clip, f"sound\n{AAC}channels = 8\n")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    found = levels(pcm(ffmpeg, staging / "audio.m4a", 6), 4)
    assert_close([{0: 0}, {1: 0}, {}, {}, {2: 0}, {3: 0}], found)


def test_a_sphere_becomes_left_and_right(through: Any, made: Made, ffmpeg: str) -> None:
    """
    Of first-order ambisonics the omni (W) goes to both sides, left-right (Y) apart.
    """
    said = ["-af", "channelmap=0|1|2|3:ambisonic 1"]
    clip = made(
        "sphere.mka",
        "-f",
        "lavfi",
        "-i",
        tones(4),
        *said,
        "-c:a",
        "libopus",
        "-mapping_family",
        "2",
        "-b:a",
        "256k",
    )

    produced, staging, _ = through(clip, f"sound\n{AAC}channels = 6\n")

    assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
    found = levels(pcm(ffmpeg, staging / "audio.m4a", 2), 4)
    assert_close([{0: HALF, 1: HALF}, {0: HALF, 1: HALF}], found)
