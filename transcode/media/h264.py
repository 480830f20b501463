"""H.264's sequence parameter set, as far as anybody here asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = [
    "Bits",
    "SequenceParameters",
    "SliceHead",
    "aspect_of",
    "sequence_parameters",
    "slice_head",
]

SPS = 7
"""nal_unit_type, ITU-T H.264 table 7-1."""
_WITH_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
"""profile_idc of which chroma_format_idc follows, §7.3.2.1.1."""
_444 = 3
_EXTENDED = 255
_NAMED = (
    (0, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11),
    (32, 11), (80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip
"""Table E-1: aspect_ratio_idc → a pixel's width and height."""


class Bits:
    """Reads bits and Exp-Golomb codes (§9.1) of a unit; zeros past its end."""

    def __init__(self, data: bytes) -> None:
        # Without what keeps start codes apart, §7.4.1.1.
        self._data = data.replace(b"\0\0\3", b"\0\0")
        self._at = 0

    @property
    def ended(self) -> bool:
        """Whether more was read than there is."""
        return self._at > 8 * len(self._data)

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            byte = self._at // 8
            here = self._data[byte] if byte < len(self._data) else 0
            value = value << 1 | here >> (7 - self._at % 8) & 1
            self._at += 1
        return value

    def code(self) -> int:
        """ue(v)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:  # noqa: PLR2004  no code is longer
                return 0
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """se(v)."""
        code = self.code()
        return (code + 1) // 2 if code & 1 else -(code // 2)


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """What holds for every picture until the next such set."""

    frame_num_bits: int
    planes: bool
    """Each colour is a picture of its own."""
    holes_allowed: bool
    """In frame_num."""
    fields_allowed: bool
    """A picture may be coded as two, a field each."""
    pixel_aspect: Fraction
    """A pixel's width over its height; 0 where it is left open."""


@dataclass(frozen=True, slots=True)
class SliceHead:
    """What a slice says of the picture that it is of, §7.3.3."""

    number: int
    """frame_num: of both fields of a picture the same."""
    field: bool
    bottom: bool

    def follows(self, first: SliceHead | None) -> bool:
        """Whether it is the second field of the picture of which *first* is one."""
        return (
            first is not None
            and first.field
            and self.field
            and first.bottom != self.bottom
            and first.number == self.number
        )


def sequence_parameters(body: bytes) -> SequenceParameters | None:
    """§7.3.2.1.1 of *body*, the unit after its first byte; None where it is cut off."""
    bits = Bits(body)
    profile = bits.take(8)
    bits.take(16)
    bits.code()
    planes = profile in _WITH_CHROMA and _chroma(bits)
    numbers = bits.code() + 4
    _order(bits)
    bits.code()
    holes = bool(bits.take(1))
    bits.code()
    bits.code()
    fields = not bits.take(1)
    if fields:
        bits.take(1)
    bits.take(1)
    if bits.take(1):
        for _ in range(4):
            bits.code()
    aspect = aspect_of(bits)
    if bits.ended:
        return None
    return SequenceParameters(numbers, planes, holes, fields, aspect)


def slice_head(body: bytes, sequence: SequenceParameters) -> SliceHead:
    """The head of a slice (§7.3.3) of *body*, the unit after its first byte."""
    bits = Bits(body)
    bits.code()
    bits.code()
    bits.code()
    if sequence.planes:
        bits.take(2)
    number = bits.take(sequence.frame_num_bits)
    field = sequence.fields_allowed and bool(bits.take(1))
    return SliceHead(number, field, field and bool(bits.take(1)))


def _chroma(bits: Bits) -> bool:
    chroma = bits.code()
    planes = bool(bits.take(1)) if chroma == _444 else False
    bits.code()
    bits.code()
    bits.take(1)
    if bits.take(1):
        for number in range(12 if chroma == _444 else 8):
            if bits.take(1):
                _skip_scaling(bits, 16 if number < 6 else 64)  # noqa: PLR2004
    return planes


def _skip_scaling(bits: Bits, size: int) -> None:
    """§7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _order(bits: Bits) -> None:
    kind = bits.code()
    if kind == 0:
        bits.code()
    elif kind == 1:
        bits.take(1)
        bits.code()
        bits.code()
        for _ in range(min(bits.code(), 255)):
            bits.code()


def aspect_of(bits: Bits) -> Fraction:
    """
    The shape of pixels from *bits* that begin at `vui_parameters_present_flag`, §E.1.1
    (in HEVC the same, §E.2.1); 0 where it is left open.
    """
    if not bits.take(1) or not bits.take(1):
        return Fraction(0)
    code = bits.take(8)
    if code == _EXTENDED:
        wide, high = bits.take(16), bits.take(16)
    else:
        wide, high = _NAMED[code] if code < len(_NAMED) else (0, 1)
    return Fraction(wide, high) if high else Fraction(0)
