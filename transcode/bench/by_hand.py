"""The best command that an expert would write by hand for what a recipe makes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract import CmafPackaging, Recipe, VideoRendition
from ..errors import UsageError
from ..settings import Settings
from ..work.command.codecs import coarsest
from ..work.toolchain import find_ffmpeg, find_packager
from .children import Took, begun, run

_ENCODERS = frozenset({"libx264", "libx265"})
"""Whose options are told alike: preset, crf and caps."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What it is done with: the same programs as ours."""

    ffmpeg: str
    packager: str | None

    @classmethod
    def found(cls, settings: Settings) -> Tools:
        """Raises `SettingsError` where there is no ffmpeg."""
        return cls(find_ffmpeg(settings), find_packager(settings))


def refuse_unwritten(recipe: Recipe) -> None:
    """Raise `UsageError` for what no command by hand is known here."""
    if recipe.tone_map:
        raise UsageError("HDR to SDR has no agreed command by hand")
    for video in recipe.video:
        if video.encoder is not None and video.encoder not in _ENCODERS:
            raise UsageError(f"no command by hand is written here for {video.encoder}")


def by_hand(recipe: Recipe, file: Path, to: Path, tools: Tools) -> Took:
    """
    Make the recipe's renditions in the folder *to*, which is made.

    Each is scaled from the source and encoded by one ffmpeg (`split`); Shaka Packager
    reads its pipe. Copied pictures are encoded like their neighbours: by hand nobody
    looks. No stills, no verification. Raises `UsageError` as `refuse_unwritten`,
    `WorkError` where a tool fails.
    """
    refuse_unwritten(recipe)
    to.mkdir(parents=True)
    argv = _reading(recipe, file, tools)
    if isinstance(recipe.packaging, CmafPackaging):
        return _packaged(recipe, argv, to, tools, recipe.packaging.segment_seconds)
    for output in recipe.packaging.files:
        video = [v for v in recipe.video if v.name == output.video]
        argv += _writing(recipe, video, output.audio)
        argv += ["-movflags", "+faststart", str(to / output.name)]
    return run(argv)


def made_bytes(recipe: Recipe, to: Path) -> Mapping[str, int]:
    """Rendition with a picture → bytes of it, in the folder that `by_hand` made."""
    if isinstance(recipe.packaging, CmafPackaging):
        parts = "*.m[4p][s4]"
        return {
            v.name: sum(it.stat().st_size for it in (to / "video" / v.name).glob(parts))
            for v in recipe.video
        }
    return {
        output.video: (to / output.name).stat().st_size
        for output in recipe.packaging.files
        if output.video is not None
    }


def _packaged(
    recipe: Recipe, encode: Sequence[str], to: Path, tools: Tools, seconds: float
) -> Took:
    """One ffmpeg into a pipe, Shaka Packager at its other end."""
    if tools.packager is None:
        raise UsageError("there is no Shaka Packager")
    pipe = to / "pipe"
    os.mkfifo(pipe)
    flags = "+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"
    encode = [*encode, *_writing(recipe, recipe.video, [a.name for a in recipe.audio])]
    encode += ["-movflags", flags, "-f", "mp4", str(pipe)]

    streams = [f"video/{v.name}" for v in recipe.video]
    streams += [f"audio/{a.name}" for a in recipe.audio]
    pack = [tools.packager, "--quiet"]
    for index, place in enumerate(streams):
        options = [f"in={pipe}", f"stream={index}", f"init_segment={place}/init.mp4"]
        options.append(f"segment_template={place}/$Number%05d$.m4s")
        options.append(f"playlist_name={place}/index.m3u8")
        if place.startswith("audio/"):
            options.append("hls_group_id=audio")
        pack.append(",".join(options))
    # A hair less than the distance of the cuts, so that rounding never skips one.
    pack += ["--segment_duration", f"{seconds - 0.001:.3f}"]
    pack += ["--hls_master_playlist_output", "master.m3u8"]
    pack += ["--mpd_output", "manifest.mpd", "--generate_static_live_mpd"]
    with begun(pack, folder=to) as packager:
        encoded = run(encode)
        packed = packager.end()
    pipe.unlink()
    return Took(
        packed.wall_seconds, encoded.cpu_seconds + packed.cpu_seconds, packed.out
    )


def _reading(recipe: Recipe, file: Path, tools: Tools) -> list[str]:
    """The input, and the graph that scales the source once per rendition."""
    argv = [tools.ffmpeg, "-nostdin", "-v", "error", "-y", "-i", str(file)]
    if not recipe.video:
        return argv
    before = "bwdif=mode=send_frame," if recipe.deinterlace else ""
    splits = "".join(f"[s{n}]" for n in range(len(recipe.video)))
    graph = [f"[0:{recipe.video_index}]{before}split={len(recipe.video)}{splits}"]
    for n, video in enumerate(recipe.video):
        rate = f"fps={video.frame_rate}," if video.frame_rate else ""
        scale = f"scale={video.width}:{video.height},setsar=1"
        graph.append(f"[s{n}]{rate}{scale},format={video.pixel_format}[{video.name}]")
    return [*argv, "-filter_complex", ";".join(graph)]


def _writing(
    recipe: Recipe, videos: Sequence[VideoRendition], sounds: Sequence[str]
) -> list[str]:
    """Options of one output file that holds *videos* and *sounds*."""
    argv = []
    like = next((v for v in recipe.video if v.made_by == "encoded"), None)
    for n, video in enumerate(videos):
        crf = video.crf or (like.crf if like else None) or 23
        preset = video.preset or (like.preset if like else None) or "veryfast"
        encoder = video.encoder or (like.encoder if like else None) or "libx264"
        argv += ["-map", f"[{video.name}]", f"-c:v:{n}", encoder]
        argv += [f"-preset:v:{n}", preset, f"-crf:v:{n}", f"{crf:g}"]
        if video.max_bit_rate:
            buffer = video.buffer_bits or 2 * video.max_bit_rate
            argv += [f"-maxrate:v:{n}", str(video.max_bit_rate)]
            argv += [f"-bufsize:v:{n}", str(buffer)]
            for option, value in coarsest(video).items():
                argv += [f"-{option}:v:{n}", value]
    if videos:
        cuts = f"expr:gte(t,n_forced*{recipe.gop_seconds:g})"
        argv += ["-force_key_frames", cuts, "-sc_threshold", "0", "-g", "9999"]
    for n, sound in enumerate(a for a in recipe.audio if a.name in sounds):
        argv += ["-map", f"0:{sound.source_index}", f"-c:a:{n}"]
        if sound.made_by == "copied":
            argv.append("copy")
            continue
        argv += [sound.encoder or "aac", f"-ar:a:{n}", str(sound.sample_rate)]
        argv += [f"-ac:a:{n}", str(sound.channels)]
        if sound.bit_rate:
            argv += [f"-b:a:{n}", str(sound.bit_rate)]
    return argv
