"""HEVC's sequence parameter set, as far as anybody here asks for it."""

from __future__ import annotations

from fractions import Fraction

from .h264 import Bits, aspect_of

__all__ = ["SPS", "hevc_pixel_aspect", "is_base_layer"]

SPS = 33
"""nal_unit_type, ITU-T H.265 table 7-1."""
_PROFILE_BITS = 88
"""general_profile_space to the last bit before general_level_idc, §7.3.3."""
_LEVEL_BITS = 8
_SUB_LAYERS = 8
_444 = 3
_LARGEST_LIST = 3
_MOST_SETS = 64
_MOST_PICTURES = 16
_MOST_LONG = 32


def hevc_pixel_aspect(body: bytes) -> Fraction | None:
    """
    Width over height of a pixel, by *body*, the unit after its two first bytes
    (§7.3.2.2.1, §E.2.1); 0 where it is left open, None where it cannot be read.
    """
    bits = Bits(body)
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    _skip_profile(bits, layers)
    bits.code()
    if bits.code() == _444:
        bits.take(1)
    _skip_codes(bits, 2)
    if bits.take(1):
        _skip_codes(bits, 4)
    _skip_codes(bits, 2)
    order_bits = bits.code() + 4
    _skip_codes(bits, 3 * (layers + 1 if bits.take(1) else 1))
    _skip_codes(bits, 6)
    if bits.take(1) and bits.take(1):
        _skip_scaling(bits)
    bits.take(2)
    if bits.take(1):
        bits.take(8)
        _skip_codes(bits, 2)
        bits.take(1)
    if not _skip_references(bits):
        return None
    if bits.take(1):
        for _ in range(min(bits.code(), _MOST_LONG)):
            bits.take(order_bits + 1)
    bits.take(2)
    aspect = aspect_of(bits)
    return None if bits.ended else aspect


def is_base_layer(unit: bytes) -> bool:
    """By nuh_layer_id (§7.3.1.2): others are views and refinements of its pictures."""
    return len(unit) > 1 and not unit[0] & 1 and not unit[1] >> 3


def _skip_codes(bits: Bits, count: int) -> None:
    for _ in range(count):
        bits.code()


def _skip_profile(bits: Bits, layers: int) -> None:
    """§7.3.3, of the whole and of each of *layers*."""
    bits.take(_PROFILE_BITS + _LEVEL_BITS)
    there = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (_SUB_LAYERS - layers))
    for profile, level in there:
        bits.take(profile * _PROFILE_BITS + level * _LEVEL_BITS)


def _skip_scaling(bits: Bits) -> None:
    """§7.3.4."""
    for size in range(_LARGEST_LIST + 1):
        for _ in range(0, 6, 3 if size == _LARGEST_LIST else 1):
            if not bits.take(1):
                bits.code()
                continue
            if size > 1:
                bits.signed()
            for _ in range(min(64, 1 << (4 + (size << 1)))):
                bits.signed()


def _skip_references(bits: Bits) -> bool:
    """§7.3.7 of all sets, each said by those before; False where there is none."""
    count = bits.code()
    if count > _MOST_SETS:
        return False
    pictures: list[int] = []
    for number in range(count):
        if number and bits.take(1):
            pictures = _derived(bits, pictures)
            continue
        before, after = bits.code(), bits.code()
        if max(before, after) > _MOST_PICTURES:
            return False
        pictures = [*_listed(bits, before, -1), *_listed(bits, after, 1)]
    return True


def _listed(bits: Bits, count: int, way: int) -> list[int]:
    found, last = [], 0
    for _ in range(count):
        last += way * (bits.code() + 1)
        bits.take(1)
        found.append(last)
    return found


def _derived(bits: Bits, pictures: list[int]) -> list[int]:
    """A set said by how it differs from the one before, (7-61) and (7-62)."""
    sign = bits.take(1)
    step = (1 - 2 * sign) * (bits.code() + 1)
    kept = [
        distance + step for distance in (*pictures, 0) if bits.take(1) or bits.take(1)
    ]
    before = sorted((it for it in kept if it < 0), reverse=True)
    return [*before, *sorted(it for it in kept if it > 0)]
