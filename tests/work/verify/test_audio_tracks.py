"""A soundtrack that is offered as something else, or not at all, is found."""

from __future__ import annotations

from typing import Any

import pytest


def test_what_is_as_planned_passes(finished: Any) -> None:
    """
    One soundtrack without a language, not the default.
    """
    assert "1 offered by language and purpose" == finished.detail("soundtracks")


@pytest.mark.parametrize(
    "changes",
    [
        {"language": "eng"},
        {"default": True},
        {"kind": "commentary"},
        {"kind": "description"},
    ],
    ids=lambda it: next(iter(it)),
)
def test_another_plan_is_found(finished: Any, changes: dict[str, object]) -> None:
    """
    Language, default and purpose, each not as it was planned.
    """
    main = finished.task.recipe.audio[0].model_copy(update=changes)

    assert {"soundtracks"} == finished.with_recipe(audio=(main,)).failed()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("master.m3u8", 'URI="audio/main/index.m3u8"', 'URI="audio/no/index.m3u8"'),
        ("master.m3u8", "DEFAULT=NO", "DEFAULT=YES"),
        ("master.m3u8", 'LANGUAGE="und"', 'LANGUAGE="fr"'),
        ("master.m3u8", 'NAME="Audio"', 'NAME="aac"'),
        ("manifest.mpd", "<Label>Audio", "<Label>main"),
        ("manifest.mpd", 'value="alternate"', 'value="main"'),
        ("manifest.mpd", 'contentType="audio"', 'contentType="audio" lang="fr"'),
        ("manifest.mpd", "audio/main/init.mp4", "audio/no/init.mp4"),
    ],
)
def test_a_wrong_index_is_found(finished: Any, name: str, old: str, new: str) -> None:
    """
    In either index: not listed, another default, another language, another role.
    """
    finished.edit(name, old, new)

    assert "soundtracks" in finished.failed()


def test_two_of_one_name_are_found(finished: Any) -> None:
    """
    A viewer could not tell them apart.
    """
    line = r"(#EXT-X-MEDIA:TYPE=AUDIO[^\n]*\n)"
    finished.edit("master.m3u8", line, r"\1\1")

    assert "2 soundtracks the name Audio" in finished.detail("soundtracks")
