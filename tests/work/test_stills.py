"""The poster that is chosen, and the track that points into the sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from transcode.contract import FilePackaging, OutputFile, Poster, Sprites
from transcode.work.stills import choose_poster, finish_stills, write_thumbnails

FILE = FilePackaging(
    files=(OutputFile(name="video.mp4", container="mp4", video="240p"),)
)


@pytest.fixture
def sheets(tmp_path: Path) -> Path:
    """A folder with two sheets."""
    (tmp_path / "sprites").mkdir()
    for name in ("00001.jpg", "00002.jpg"):
        (tmp_path / "sprites" / name).write_bytes(b"")
    return tmp_path


def test_thumbnails(sheets: Path, golden: Any) -> None:
    """
    Tiles are counted along rows; the last, partial sheet ends where the video ends.
    """
    sprites = Sprites(
        interval_seconds=2.5,
        columns=2,
        rows=2,
        tile_width=160,
        tile_height=90,
        count=6,
    )

    path = write_thumbnails(sheets, sprites, end_seconds=3613.2)

    assert path is not None
    golden("thumbnails.vtt.txt", path.read_text())


def test_a_sheet_that_begins_where_the_picture_ends_is_none(
    sheets: Path, make_task: Any, make_recipe: Any, make_clip: Any
) -> None:
    """Its first tile was due at the moment at which nothing is shown any more."""
    sprites = Sprites(
        interval_seconds=1, columns=2, rows=2, tile_width=8, tile_height=8, count=9
    )
    recipe = make_recipe(audio=(), sprites=sprites, packaging=FILE)
    task = make_task(make_clip("bare", 1), recipe)
    guessed = {"duration_estimated": True, "duration_seconds": None, "video": ()}
    task = task.model_copy(update={"media": task.media.model_copy(update=guessed)})

    finish_stills(task, sheets, encoded_seconds=4.0)

    assert ["00001.jpg"] == [it.name for it in (sheets / "sprites").iterdir()]
    assert 4 == (sheets / "thumbnails.vtt").read_text().count("#xywh")


def test_shorter_than_an_interval(sheets: Path) -> None:
    """
    There is one tile at least, and it lasts as long as the video.
    """
    sprites = Sprites(
        interval_seconds=5, columns=1, rows=1, tile_width=8, tile_height=8, count=1
    )

    path = write_thumbnails(sheets, sprites, end_seconds=0.04)

    assert path is not None
    assert "00:00:00.000 --> 00:00:00.040\nsprites/00001.jpg#xywh=0,0,8,8" in (
        path.read_text()
    )


def test_no_sheets(tmp_path: Path) -> None:
    """
    Without pictures there is no track that would point nowhere.
    """
    sprites = Sprites(
        interval_seconds=5, columns=1, rows=1, tile_width=8, tile_height=8, count=1
    )

    assert None is write_thumbnails(tmp_path, sprites, end_seconds=1)


def test_poster_has_the_most_detail(tmp_path: Path) -> None:
    """
    The largest candidate is kept, the others are gone.
    """
    for name, size in (("001", 10), ("002", 30), ("003", 20)):
        (tmp_path / f"poster-{name}.jpg").write_bytes(b"x" * size)

    poster = choose_poster(tmp_path)

    assert [poster] == list(tmp_path.iterdir())
    assert poster is not None
    assert 30 == poster.stat().st_size


def test_poster_is_not_black(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any
) -> None:
    """
    A video that is black for nine tenths has a poster with a picture in it.
    """
    black = ("-vf", "drawbox=color=black:t=fill:enable='not(between(t,2,2.5))'")
    clip = make_clip("black", 5, audio=False, extra=black)
    recipe = make_recipe(
        video=make_recipe().video[:1],
        audio=(),
        packaging=FILE,
        poster=Poster(width=160, height=120, candidates=10),
    )

    produced, staging = performed(make_task(clip, recipe))

    assert None is produced.failure
    with av.open(str(staging / "poster.jpg")) as picture:
        luma = bytes(next(picture.decode(video=0)).planes[0])
    assert 60 < sum(luma) / len(luma)


def test_tiles_show_their_interval(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any
) -> None:
    """
    Tile *k* shows what is seen at *k* intervals: here each second has its own grey.
    """
    shades = ("-vf", "format=gray,geq=lum='20+40*floor(T)',format=yuv420p")
    clip = make_clip("grey", 5, audio=False, extra=shades)
    recipe = make_recipe(
        video=make_recipe().video[:1],
        audio=(),
        packaging=FILE,
        sprites=Sprites(
            interval_seconds=1,
            columns=2,
            rows=1,
            tile_width=32,
            tile_height=32,
            count=5,
        ),
    )

    produced, staging = performed(make_task(clip, recipe))

    assert None is produced.failure
    seen = []
    for sheet in sorted((staging / "sprites").iterdir()):
        with av.open(str(sheet)) as picture:
            plane = next(picture.decode(video=0)).planes[0]
        row = bytes(plane)[16 * plane.line_size :]
        seen += [row[16], row[48]]
    assert [20, 60, 100, 140, 180] == pytest.approx(seen[:5], abs=4)


@pytest.mark.parametrize(
    "dull",
    [
        "drawbox=color=black:t=fill",
        "gblur=sigma=20",
        "lutyuv=y='16+(val-16)/12',noise=alls=40:allf=t",
        "lutyuv=y='210+(val-16)/12':u=128:v=128,noise=alls=30",
    ],
    ids=["black", "blurred", "dark and noisy", "fading to white"],
)
def test_poster_is_worth_showing(
    make_clip: Any, make_task: Any, make_recipe: Any, performed: Any, dull: str
) -> None:
    """
    Three of four seconds are dull, and the poster comes from the fourth.
    """
    name, _, options = dull.partition("=")
    chain = ",".join(
        f"{one}:enable='not(between(t,2,3))'" if "=" in one else one
        for one in f"{name}={options}".split(",")
    )
    clip = make_clip("dull", 4, audio=False, extra=("-vf", chain))
    poster = Poster(width=320, height=240, candidates=8)
    recipe = make_recipe(video=(), audio=(), packaging=FILE, poster=poster)
    recipe = recipe.model_copy(update={"packaging": FilePackaging(files=())})
    bright = make_clip("bright", 4, audio=False)

    _, staging = performed(make_task(clip, recipe))
    _, best = performed(make_task(bright, recipe))

    assert likeness(staging / "poster.jpg", best / "poster.jpg") < 25


def likeness(one: Path, other: Path) -> float:
    """Mean difference of two pictures' small grey versions, 0 to 255."""
    rows: list[bytes] = []
    for path in (one, other):
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0)).reformat(64, 48, format="gray")
            rows.append(bytes(frame.planes[0]))
    one_row, other_row = rows
    different = sum(abs(a - b) for a, b in zip(one_row, other_row, strict=True))
    return different / len(one_row)


