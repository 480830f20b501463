"""The table of colours holds together: what is planned can be made and is named."""

from __future__ import annotations

import itertools
import re
import subprocess

import pytest

from transcode.contract import VideoStream
from transcode.media.colours import (
    HDR_TRANSFERS,
    MATRICES,
    PRIMARIES,
    TRANSFERS,
    changed_tags,
    is_converted,
    output_colour,
    source_colour,
    unreadable,
)


def stream(
    primaries: str | None, transfer: str | None, matrix: str | None
) -> VideoStream:
    """An SD picture with these tags, HDR where the transfer says so."""
    tags = {
        "color_primaries": primaries,
        "color_transfer": transfer,
        "color_space": matrix,
    }
    if transfer in HDR_TRANSFERS:
        tags["dynamic_range"] = HDR_TRANSFERS[transfer]
    plain = VideoStream(
        index=0,
        codec="h264",
        width=640,
        height=480,
        display_width=640,
        display_height=480,
        frame_rate=None,
        variable_frame_rate=None,
        frames=None,
        pixel_format="yuv420p",
    )
    return plain.model_copy(update=tags)


def test_each_combination_of_code_points_has_an_output() -> None:
    """
    Whatever the tags are, absent ones included, renditions get tags with a number.

    SDR's are few, which every player knows; and tags that stay the same stay so twice.
    """
    few = {"bt709", "smpte170m", "bt470bg", "bt470m", "iec61966-2-1"}
    tables = (PRIMARIES, TRANSFERS, MATRICES)
    for tags in itertools.product(*((None, *table.values()) for table in tables)):
        video = stream(*tags)
        output = output_colour(video, tone_map=False)
        assert all(output.codes)  # a KeyError where one has no number
        if tags[1] not in HDR_TRANSFERS:
            assert {output.primaries, output.transfer, output.matrix} <= few
        again = stream(output.primaries, output.transfer, output.matrix)
        assert output == source_colour(again) == output_colour(again, tone_map=False)
        assert not is_converted(again)
        assert changed_tags(again) == ()
        assert unreadable(again) is None


@pytest.mark.parametrize(
    ("table", "option"),
    [
        (PRIMARIES, "color_primaries"),
        (TRANSFERS, "color_trc"),
        (MATRICES, "colorspace"),
    ],
    ids=["primaries", "transfers", "matrices"],
)
def test_names_are_those_of_the_filters(
    ffmpeg: str, table: dict[int, str], option: str
) -> None:
    """Each code point of H.273 that ffmpeg's filters know has their name here."""
    argv = [ffmpeg, "-hide_banner", "-h", "filter=setparams"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    section = re.search(rf"^   {option} .*\n((?:     .*\n)+)", said, re.MULTILINE)
    assert section is not None
    known = re.findall(r"^     (\S+) +(\d+) ", section[1], re.MULTILINE)

    assert {(name, int(number)) for name, number in known} >= {
        (name, number) for number, name in table.items()
    }
    # 2 says nothing; from 256 on it is ffmpeg's own.
    assert {int(n) for _, n in known if n != "2" and int(n) < 256} == {*table}
