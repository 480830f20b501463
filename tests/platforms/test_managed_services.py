"""What managed services charge for the same renditions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import FilePackaging, Media, Recipe, VideoRendition, VideoStream
from transcode.errors import PlatformError
from transcode.platforms.managed_services import Service, parse_service, service_price

FOLDER = Path(__file__).resolve().parents[2] / "profiles" / "services"


def service(name: str) -> Service:
    path = FOLDER / f"{name}.toml"
    return parse_service(path.read_text(encoding="utf-8"), origin=path.name)


def media(seconds: float | None, rate: int = 30) -> Media:
    picture = VideoStream(
        index=0,
        codec="h264",
        width=1920,
        height=1080,
        display_width=1920,
        display_height=1080,
        frame_rate=Fraction(rate),
        variable_frame_rate=False,
        frames=None,
        pixel_format="yuv420p",
    )
    return Media(
        container="mp4", format_name="mov", duration_seconds=seconds, video=(picture,)
    )


def recipe(*sizes: tuple[int, int], codec: Any = "h264") -> Recipe:
    return Recipe(
        video_index=0,
        video=tuple(
            VideoRendition.model_construct(
                name=f"{min(size)}p",
                codec=codec,
                encoder=None,
                width=size[0],
                height=size[1],
                frame_rate=None,
                made_by="encoded",
            )
            for size in sizes
        ),
        packaging=FilePackaging(files=()),
    )


LADDER = ((1920, 1080), (1280, 720), (640, 360))


@pytest.mark.parametrize(
    ("name", "seconds", "expected"),
    [
        # 30 minutes of two HD and one SD output.
        ("google-transcoder", 1800, "2.25"),
        ("aws-mediaconvert-basic", 1800, "1.125"),
        ("aws-mediaconvert-professional", 1800, "1.8"),
        # Each output is at least ten seconds.
        ("aws-mediaconvert-basic", 3, "0.00625"),
        ("alibaba-mps", 60, "0.0182"),
        ("tencent-mps", 60, "0.1115"),
    ],
)
def test_every_rendition_is_billed_by_its_length(
    name: str, seconds: float, expected: str
) -> None:
    """By hand, from the lists."""
    found = service_price(service(name), media(seconds), recipe(*LADDER))

    assert found.cost is not None
    assert Decimal(expected) == found.cost.amount


@pytest.mark.parametrize(
    ("name", "rate", "codec", "reason"),
    [
        ("aws-mediaconvert-basic", 60, "h264", "above 30 fps"),
        ("aws-mediaconvert-basic", 30, "hevc", "other codecs"),
        ("huawei-mpc", 30, "h264", "360p: its prices below 720 lines"),
    ],
)
def test_what_is_in_no_band_has_no_price(
    name: str, rate: int, codec: str, reason: str
) -> None:
    """None with a reason, and not the nearest price."""
    found = service_price(service(name), media(60, rate), recipe(*LADDER, codec=codec))

    assert found.cost is None
    assert found.reason is not None
    assert reason in found.reason


def test_an_unknown_length_has_no_price() -> None:
    """None with a reason."""
    found = service_price(service("alibaba-mps"), media(None), recipe(*LADDER))

    assert (None, "how long the source is is not known") == (found.cost, found.reason)


def test_a_wrong_list_is_refused_by_field() -> None:
    """With the file."""
    with pytest.raises(PlatformError, match=r"mine\.toml: field title"):
        parse_service('name = "x"', origin="mine.toml")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda p: p.stem)
def test_every_list_that_ships_is_whole(path: Path) -> None:
    """Named as its file, dated, with a source."""
    found = service(path.stem)

    assert path.stem == found.name
    assert found.source
    assert found.minute
