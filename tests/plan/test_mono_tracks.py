"""Which mono tracks are one soundtrack, and which are not."""

from __future__ import annotations

from typing import Any

import pytest

from transcode.contract import AudioStream, Media
from transcode.plan.mono_tracks import together


def media(*tracks: dict[str, Any], container: str = "mov") -> Media:
    audio = tuple(
        AudioStream.model_validate(
            {"codec": "pcm_s16le", "sample_rate": 48_000, "channels": 1,
             "layout": None, "duration_seconds": 4.0, "index": index, **track}
        )
        for index, track in enumerate(tracks, 1)
    )  # fmt: skip
    return Media(
        container=container, format_name=container, duration_seconds=4.0, audio=audio
    )


def found(source: Media) -> list[tuple[int, ...]]:
    return [(it.track.index, *it.others) for it in together(source)]


LEFT, RIGHT = {"channel": "FL"}, {"channel": "FR"}
SIX = [{"channel": it} for it in ("FC", "LFE", "FL", "FR", "SL", "SR")]


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
def test_left_and_right_are_a_pair(codec: str) -> None:
    """
    Whatever they are coded as, in whichever order, in any container.
    """
    one, other = LEFT | {"codec": codec}, RIGHT | {"codec": codec}

    assert [(1, 2)] == found(media(one, other, container="matroska"))
    assert [(2, 1)] == found(media(other, one, container="matroska"))


def test_six_names_are_surround() -> None:
    """
    In the order that 5.1 has, whichever they stand in.
    """
    source = media(*SIX)

    assert [(3, 4, 1, 2, 5, 6)] == found(source)
    assert "5.1" == together(source)[0].track.layout


@pytest.mark.parametrize(
    ("count", "taken"),
    [(2, (1, 2)), (4, (1, 2)), (6, (1, 2, 3, 4, 5, 6)), (8, (1, 2))],
)
def test_what_a_camera_writes_is_taken_as_usual(
    count: int, taken: tuple[int, ...]
) -> None:
    """
    And the plan says that nothing names them.
    """
    source = media(*({} for _ in range(count)))

    assert [taken] == found(source)
    assert "nothing names them" in together(source)[0].reason


@pytest.mark.parametrize(
    "source",
    [
        media({}),
        media({}, {}, {}),
        media({"language": "eng"}, {"language": "fra"}),
        media({"language": "eng"}, {"kind": "commentary", "language": "eng"}),
        media({}, {"sample_rate": 44_100}),
        media({"codec": "aac"}, {"codec": "aac"}),
        media({}, {}, container="matroska"),
        media({"channels": 2, "layout": "stereo"}, {}),
        media(LEFT, LEFT),
    ],
)
def test_what_is_not_known_to_belong_together_stays_apart(source: Media) -> None:
    """
    Other languages, purposes and rates; one alone; what no camera writes like this.
    """
    assert [] == found(source)


@pytest.mark.parametrize(
    ("heard", "taken"),
    [
        ("0110", [(2, 3)]),
        ("10", []),  # one microphone is mono
        ("00", [(1, 2)]),
        ("0111", []),  # which of the three are a pair nobody knows
    ],
)
def test_a_socket_without_a_microphone_is_no_channel(
    heard: str, taken: list[tuple[int, ...]]
) -> None:
    """
    Of a camera's tracks those that are silent count where nothing else is there.
    """
    tracks = [{"silent": it == "0"} for it in heard]

    assert taken == found(media(*tracks))
