"""
Functions of one image that differ in what no header of a call sets: time limit, scratch
and GPU. Which of them takes a task is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from ..contract import Spec
from ..errors import SettingsError
from ..platforms.platform import Platform

VARIABLE = "TRANSCODE_FUNCTIONGRAPH_FUNCTION"
SCRATCH_SIZES_MIB = (512, 10240)
"""The only two of `/tmp`; "Notes and Constraints" of FunctionGraph, 2025-07-09."""
TIME_LIMIT_SECONDS = (3, 259_200)
"""From and to; "Creating a Function" of FunctionGraph's API reference, 2025-08-30."""
GPU_MEMORY_MIB = (1024, 16_384)
"""From and to, in steps of 1024; the same page."""
_GPU = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*):([0-9]{1,6})")
_FORM = "urn:fss:…,seconds=900,scratch=512,gpu=nvidia-t4:16384"


@dataclass(frozen=True, slots=True)
class FunctionVariant:
    """One function, and what it was set up with; None: not said, as large as needed."""

    address: str
    """As destinations are written: `urn:fss:…` or `functiongraph+https://…/urn:…`."""
    time_limit_seconds: int | None = None
    scratch_mib: int | None = None
    gpu: str | None = None
    gpu_memory_mib: int | None = None

    @property
    def name(self) -> str:
        """That of the function."""
        return self.address.rpartition(":function:")[2].split(":")[1]

    @property
    def package(self) -> str:
        """What the function is grouped under."""
        return self.address.rpartition(":function:")[2].split(":")[0]

    def lacks(self, spec: Spec) -> str | None:
        """What *spec* needs and this function has not; None where it fits."""
        seconds, scratch = self.time_limit_seconds, self.scratch_mib
        if seconds is not None and (spec.time_limit_seconds or 0) > seconds:
            return f"may run for {seconds} s"
        if scratch is not None and (spec.scratch_mib or 0) > scratch:
            return f"has {scratch} MiB of scratch"
        if spec.gpu is not None and (
            spec.gpu.kind != self.gpu
            or spec.gpu.memory_mib > (self.gpu_memory_mib or 0)
        ):
            return f"has {self.gpu or 'no GPU'}"
        return None

    @property
    def dearness(self) -> tuple[int, float, float]:
        """
        Less is cheaper: without a GPU, with little scratch, for a short time. Neither
        size of scratch has a list price; who asks for less is started sooner.
        """
        return (
            self.gpu_memory_mib or 0,
            self.scratch_mib or inf,
            self.time_limit_seconds or inf,
        )


def parse_variants(text: str) -> tuple[FunctionVariant, ...]:
    """
    Functions separated by white space, each with what it has behind commas.

    Raises `SettingsError` for what is none, is said twice or has no such size.
    """
    found = tuple(_variant(word) for word in text.split())
    names = [one.address for one in found]
    if not found or len({*names}) < len(names):
        raise _wrong("name at least one function" if not found else "one stands twice")
    return found


def cheapest(variants: Sequence[FunctionVariant], spec: Spec) -> FunctionVariant | None:
    """The cheapest that takes *spec*, the first of equals; None where none does."""
    able = [one for one in variants if one.lacks(spec) is None]
    return min(able, key=lambda it: it.dearness, default=None)


def misfit(variants: Sequence[FunctionVariant], spec: Spec) -> str:
    """Why no function takes *spec*, each by its name."""
    asked = [
        f"{spec.time_limit_seconds} s" if spec.time_limit_seconds else "",
        f"{spec.scratch_mib} MiB of scratch" if spec.scratch_mib else "",
        f"{spec.gpu.kind} with {spec.gpu.memory_mib} MiB" if spec.gpu else "",
    ]
    each = ", ".join(f"{one.name} {one.lacks(spec)}" for one in variants)
    return (
        f"No function of {VARIABLE} takes it: {', '.join(filter(None, asked))} are "
        f"asked for, and {each}."
    )


def narrowed(platform: Platform, variants: Sequence[FunctionVariant]) -> Platform:
    """*platform* with the most that any of the functions has, so that plans fit."""
    seconds = [one.time_limit_seconds for one in variants]
    scratch = [one.scratch_mib for one in variants]
    limits, disk = platform.limits, platform.scratch
    known = [it for it in seconds if it is not None]
    if len(known) == len(seconds):
        most = min(max(known), limits.time_limit_seconds or max(known))
        limits = limits.model_copy(update={"time_limit_seconds": most})
    sizes = [it for it in scratch if it is not None]
    if len(sizes) == len(scratch):
        left = tuple(it for it in disk.sizes_mib if it <= max(sizes))
        disk = disk.model_copy(update={"sizes_mib": left})
    return platform.model_copy(update={"limits": limits, "scratch": disk})


def _variant(word: str) -> FunctionVariant:
    address, *more = word.split(",")
    given: dict[str, str] = {}
    for one in more:
        name, equals, value = one.partition("=")
        if not equals or name in given or name not in {"seconds", "scratch", "gpu"}:
            raise _wrong(f"{one!r} is none of seconds=, scratch= and gpu=, once each")
        given[name] = value
    least, most = TIME_LIMIT_SECONDS
    gpu = _gpu(given["gpu"]) if "gpu" in given else (None, None)
    return FunctionVariant(
        address,
        time_limit_seconds=_number(given, "seconds", range(least, most + 1)),
        scratch_mib=_number(given, "scratch", SCRATCH_SIZES_MIB),
        gpu=gpu[0],
        gpu_memory_mib=gpu[1],
    )


def _number(
    given: dict[str, str], name: str, allowed: range | tuple[int, ...]
) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and int(text) in allowed:
        return int(text)
    said = (
        f"{allowed[0]} to {allowed[-1]}"
        if isinstance(allowed, range)
        else " or ".join(map(str, allowed))
    )
    raise _wrong(f"{name}={text} is not {said}")


def _gpu(text: str) -> tuple[str, int]:
    found, (least, most) = _GPU.fullmatch(text), GPU_MEMORY_MIB
    if found is None or int(found[2]) not in range(least, most + 1, least):
        raise _wrong(
            f"gpu={text} is not a kind and its MiB, in steps of {least} up to {most}"
        )
    return found[1], int(found[2])


def _wrong(why: str) -> SettingsError:
    return SettingsError(
        f"{VARIABLE}: {why}. It is written {_FORM}; several are separated by spaces.",
        setting=VARIABLE,
    )
