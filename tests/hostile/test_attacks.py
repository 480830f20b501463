"""Files that ask for other files and addresses get neither, whoever opens them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from transcode.contract import OutcomeKind, Produced, Progress, Task
from transcode.errors import MediaError, TranscodeError
from transcode.probe.probe import probe
from transcode.settings import Settings
from transcode.work.children import Children, Program
from transcode.work.encode import allowed
from transcode.work.perform import perform

from .attacks import Bait, attacks
from .rig import Rig

_NOWHERE = Bait("http://[::1]:9", 9, Path("/secret.txt"), Path("/film.ts"))
NAMES = tuple(attacks(_NOWHERE, b""))
LONGEST_SECONDS = 15

local_and_remote = pytest.mark.parametrize(
    "remote", [False, True], ids=["path", "object"]
)


def performed(task: Task, folder: Path) -> Produced:
    def ignore(progress: Progress) -> None:
        pass

    return perform(
        task,
        staging=folder / "staging",
        scratch=folder / "scratch",
        settings=Settings(),
        report=ignore,
    )


def test_there_are_enough() -> None:
    """Thirty kinds at least, each under a name of its own."""
    assert len(NAMES) >= 30


@pytest.mark.parametrize(
    ("name", "remote"),
    [
        pytest.param(
            name, bool(number % 2), id=f"{name}-{('path', 'object')[number % 2]}"
        )
        for number, name in enumerate(NAMES)
    ],
)
def test_probing_and_then_encoding_reach_nothing_else(
    name: str, *, remote: bool, rig: Rig, tmp_path: Path, honest: dict[str, Task]
) -> None:
    """
    Probed, refused with a type or planned; and encoded as if it had been swapped.

    The task is another clip's: what is at its place when the encoder opens it is the
    attack. Poster and sound included, nothing but the upload is opened. All ways and
    names for each: `bench/stress/attacks.py`.
    """
    source = rig.source(name, remote=remote)
    rig.touched(name)
    began = time.monotonic()
    said: list[object] = []

    try:
        said.append(anyio.run(probe, source))
    except MediaError as exc:
        said += [str(exc), exc.evidence]
    probing = rig.touched(name, *said)
    task = honest.get(Path(name).suffix[1:], honest["mp4"])
    produced = performed(task.model_copy(update={"source": source}), tmp_path)

    assert set() == probing
    assert set() == rig.touched(name, produced, folders=(tmp_path,))
    assert OutcomeKind.LOST != produced.outcome
    assert (produced.outcome is OutcomeKind.SUCCEEDED) == (produced.failure is None)
    assert time.monotonic() - began < 2 * LONGEST_SECONDS


@local_and_remote
@pytest.mark.parametrize("demuxer", ["hls", "concat", "sdp", "dash", "image2", "tty"])
def test_a_probe_that_was_taken_over_chooses_no_demuxer(
    demuxer: str, *, remote: bool, rig: Rig, tmp_path: Path, honest: dict[str, Task]
) -> None:
    """
    Whatever a task says its media are, no demuxer that opens further files is started.
    """
    name = "hls-relative.m3u8"
    source = rig.source(name, remote=remote)
    rig.touched(name)
    media = honest["mp4"].media.model_copy(update={"format_name": demuxer})
    task = honest["mp4"].model_copy(update={"source": source, "media": media})

    produced = performed(task, tmp_path)

    assert OutcomeKind.REJECTED == produced.outcome
    assert set() == rig.touched(name, produced, folders=(tmp_path,))


BARE = {
    "hls-http.m3u8": ("hls", {"the address"}),
    "hls-file.ts": ("hls", {"film.ts"}),
    "hls-relative.m3u8": ("hls", {"neighbour.ts"}),
    "hls-key-file.m3u8": ("hls", {"secret.txt", "neighbour.ts"}),
    "concat-relative.mp4": ("concat", {"neighbour.ts"}),
    "concat-absolute.mp4": ("concat", {"film.ts"}),
    "reference-alias.mov": ("mov", {"film.ts"}),
    "reference-neighbour.mov": ("mov", {"neighbour.ts"}),
}
_UNSAFE = {
    "hls": ["-allowed_extensions", "ALL", "-extension_picky", "0"],
    "concat": ["-safe", "0"],
    "mov": ["-enable_drefs", "1", "-use_absolute_path", "1"],
}


@pytest.mark.parametrize("name", BARE)
def test_the_kernel_holds_where_every_option_fails(
    name: str, rig: Rig, tmp_path: Path, ffmpeg: str, honest: dict[str, Task]
) -> None:
    """
    An encoder started with the worst options reaches its bait, unless it is fenced.

    The first half proves that the bait works and that the rig sees it taken.
    """
    demuxer, taken = BARE[name]
    source = rig.source(name, remote=False)
    argv = [ffmpeg, "-nostdin", "-v", "error", "-f", demuxer, *_UNSAFE[demuxer]]
    argv += ["-protocol_whitelist", "file,http,tcp,crypto,data"]
    argv += ["-i", source.location, "-c", "copy", "-f", "null", "-"]
    rig.touched(name)

    subprocess.run(argv, check=False, capture_output=True, timeout=LONGEST_SECONDS)
    bare = rig.touched(name)
    printed: list[bytes] = []
    with Children(tmp_path) as children:
        may = allowed(argv, writes=(tmp_path,))
        children.start(Program("x", argv, printed.append, printed.append, may))
        children.wait()
        refused = children.refused

    assert taken <= bare
    if "files" in refused or {"network", "calls"} <= {*refused}:
        pytest.skip(f"this kernel does not hold it: {refused}")
    assert set() == rig.touched(name, printed)


@pytest.mark.parametrize("name", ["hls-http.mp4", "concat-relative.mp4", "gab2.avi"])
def test_the_command_line_reaches_nothing_either(
    name: str, rig: Rig, tmp_path: Path
) -> None:
    """
    The whole flow, from a path to an error with a name.
    """
    from transcode.pipeline import run  # noqa: PLC0415
    from transcode.request import Request  # noqa: PLC0415
    from transcode.wiring import wire  # noqa: PLC0415

    source = rig.source(name, remote=False)
    rig.touched(name)
    request = Request(
        source=source.location, profile="preview", to=str(tmp_path / "results")
    )

    async def ask() -> None:
        await run(request, wire(Settings(scratch=str(tmp_path))))

    with pytest.raises(TranscodeError) as caught:
        anyio.run(ask)

    assert isinstance(caught.value, MediaError)
    said = (str(caught.value), caught.value.evidence)
    assert set() == rig.touched(name, *said, folders=(tmp_path,))


@pytest.mark.parametrize("guard", ["format_whitelist", "protocol_whitelist"])
@pytest.mark.parametrize("name", ["hls-http.m3u8", "hls-live-http.m3u8"])
def test_each_whitelist_of_the_probe_is_enough(name: str, guard: str, rig: Rig) -> None:
    """
    Unfenced and from a file object, which no default of libav protects.
    """
    from transcode.probe.child.__main__ import _OPTIONS  # noqa: PLC0415

    rig.source(name, remote=False)
    # As when a Python program streams an object from storage.
    loose = {"allowed_extensions": "ALL", "extension_picky": "0"}
    opening = (
        "import av, json, sys\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    av.open(file, options=json.loads(sys.argv[2]))\n"
    )
    path = str(rig.uploads / name)

    def touched(options: dict[str, str]) -> set[str]:
        rig.touched(name)
        argv = [sys.executable, "-c", opening, path, json.dumps(options)]
        subprocess.run(
            argv,
            cwd=rig.uploads,
            check=False,
            capture_output=True,
            timeout=LONGEST_SECONDS,
        )
        found: set[str] = rig.touched(name)
        return found

    assert set() != touched(loose)
    assert set() == touched(loose | {guard: _OPTIONS[guard]})
