"""What viewers choose tracks by: words, and no two alike."""

from __future__ import annotations

from typing import Any

import pytest

from transcode.contract import CaptionRendition
from transcode.work.command.languages import called
from transcode.work.track_names import caption_names, sound_names


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        *(("eng", "English"), ("fre", "French"), ("de", "German"), ("fil", "Filipino")),
        *(("pt-br", "Portuguese (BR)"), ("zh-hant", "Chinese (Hant)")),
        # Nobody knows these.
        *(("qaa", "qaa"), ("xyz-DE", "xyz-DE")),
    ],
)
def test_languages_have_names(tag: str, name: str) -> None:
    """English ones; a tag that means nothing to anybody is at least itself."""
    assert name == called(tag)


def test_sound_is_named_by_language_and_purpose(audio: Any) -> None:
    """The source's title comes first; without either it is just sound."""
    tracks = [
        audio(name="a", language="eng"),
        audio(name="b", language="eng", kind="description"),
        audio(name="c", language="deu", title='The "cut",\nin 5.1'),
        audio(name="d"),
        audio(name="e", kind="commentary"),
    ]

    assert [
        "English",
        "English (audio description)",
        "The 'cut', in 5.1",
        "Audio",
        "Commentary",
    ] == [*sound_names(tracks).values()]


def test_alike_ones_are_told_apart(audio: Any) -> None:
    """By their channels where these differ, else by number; in each codec by itself."""
    tracks = [
        audio(name="a", language="eng", channels=6),
        audio(name="b", language="eng"),
        audio(name="c", language="fra"),
        audio(name="d", language="fra"),
        audio(name="e", language="fra", codec="opus"),
    ]

    assert ["English, 5.1", "English, stereo", "French", "French 2", "French"] == [
        *sound_names(tracks).values()
    ]


def test_captions_say_that_they_are_forced() -> None:
    """A viewer sees which of two tracks is all of the text."""
    said: tuple[dict[str, Any], ...] = (
        {"language": "eng"},
        {"language": "eng", "forced": True},
        {"language": "eng"},
        {},
    )
    tracks = [
        CaptionRendition(name=str(number), source_index=number, **one)
        for number, one in enumerate(said)
    ]

    assert ["English", "English (forced)", "English 2", "Subtitles"] == [
        *caption_names(tracks).values()
    ]
