"""What an encode says about itself: ffmpeg's own summary, judged elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .reshaped import Reshaped
from .seen import SampledPicture, Seen
from .shown import Shown


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """
    What ffmpeg counted while it worked.

    Numbers that ffmpeg did not print are None, never 0. An exit status of 0 says
    little (half an input gives 0 too): verification compares these counts with the
    finished files.
    """

    decoded_frames: int | None
    """Frames the video decoder returned; None when nothing was decoded."""
    decode_errors: int
    """Errors that the decoders reported and skipped, all inputs together."""
    packets_read: int | None
    """Video packets demuxed from the source's picture; None without a picture."""
    encoded_frames: Mapping[str, int]
    """Rendition name → packets muxed into it (for a copied one: packets copied)."""
    audio_samples: int | None
    """Samples decoded from the first soundtrack used; None when none was decoded."""
    argv: tuple[str, ...]
    """The complete command; locations that may be signed have lost their query."""
    stderr_tail: str
    """The last 32 kB at most."""
    wall_seconds: float
    repeated_frames: int = 0
    """Frames that the rate conversion or synchronisation made twice."""
    encoded_seconds: float | None = None
    """Where the results end, but for the last frame's own time."""
    damaged_frames: int = 0
    """Pictures that the decoder returned with parts made up, or had to make up."""
    holes: int = 0
    """Those of them whose packet has a hole; see `holes`."""
    torn: int = 0
    """Places in the source where packets are missing, or a part of one."""
    dropped_frames: int = 0
    """Frames that the rate conversion or synchronisation left out."""
    samples: Mapping[int, int] = field(default_factory=dict)
    """Audio stream of the source → samples decoded."""
    all_packets: int | None = None
    """Demuxed of every picture and soundtrack that was used."""
    audio_packets: Mapping[str, int] = field(default_factory=dict)
    """Audio rendition name → packets muxed."""
    caption_errors: Mapping[int, int] = field(default_factory=dict)
    """Subtitle stream of the source → packets that did not decode."""
    exit_status: int | None = None
    notes: tuple[str, ...] = ()
    """What the machine could not do for safety, for a user to know."""
    read_bytes: int | None = None
    """Of the source, as ffmpeg's own statistics count them; seeks read twice."""

    seen: Seen | None = None
    """The source's first picture; None where none was decoded."""
    sampled: tuple[SampledPicture, ...] = ()
    """Pictures after it, in order."""
    shown: Shown | None = None
    """When the source's pictures are shown; None where nobody told."""

    reshaped: tuple[Reshaped, ...] = ()
    """Where the source's pixels change their shape, by its headers."""
    followed: tuple[Reshaped, ...] = ()
    """What of it the filters have gone by."""

    def having_read(self, more: int) -> EncodeReport:
        """With bytes of the source that were read before this encode."""
        if self.read_bytes is None:
            return self
        return replace(self, read_bytes=self.read_bytes + more)
