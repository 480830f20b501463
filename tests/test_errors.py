"""The error tree: drawn as it is coded, and whole after a journey."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator

import pytest

from transcode import errors
from transcode.contract import Failure
from transcode.errors import TranscodeError

LINE = re.compile(r"^(?P<indent> *)[*+-] (?P<name>\w+)(?P<words>.*)$", re.MULTILINE)
EXIT = re.compile(r"\(exit (\d+)\)")


def coded(
    kind: type[TranscodeError] = TranscodeError,
) -> Iterator[type[TranscodeError]]:
    """Every error class, parents first, in the order of the file."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from coded(child)


def parent_of(kind: type[TranscodeError]) -> str | None:
    """The one class of ours that an error is a kind of."""
    parents = [b for b in kind.__bases__ if issubclass(b, TranscodeError)]
    return parents[0].__name__ if parents else None


def drawn() -> list[tuple[str, str | None, int | None]]:
    """(name, parent, exit code) of every line of the tree in the docstring."""
    found: list[tuple[str, str | None, int | None]] = []
    above: list[tuple[int, str, int | None]] = []
    for line in LINE.finditer(errors.__doc__ or ""):
        depth, name = len(line["indent"]), line["name"]
        while above and above[-1][0] >= depth:
            above.pop()
        code = EXIT.search(line["words"])
        own = int(code[1]) if code else (above[-1][2] if above else None)
        found.append((name, above[-1][1] if above else None, own))
        above.append((depth, name, own))
    return found


def test_the_tree_drawn_is_the_tree_coded() -> None:
    """Names, parents, order and exit codes in the docstring are the code's."""
    expected = [(k.__name__, parent_of(k), k.exit_code) for k in coded()]

    # The root is never raised itself, and so has no exit code to draw.
    assert expected[1:] == drawn()[1:]
    assert expected[0][:2] == drawn()[0][:2]


@pytest.mark.parametrize("kind", list(coded()), ids=lambda kind: kind.__name__)
def test_every_error_travels_with_its_evidence(kind: type[TranscodeError]) -> None:
    """An error is the same after pickling: class, sentence and evidence."""
    error = kind("It broke.", argv=["ffmpeg", "-i"], status=1, tail="no such filter")

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert kind is type(again)
    assert ("It broke.", "It broke.") == (str(again), again.message)
    assert error.evidence == again.evidence


@pytest.mark.parametrize("kind", list(coded()), ids=lambda kind: kind.__name__)
def test_every_error_is_data_and_back(kind: type[TranscodeError]) -> None:
    """Described, written as JSON and revived, an error is of the same class."""
    failure = kind("It broke.", status=1).describe()

    again = errors.revive(Failure.from_json(failure.to_json()))

    assert kind is type(again)
    assert ("It broke.", {"status": 1}) == (again.message, dict(again.evidence))


def test_exit_codes_are_the_documented_ones() -> None:
    """Nothing exits with a code that the command line does not promise."""
    assert {2, 3, 4, 5, 130} == {kind.exit_code for kind in coded()}


def test_missing_things_are_missing_files_too() -> None:
    """Code that knows nothing of this package can still catch them."""
    assert issubclass(errors.SourceNotFound, FileNotFoundError)
    assert issubclass(errors.ObjectMissing, FileNotFoundError)
    assert issubclass(errors.ObjectExists, FileExistsError)
