"""Words that somebody writes into a request never become words of a command."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from transcode.cli.commands.run import transcode as group
from transcode.contract import Task
from transcode.errors import TranscodeError
from transcode.plan.profile import Profile, parse_profile
from transcode.plan.recipe import make_recipe
from transcode.request import Request, look_up
from transcode.settings import Settings
from transcode.wiring import wire
from transcode.work.command.build import build
from transcode.work.toolchain import capabilities

ROOT = Path(__file__).resolve().parents[2]
MARK = "zq7"
"""In every word: nothing of ours has it."""
COUNT = 10_000
_PARTS = (
    *("-i ", "-f", "lavfi", "file:", "http://x/", "concat:", "|", ";", ",", "[0:v]"),
    *("movie=/etc/passwd", "%d", "$(id)", "`id`", "'", '"', "\\", "\n", "\0", "\r"),
    *("../", "/", "=", ":", " ", "&", "é", "視", "🎬", "\u202e", "0", "libx264", "mp4"),
    *("veryfast", "film", "-vf", "-y", "\t", "#", "//", "~", "*", "?", "{}", "a" * 99),
)
FREE = {("title",), ("description",), ("name",), ("watermark", "image")}
"""What may say anything; of these only a watermark's path ever reaches a command,
and that is found and measured before."""


def _word(chance: random.Random) -> str:
    parts = chance.choices(_PARTS, k=chance.randrange(6))
    parts.insert(chance.randrange(len(parts) + 1), MARK)
    return "".join(parts)


def _everything() -> dict[str, Any]:
    """A profile that says something in every field there is."""
    text = (ROOT / "profiles" / "hls.toml").read_text(encoding="utf-8")
    said = json.loads(parse_profile(text, origin="hls.toml").to_json())
    said["video"] |= {"tune": "film", "encoders": ["libx264"]}
    said["audio"][0]["loudness"] = {"integrated_lufs": -16.0}
    said["clip"] = {"start_seconds": 0.1, "end_seconds": 0.5}
    said["watermark"] = {"image": "logo.png"}
    full = Profile.model_validate_json(json.dumps(said))
    found: dict[str, Any] = json.loads(full.to_json())
    return found


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, number))
    else:
        yield path


def _replaced(value: Any, path: tuple[Any, ...], word: str) -> Any:
    if not path:
        return word
    copy = value.copy()
    copy[path[0]] = _replaced(value[path[0]], path[1:], word)
    return copy


def test_no_word_in_a_profile_reaches_a_command(honest: dict[str, Task]) -> None:
    """
    Ten thousand, in every field and in place of every table: refused by a closed list,
    a pattern or a number's shape, or free text that no command is made of.
    """
    chance = random.Random(8)  # noqa: S311
    everything = _everything()
    places = [*_leaves(everything)]
    assert len(places) > 60
    task, accepted = honest["mp4"], set()

    for number in range(COUNT):
        place, word = places[number % len(places)], _word(chance)
        said = json.dumps(_replaced(everything, place, word))
        try:
            profile = Profile.model_validate_json(said)
        except ValidationError:
            continue
        accepted.add(place)
        if number >= 20 * len(places):
            continue
        plain = profile.model_copy(update={"watermark": None})
        recipe = make_recipe(task.media, plain, capabilities(Settings())).recipe
        argv = build(
            task.model_copy(update={"recipe": recipe}), program="x", fifo="/fifo"
        ).argv
        assert not [it for it in argv if MARK in it.lower()]
    assert accepted <= FREE


_FIELDS = (
    *("profile", "platform", "engine", "budget", "optimize", "deadline_seconds"),
    *("memory_mib", "accept_partial", "clip", "watermark"),
)


@pytest.mark.parametrize("field", _FIELDS)
def test_no_word_in_a_request_is_taken(field: str, tmp_path: Path) -> None:
    """
    Refused with a type before anything is opened or started.
    """
    chance, wiring = random.Random(field), wire(Settings())  # noqa: S311
    upload = tmp_path / "upload.mp4"
    upload.write_bytes(b"x")

    async def ask(word: str) -> None:
        await look_up(Request(source=str(upload), **{field: word}), wiring)

    for _ in range(100):
        with pytest.raises((TranscodeError, ValidationError)):
            anyio.run(ask, _word(chance))


_OPTIONS = (
    *("--start", "--end", "--watermark-position", "--watermark-size"),
    *("--watermark-opacity", "--deadline", "--budget", "--memory", "--optimize"),
    *("--platform", "--engine", "--profile"),
)


@pytest.mark.parametrize("option", _OPTIONS)
def test_no_word_on_the_command_line_is_taken(option: str, tmp_path: Path) -> None:
    """
    An error with a name, and nothing made.
    """
    chance = random.Random(option)  # noqa: S311
    upload = tmp_path / "upload.mp4"
    upload.write_bytes(b"x")
    for _ in range(20):
        word = _word(chance).replace("\0", "")
        argv = ["plan", str(upload), f"{option}={word}"]
        done = CliRunner().invoke(group, argv)
        refused = isinstance(done.exception, TranscodeError)
        assert refused or done.exit_code == 2, (word, done.output)
    assert [upload] == list(tmp_path.iterdir())