def test_tiles_from_before_a_change_of_size(
    make_clip: Any, make_task: Any, make_recipe: Any, performed: Any, tmp_path: Path
) -> None:
    """
    Where the size changes in mid-stream, each tile still shows its own time.
    """
    halves = []
    for colour, size, at in (("red", "320x240", "0"), ("blue", "480x360", "2")):
        chain = f"drawbox=color={colour}:t=fill"
        extra = ("-vf", chain, "-output_ts_offset", at)
        halves.append(make_clip(f"{colour}.ts", 2, size, audio=False, extra=extra))
    clip = tmp_path / "change.ts"
    clip.write_bytes(b"".join(half.read_bytes() for half in halves))
    sprites = Sprites(
        interval_seconds=1, columns=4, rows=1, tile_width=80, tile_height=60, count=4
    )
    recipe = make_recipe(
        video=make_recipe().video[:1], audio=(), packaging=FILE, sprites=sprites
    )

    produced, staging = performed(make_task(clip, recipe))

    assert None is produced.failure
    with av.open(str(staging / "sprites/00001.jpg")) as sheet:
        picture = next(sheet.decode(video=0)).reformat(format="rgb24")
    line = bytes(picture.planes[0])[30 * picture.planes[0].line_size :]
    reds = [line[(80 * tile + 40) * 3] > 128 for tile in range(4)]
    assert [True, True, False, False] == reds
