"""A watermark in the results: where it is asked for, and nowhere else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.conftest import MakeClip
from transcode.contract import Manifest, MarkImage, Position, Watermark
from transcode.pipeline import admit, run
from transcode.plan.profile import WatermarkProfile
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire
from transcode.work.command.watermark import placed

Made = Callable[..., Manifest]
_GREY = ("-vf", "format=yuv420p,geq=lum=100:cb=128:cr=128", "-frames:v", "10")


@pytest.fixture
def logo(tmp_path: Path, ffmpeg: str) -> Path:
    """White, 20x10, half of it transparent: the left one."""
    path = tmp_path / "logo.png"
    source = "color=white:size=20x10,format=rgba,geq=r=255:g=255:b=255:a='255*gt(X,9)'"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "1"]
    subprocess.run([*argv, str(path)], check=True)
    return path


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def do(path: Path, profile: str, **mark: object) -> Manifest:
        request = Request(
            source=str(path),
            profile=profile,
            to=str(tmp_path / "results"),
            watermark=WatermarkProfile.model_validate(mark) if mark else None,
        )
        return anyio.run(run, request, wire(Settings(scratch=str(tmp_path))))

    return do


def luma(path: str, ffmpeg: str) -> tuple[bytes, int]:
    """The first picture's luma and its width."""
    argv = [ffmpeg, "-v", "info", "-i", path, "-map", "0:v:0", "-frames:v", "1"]
    done = subprocess.run(
        [*argv, "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        capture_output=True,
        check=True,
    )
    size = done.stderr.decode().split("Output #0")[1].split("gray")[1]
    width = next(part for part in size.split() if part[0].isdigit() and "x" in part)
    return done.stdout, int(width.split("x")[0])


def changed(data: bytes, width: int, background: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is no background."""
    at = [n for n, value in enumerate(data) if abs(value - background) > 12]
    columns, rows = [n % width for n in at], [n // width for n in at]
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def test_pixels_change_where_it_is_and_nowhere_else(
    made: Made, make_clip: MakeClip, logo: Path, ffmpeg: str
) -> None:
    """
    In every rendition and the poster, to within a block of the codec.

    Only its opaque half is seen, at the strength that was asked for.
    """
    clip = make_clip("grey", 1, "320x180", audio=False, extra=_GREY)
    mark = {"image": str(logo), "position": "top-right", "size": 0.25, "opacity": 0.5}

    manifest = made(clip, "hls", **mark)

    for kind in ("rendition", "poster"):
        uri = next(it.uri for it in manifest.outputs if it.kind == kind)
        data, width = luma(uri, ffmpeg)
        scale = width / 320
        background = data[0]
        left, top, right, bottom = (
            it / scale for it in changed(data, width, background)
        )
        # 80x40 at 320-80-5.4, 5.4; of it the right half.
        assert left == pytest.approx(274, abs=4)
        assert right == pytest.approx(314, abs=4)
        assert top == pytest.approx(4, abs=4)
        assert bottom == pytest.approx(44, abs=4)
        middle = data[int(24 * scale) * width + int(294 * scale)]
        white = 255
        assert middle == pytest.approx((background + white) / 2, abs=6)


def test_a_watermark_forbids_copying_and_the_plan_says_so(
    make_clip: MakeClip, logo: Path, tmp_path: Path
) -> None:
    """
    A copy has no place for it. Another image is another job.
    """
    clip = make_clip("copy", 1, extra=("-g", "25"))
    profile = WatermarkProfile(image=str(logo))
    plain = Request(source=str(clip), profile="mp4")
    marked = plain.model_copy(update={"watermark": profile})
    moved = tmp_path / "moved.png"
    moved.write_bytes(logo.read_bytes())
    other = tmp_path / "other.png"
    other.write_bytes(logo.read_bytes() + b"\0")
    wiring = wire(Settings())

    def planned(image: Path | None) -> object:
        request = plain
        if image is not None:
            profile = WatermarkProfile(image=str(image))
            request = plain.model_copy(update={"watermark": profile})
        return anyio.run(admit, request, wiring)

    plan = anyio.run(admit, marked, wiring)
    assert "A watermark is drawn on the picture." in plan.reasons
    assert {"encoded"} == {it.made_by for it in plan.tasks[0].task.recipe.video}
    ids = [getattr(planned(it), "job_id", None) for it in (None, logo, moved, other)]
    assert ids[1] == ids[2] == plan.job_id
    assert 3 == len({*ids})


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("top-left", (20, 20)),
        ("top", (600, 20)),
        ("center", (600, 340)),
        ("bottom-right", (1180, 660)),
        ("left", (20, 340)),
    ],
)
def test_the_place_of_a_watermark(
    position: Position, expected: tuple[int, int]
) -> None:
    """
    The margin is a share of the short side, so that both directions look alike.
    """
    image = MarkImage(path="/x", sha256="", format="png", width=200, height=100)
    mark = Watermark(
        image=image, position=position, margin=20 / 720, size=0.0625, opacity=1
    )

    assert (*expected, 80, 40) == placed(mark, 1280, 720)


def test_a_watermark_in_a_profile_is_found_beside_it(
    make_clip: MakeClip, logo: Path, tmp_path: Path
) -> None:
    """
    A relative path begins at the profile's own folder.
    """
    profile = tmp_path / "marked.toml"
    profile.write_text(
        'name = "marked"\ntitle = "x"\n[packaging]\ntype = "file"\n'
        '[video]\ncodec = "h264"\npreset = "ultrafast"\n'
        "[[video.rungs]]\nshort_side = 240\ncrf = 30\nmax_bit_rate_kbps = 500\n"
        '[watermark]\nimage = "logo.png"\nopacity = 0.5\n'
    )

    request = Request(source=str(make_clip("plain", 1)), profile=str(profile))
    plan = anyio.run(admit, request, wire(Settings()))

    mark = plan.tasks[0].task.recipe.watermark
    assert mark is not None
    assert str(logo) == mark.image.path
