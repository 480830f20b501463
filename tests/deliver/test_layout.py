"""The name of a job's folder: recognisable, unique, and harmless everywhere."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.deliver import folder_name

JOB = "3f2a9c1d04beffffffffffffffffffff"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/videos/car-detection.mp4", "car-detection.hls.3f2a9c1d04be"),
        ("s3://bucket/a/b%20c.MOV", "b-c.hls.3f2a9c1d04be"),
        ("te[s]t_ video ' _ .flv", "te-s-t_-video-_.hls.3f2a9c1d04be"),
        ("/videos/.mp4", "mp4.hls.3f2a9c1d04be"),
        ("/videos/..", "video.hls.3f2a9c1d04be"),
        ("/videos/привет.mp4", "video.hls.3f2a9c1d04be"),
    ],
)
def test_the_source_is_recognised_in_the_name(uri: str, expected: str) -> None:
    """Stem, profile, and the first twelve digits of the job id."""
    assert expected == folder_name(uri, "hls", JOB)


@given(st.text(), st.text(min_size=1))
def test_no_name_can_become_an_option_a_pattern_or_a_path(
    uri: str, profile: str
) -> None:
    """Letters, digits, `.`, `_` and `-` alone, and never in front."""
    name = folder_name("/" + uri, profile, JOB)

    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name)
    assert len(name) < 200
