"""Task → argv: the complete command of each kind of recipe, to the byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import (
    AudioStream,
    CaptionRendition,
    Clip,
    DynamicRange,
    FilePackaging,
    Loudness,
    Media,
    OutputFile,
    Poster,
    Recipe,
    Source,
    Sprites,
    Task,
    VideoStream,
)
from transcode.work import package
from transcode.work.command.build import Command, OutputStream, build, measure
from transcode.work.command.gain import Gain

FIFO = "/scratch/media.fifo"
SOURCE = Path("/source/clip.mov")

VIDEO = VideoStream(
    index=0,
    codec="h264",
    width=1920,
    height=1080,
    display_width=1920,
    display_height=1080,
    frame_rate=Fraction(25),
    variable_frame_rate=False,
    longest_still_seconds=0.04,
    frames=750,
    time_base=Fraction(1, 12800),
    pixel_format="yuv420p",
    color_primaries="bt709",
    color_transfer="bt709",
    color_space="bt709",
)
AUDIO = AudioStream(
    index=1, codec="aac", sample_rate=44100, channels=2, layout="stereo"
)
MEDIA = Media(
    container="mov",
    format_name="mov",
    duration_seconds=30.0,
    video=(VIDEO,),
    audio=(AUDIO,),
)
POSTER = Poster(width=1280, height=720, candidates=8)
SPRITES = Sprites(
    interval_seconds=5, columns=5, rows=5, tile_width=160, tile_height=90, count=6
)
LOUDNESS = Loudness(integrated_lufs=-16, true_peak_dbtp=-1.5)
LEVELLED = Gain(gain_db=7.4)
HELD = Gain(gain_db=12.4, ceiling_dbtp=-1.7)


@pytest.fixture
def command(make_task: Callable[..., Task]) -> Callable[..., Command]:
    """The command for a recipe on the media above, changed as told."""

    def make(recipe: Recipe, **options: Any) -> Command:
        media = options.pop("media", MEDIA)
        task = make_task(SOURCE, recipe, media=media)
        return build(task, program="ffmpeg", fifo=FIFO, **options)

    return make


@pytest.fixture
def match(golden: Callable[[str, str], None]) -> Callable[[str, tuple[str, ...]], None]:
    """Compares an argv with a golden file, one argument a line."""

    def compare(name: str, argv: tuple[str, ...]) -> None:
        golden(f"{name}.txt", "".join(f"{argument}\n" for argument in argv))

    return compare


def test_streaming_ladder(
    command: Any, match: Any, make_recipe: Any, video: Any, audio: Any
) -> None:
    """
    Each size comes from the next larger one, stills from the same decode, and all of
    it goes into one pipe.
    """
    recipe = make_recipe(
        video=(video(1920, 1080), video(1280, 720), video(640, 360)),
        audio=(audio(language="eng", title="Stereo"),),
        poster=POSTER,
        sprites=SPRITES,
    )

    made = command(recipe)

    match("ffmpeg-hls", made.argv)
    match("packager-hls", package.build(recipe, program="packager", fifo=FIFO))
    assert (
        OutputStream(0, 0, "video", "1080p"),
        OutputStream(0, 1, "video", "720p"),
        OutputStream(0, 2, "video", "360p"),
        OutputStream(0, 3, "audio", "aac"),
    ) == made.streams


def test_copied_top(
    command: Any, match: Any, make_recipe: Any, video: Any, audio: Any
) -> None:
    """
    The copied rendition leads: the others follow its keyframes and its clock.
    """
    top = video(1920, 1080, made_by="copied", encoder=None)
    recipe = make_recipe(
        video=(top, video(1280, 720)),
        audio=(audio(made_by="copied", encoder=None),),
        keyframes="source",
    )

    match("ffmpeg-copied", command(recipe).argv)


def test_captions(
    command: Any, match: Any, make_recipe: Any, video: Any, audio: Any
) -> None:
    """
    Each text track is an output of its own, at its own times.
    """
    captions = (
        CaptionRendition(name="eng", source_index=2, language="eng"),
        CaptionRendition(name="fra-forced", source_index=4, forced=True),
    )
    recipe = make_recipe(video=(video(1280, 720),), audio=(audio(),), captions=captions)

    match("ffmpeg-captions", command(recipe).argv)


def test_mp4(command: Any, match: Any, make_recipe: Any, video: Any) -> None:
    """
    One file, its index first.
    """
    file = OutputFile(name="video.mp4", container="mp4", video="720p", audio=("aac",))
    recipe = make_recipe(
        video=(video(1280, 720),), packaging=FilePackaging(files=(file,))
    )

    match("ffmpeg-mp4", command(recipe).argv)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("hevc", {"encoder": "libx265", "preset": "veryfast", "codec_profile": "main"}),
        ("av1", {"encoder": "libsvtav1", "preset": "9", "codec_profile": "main"}),
    ],
)
def test_newer_codecs(
    command: Any,
    match: Any,
    make_recipe: Any,
    video: Any,
    *,
    name: str,
    changes: Mapping[str, str],
) -> None:
    """
    Other encoders promise the same cuts in their own words.
    """
    recipe = make_recipe(video=(video(1280, 720, codec=name, **changes),))

    match(f"ffmpeg-{name}", command(recipe).argv)


def test_webm(
    command: Any, match: Any, make_recipe: Any, video: Any, audio: Any
) -> None:
    """
    VP9 and Opus, with the index first as well.
    """
    vp9 = {"codec": "vp9", "encoder": "libvpx-vp9", "preset": "5", "codec_profile": "0"}
    file = OutputFile(name="v.webm", container="webm", video="720p", audio=("opus",))
    recipe = make_recipe(
        video=(video(1280, 720, **vp9),),
        audio=(audio(name="opus", codec="opus", encoder="libopus"),),
        packaging=FilePackaging(files=(file,)),
    )

    match("ffmpeg-webm", command(recipe).argv)


def test_audio(
    command: Any, match: Any, make_task: Any, make_recipe: Any, audio: Any
) -> None:
    """
    One mix, measured once, split for two codecs.
    """
    recipe = make_recipe(
        video_index=None,
        video=(),
        audio=(
            audio(loudness=LOUDNESS),
            audio(name="opus", codec="opus", encoder="libopus", loudness=LOUDNESS),
        ),
        packaging=FilePackaging(
            files=(
                OutputFile(
                    name="audio.m4a", container="mp4", video=None, audio=("aac",)
                ),
                OutputFile(
                    name="audio.ogg", container="ogg", video=None, audio=("opus",)
                ),
            )
        ),
    )
    task = make_task(SOURCE, recipe, media=MEDIA)
    gains = {"aac": LEVELLED, "opus": LEVELLED}

    match("ffmpeg-audio", command(recipe, gains=gains).argv)
    match("ffmpeg-loudness", measure(task, recipe.audio[0], program="ffmpeg"))
    match("ffmpeg-held", measure(task, recipe.audio[0], HELD, program="ffmpeg"))


def test_hdr(command: Any, match: Any, make_recipe: Any, video: Any) -> None:
    """
    HDR becomes BT.709 at the largest size that anybody will see.
    """
    hdr = VIDEO.model_copy(
        update={
            "width": 3840,
            "height": 2160,
            "pixel_format": "yuv420p10le",
            "dynamic_range": DynamicRange.HDR10,
            "color_primaries": "bt2020",
            "color_transfer": "smpte2084",
            "color_space": "bt2020nc",
        }
    )
    media = MEDIA.model_copy(update={"video": (hdr,)})
    recipe = make_recipe(video=(video(1280, 720),), audio=(), tone_map=True)

    match("ffmpeg-hdr", command(recipe, media=media).argv)


def test_broadcast(command: Any, match: Any, make_recipe: Any, video: Any) -> None:
    """
    Interlaced, untagged, with alpha, timed in milliseconds: made plain before scaling.
    """
    stream = VIDEO.model_copy(
        update={
            "width": 720,
            "height": 576,
            "pixel_format": "yuva420p",
            "has_alpha": True,
            "interlaced": True,
            "field_order": "tt",
            "time_base": Fraction(1, 1000),
            "frame_rate": Fraction(30000, 1001),
            "color_primaries": None,
            "color_transfer": None,
            "color_space": None,
        }
    )
    media = MEDIA.model_copy(update={"video": (stream,)})
    recipe = make_recipe(video=(video(768, 576),), audio=(), deinterlace=True)

    match("ffmpeg-broadcast", command(recipe, media=media).argv)


def test_hardware(command: Any, match: Any, make_recipe: Any, video: Any) -> None:
    """
    NVENC gets its own words, and decoding moves to the GPU when asked to.
    """
    recipe = make_recipe(video=(video(1280, 720, encoder="h264_nvenc"),))

    match("ffmpeg-nvenc", command(recipe, hardware_decode=True).argv)


def test_remote(make_task: Any, match: Any, make_recipe: Any, video: Any) -> None:
    """
    A remote source is served: its address, with a signature, is on no command line.
    """
    file = OutputFile(name="video.mp4", container="mp4", video="720p", audio=())
    recipe = make_recipe(
        video=(video(1280, 720, made_by="copied", encoder=None),),
        audio=(),
        packaging=FilePackaging(files=(file,)),
    )
    task = make_task(SOURCE, recipe, media=MEDIA)
    remote = Source(
        uri="s3://bucket/clip.mov",
        bytes=1,
        etag="e",
        location="https://bucket.example/clip.mov?signature=secret",
    )
    task = task.model_copy(update={"source": remote})

    match("ffmpeg-remote", build(task, program="ffmpeg", fifo=FIFO).argv)


@pytest.mark.parametrize(
    ("codec", "encoder", "begins", "told"),
    [
        ("h264", "libx264", None, False),
        ("h264", "libx264", 0.0, False),
        ("h264", "libx264", 10.0, True),
        ("hevc", "libx265", None, False),
        ("hevc", "libx265", 0.0, True),
        ("hevc", "libx265", 10.0, True),
    ],
)
def test_a_chunk_has_no_buffer_of_its_own(
    make_task: Any,
    make_recipe: Any,
    video: Any,
    *,
    codec: str,
    encoder: str,
    begins: float | None,
    told: bool,
) -> None:
    """
    What comes before it has spent some; x265 says in its headers how much, which are
    one set for all chunks, so that its first one is told, too.
    """
    clip = None if begins is None else Clip(start_seconds=begins, end_seconds=20.0)
    recipe = make_recipe(video=(video(1280, 720, codec=codec, encoder=encoder),))
    recipe = recipe.model_copy(update={"clip": clip})
    task = make_task(SOURCE, recipe, media=MEDIA)
    if clip is not None:
        task = task.model_copy(update={"kind": "chunk"})

    argv = build(task, program="ffmpeg", fifo=FIFO).argv

    parameters = next(
        value
        for option, value in pairwise(argv)
        if option == f"-{encoder[3:]}-params:v:0"
    )
    assert told == ("vbv-init=0.4" in parameters)


def test_alternating_rates(command: Any, make_recipe: Any, video: Any) -> None:
    """
    A rendition of another frame rate is scaled from the source, not from its sibling.
    """
    slow = video(640, 360, frame_rate=Fraction(25, 2))
    graph = command(make_recipe(video=(video(1280, 720), slow), audio=())).argv

    chain = graph[graph.index("-filter_complex") + 1]
    assert "[0:0]split=2[s0][s1]" in chain
    assert "]fps=25/2[" in chain


@pytest.mark.parametrize("inputs", [1, 2])
def test_packets_are_read_apart_beside_pictures_that_are_repeated(
    command: Any, make_recipe: Any, video: Any, inputs: int
) -> None:
    """Else ffmpeg waits for ever where another stream is behind."""
    steady = inputs == 1
    stream = VIDEO.model_copy(update={"variable_frame_rate": not steady})
    media = MEDIA.model_copy(update={"video": (stream,)})

    made = command(
        make_recipe(video=(video(1280, 720),)),
        media=media,
        shown="/scratch/shown",
    )

    given = [value for flag, value in pairwise(made.argv) if flag == "-i"]
    graph = made.argv[made.argv.index("-filter_complex") + 1]
    copied = {value for flag, value in pairwise(made.argv) if flag == "-map"}
    assert ["file:/source/clip.mov"] * inputs == given
    assert f"[{made.source_input}:0]" in graph
    assert (f"{made.source_input}:0" in copied) is steady


def test_unknown_rendition(command: Any, make_recipe: Any) -> None:
    """
    A file that names what the recipe does not make is refused, not left empty.
    """
    file = OutputFile(name="video.mp4", container="mp4", video="9000p")
    recipe = make_recipe(packaging=FilePackaging(files=(file,)))

    with pytest.raises(ValueError, match="names a rendition"):
        command(recipe)


def test_missing_picture(command: Any, make_recipe: Any) -> None:
    """
    So is a picture that the media do not have.
    """
    with pytest.raises(ValueError, match="no video stream with index 7"):
        command(make_recipe(video_index=7))
