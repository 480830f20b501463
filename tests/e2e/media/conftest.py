"""One run of the command line for several tests, and what a second tool sees of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SIDE = 32


@dataclass(frozen=True)
class Ran:
    """A finished `transcode run`."""

    code: int
    document: Any
    errors: str

    @property
    def outputs(self) -> list[Any]:
        """What was made; the run has to have succeeded."""
        assert (0, "succeeded") == (self.code, self.document["status"]), self.document
        found: list[Any] = self.document["outputs"]
        return found

    def one(self, kind: str) -> Any:
        """The first output of a kind."""
        return next(output for output in self.outputs if output["kind"] == kind)

    @property
    def path(self) -> str:
        """Where the first rendition, or else the first soundtrack, lies."""
        kinds = [o for o in self.outputs if o["kind"] in {"rendition", "audio"}]
        return str(kinds[0]["uri"])

    def text(self, name: str) -> str:
        """A text among the outputs."""
        uris = [Path(o["uri"]) for o in self.outputs]
        return next(uri for uri in uris if uri.name == name).read_text("utf-8")


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ran]:
    """Runs a source through a profile, once per test run."""
    kept: dict[tuple[str, ...], Ran] = {}

    def run(source: Path, profile: str | Path = "preview", *options: str) -> Ran:
        key = (str(source), str(profile), *options)
        if key not in kept:
            folder = tmp_path_factory.mktemp("run")
            argv = [sys.executable, "-m", "transcode", "run", str(source), "--json"]
            argv += ["--quiet", "--profile", str(profile), *options]
            done = subprocess.run(
                [*argv, "--to", str(folder / "to")],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            assert "Traceback" not in done.stderr
            kept[key] = Ran(done.returncode, json.loads(done.stdout), done.stderr)
            if done.returncode:
                assert not (folder / "to").exists()
        return kept[key]

    return run


@pytest.fixture(scope="session")
def made(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A file made by ffmpeg from the given arguments, once per name."""
    folder = tmp_path_factory.mktemp("made")

    def make(name: str, *arguments: object) -> Path:
        path = folder / name
        if not path.exists():
            argv = [ffmpeg, "-nostdin", "-v", "error", *map(str, arguments)]
            subprocess.run([*argv, str(path)], check=True)
        return path

    return make


@dataclass(frozen=True)
class Eyes:
    """What tools that neither made nor checked a file see in it."""

    ffprobe: str
    ffmpeg: str

    def _asked(self, path: str | Path, *entries: str) -> Any:
        argv = [self.ffprobe, "-v", "error", "-of", "json", *entries, *_listed(path)]
        done = subprocess.run(
            [*argv, f"file:{path}"], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    def streams(self, path: str | Path) -> list[Any]:
        found: list[Any] = self._asked(path, "-show_streams")["streams"]
        return found

    def video(self, path: str | Path) -> Any:
        """The only video stream."""
        (one,) = (s for s in self.streams(path) if s["codec_type"] == "video")
        return one

    def tags(self, path: str | Path) -> dict[str, str]:
        """Names and values of everything that is said about the whole and its parts."""
        found = self._asked(path, "-show_format", "-show_streams")
        parts = [found["format"], *found["streams"]]
        return {k: v for part in parts for k, v in part.get("tags", {}).items()}

    def times(self, path: str | Path, kind: str = "v") -> list[float]:
        """Presentation times of the packets of a kind, in order."""
        found = self._asked(
            path, "-select_streams", f"{kind}:0", "-show_entries", "packet=pts_time"
        )
        return sorted(float(one["pts_time"]) for one in found["packets"])

    def keyframes(self, path: str | Path) -> list[float]:
        """When pictures are shown that decode by themselves."""
        entries = ("-show_entries", "packet=pts_time,flags")
        found = self._asked(path, "-select_streams", "v:0", *entries)
        keys = [it for it in found["packets"] if "K" in it["flags"]]
        return sorted(float(it["pts_time"]) for it in keys)

    def lasts(self, path: str | Path) -> float:
        """Seconds, of the whole."""
        return float(self._asked(path, "-show_format")["format"]["duration"])

    def decodes(self, path: str | Path) -> bool:
        """Whether all of it does, without a complaint."""
        argv = [self.ffmpeg, "-v", "error", *_listed(path), "-i", f"file:{path}"]
        argv += ["-f", "null", "-"]
        done = subprocess.run(argv, capture_output=True, check=True)
        return not done.stderr

    def picture(self, path: str | Path, *filters: str, number: int = 0) -> bytes:
        """Frame *number*, upright, as 32 x 32 pixels of RGB."""
        chain = [
            f"select=eq(n\\,{number})",
            *filters,
            f"scale={SIDE}:{SIDE}:flags=area",
        ]
        argv = [self.ffmpeg, "-v", "error", *_listed(path), "-i", f"file:{path}"]
        argv += ["-frames:v", "1"]
        argv += ["-vf", ",".join([*chain, "format=rgb24"]), "-f", "rawvideo", "-"]
        return subprocess.run(argv, capture_output=True, check=True).stdout

    def sound(self, path: str | Path, rate: int = 8000) -> list[int]:
        """All samples of the first soundtrack, mixed to one channel."""
        argv = [self.ffmpeg, "-v", "error", "-i", f"file:{path}", "-map", "0:a:0"]
        argv += ["-ac", "1", "-ar", str(rate), "-f", "s16le", "-"]
        raw = subprocess.run(argv, capture_output=True, check=True).stdout
        return list(memoryview(raw).cast("h"))


def _listed(path: str | Path) -> list[str]:
    """Segments may have any name."""
    return ["-allowed_extensions", "ALL"] if str(path).endswith("m3u8") else []


@pytest.fixture(scope="session")
def eyes(ffprobe: str) -> Eyes:
    """The second tool: ffprobe and ffmpeg of another build."""
    return Eyes(ffprobe, ffprobe.replace("ffprobe", "ffmpeg"))
