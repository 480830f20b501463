"""Profiles and platforms as text: one line each in a list, one page alone."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ...plan.profile import AudioProfile, Profile, VideoProfile
from ...platforms.lattice import (
    GridLattice,
    Lattice,
    ListLattice,
    MachineLattice,
    RangeLattice,
    TableLattice,
    TierLattice,
)
from ...platforms.platform import Billing, CpuRow, Platform, Prices, held_to_tier
from ...units import amount, duration, one_line, printable, size, table

Rows = list[tuple[str, str]]


def title(one: Profile | Platform) -> str:
    """What it is, in one line."""
    return one_line(one.title)


def list_text(many: Sequence[Profile] | Sequence[Platform]) -> str:
    return table([(one.name, title(one)) for one in many], indent="")


def one_text(one: Profile | Platform) -> str:
    """The whole of it, as a person reads it."""
    text = _profile(one) if isinstance(one, Profile) else _platform(one)
    return printable(text)


def to_json(many: Sequence[Profile] | Sequence[Platform]) -> str:
    return json.dumps([one.model_dump(mode="json") for one in many], indent=2)


def _profile(profile: Profile) -> str:
    parts = [f"{profile.name}: {profile.title}"]
    if profile.description.strip():
        parts.append(profile.description.strip())
    rows: Rows = [("packaging", _packaging(profile))]
    if profile.video is not None:
        rows += _video(profile.video)
        rows += [("also", _made_by(it)) for it in profile.also]
    else:
        rows.append(("video", "none; pictures are ignored"))
    rows += [("audio", _audio(audio)) for audio in profile.audio]
    if not profile.audio:
        rows.append(("audio", "none; sound is dropped"))
    if profile.poster is not None:
        rows.append(
            ("poster", f"JPEG, short side up to {profile.poster.max_short_side}")
        )
    if profile.sprites is not None:
        every = f"{profile.sprites.interval_seconds:g} s"
        rows.append(("sprites", f"a thumbnail every {every}, with a WebVTT track"))
    rows.append(("verify", profile.verify))
    kept = "kept" if profile.keep_metadata else "stripped (location, device, titles)"
    rows += [("metadata", kept), ("digest", profile.digest)]
    parts.append(table(rows))
    for video in profile.videos:
        head = ("short side", "quality (CRF)", "at most")
        rungs = [
            (str(r.short_side), f"{r.crf:g}", f"{r.max_bit_rate_kbps} kbit/s")
            for r in video.descending
        ]
        what = f"Ladder of {video.codec}" if profile.also else "Ladder"
        parts.append(f"{what}; never larger than the source\n{table(rungs, head=head)}")
    return "\n\n".join(parts)


def _packaging(profile: Profile) -> str:
    packaging = profile.packaging
    if packaging.type == "file":
        return "self-contained files"
    names = [
        name
        for name, made in (("HLS", packaging.hls), ("DASH", packaging.dash))
        if made
    ]
    every = f"{packaging.segment_seconds:g} s"
    if packaging.segments == "single_file":
        every += ", one file for each rendition,"
    return f"CMAF segments of {every} for {' and '.join(names)}"


def _video(video: VideoProfile) -> Rows:
    copied = "copied where it conforms" if video.copy_conforming else "always encoded"
    rate = (
        "as the source"
        if video.max_frame_rate is None
        else f"as the source, at most {video.max_frame_rate:g}"
    )
    return [
        ("video", f"{_made_by(video)}; {copied}"),
        ("frame rate", rate),
        ("keyframes", f"every {video.gop_seconds:g} s"),
    ]


def _made_by(video: VideoProfile) -> str:
    encoders = " or ".join(video.preferred_encoders)
    return f"{video.codec} by {encoders}, preset {video.preset}"


def _audio(audio: AudioProfile) -> str:
    channels = {1: "mono", 2: "stereo"}.get(
        audio.channels, f"{audio.channels} channels"
    )
    parts = [
        f"{audio.codec}, {audio.bit_rate_kbps_per_channel} kbit/s a channel",
        f"{channels} at most",
        f"{audio.sample_rate} Hz",
        "all languages" if audio.languages == "all" else "the default language",
    ]
    if audio.loudness is not None:
        parts.append(f"normalised to {audio.loudness.integrated_lufs:g} LUFS")
    elif audio.copy_conforming:
        parts.append("copied where it conforms")
    return "; ".join([", ".join(parts[:3]), *parts[3:]])


def _platform(platform: Platform) -> str:
    billing, limits, scratch = platform.billing, platform.limits, platform.scratch
    rows: Rows = [
        ("specs", _lattice(platform.lattice)),
        *_called(platform),
        ("throttled", "to its CPU share" if platform.throttled else "memory only"),
        ("billed", _billed(billing)),
        *_prices(platform.price, platform.currency),
        *_store(platform),
    ]
    if platform.free_tier is not None:
        free = platform.free_tier
        shares = (
            (free.requests, "requests"),
            (free.gib_seconds, "GiB-seconds"),
            (free.vcpu_seconds, "vCPU-seconds"),
        )
        shown = ", ".join(f"{count:,} {what}" for count, what in shares if count)
        rows.append(("free", f"{shown} a month; no single job is priced with it"))
    most = (
        "as much as the machine has"
        if scratch.maximum_mib is None and not scratch.sizes_mib
        else f"up to {scratch.maximum_mib or max(scratch.sizes_mib)} MiB"
    )
    where = "in memory, and counts as it" if scratch.in_memory else most
    free_of_charge = f", {scratch.free_mib} MiB free" if scratch.free_mib else ""
    rows.append(("scratch", f"{where}{free_of_charge}"))
    if limits.time_limit_seconds is not None:
        rows.append(("time limit", duration(limits.time_limit_seconds)))
    if limits.payload_bytes is not None:
        rows.append(("payload", f"{size(limits.payload_bytes)} a call"))
    rows += [
        ("price table", platform.price_table.isoformat()),
        ("source", f"{platform.price.source} ({platform.price.as_of.isoformat()})"),
    ]
    return f"{platform.name}: {platform.title}\n\n{table(rows)}"


def _store(platform: Platform) -> Rows:
    """What requests to its object store cost, or why nobody knows."""
    store, unit = platform.store, platform.price.unit_price
    if store is None:
        return []
    put, get = store.puts_per_thousand, store.gets_per_thousand
    if put is None or get is None:
        return [("store", f"{store.name}: {store.reason}")]
    puts, gets = amount(put * unit), amount(get * unit)
    said = f"{puts} {platform.currency} per thousand PUT, {gets} per thousand GET"
    return [("store", f"{store.name}: {said} ({store.as_of.isoformat()})")]


def _called(platform: Platform) -> Rows:
    """By which engines, and what these call where a call has no memory of its own."""
    rows: Rows = [("engines", ", ".join(platform.engines))] if platform.engines else []
    if platform.tier is not None:
        rows.append(("called", _lattice(held_to_tier(platform).lattice)))
    return rows


def _lattice(lattice: Lattice) -> str:
    match lattice:
        case ListLattice():
            values = " ".join(str(value) for value in lattice.memory_mib)
            return (
                f"memory {values} MiB; "
                f"CPU {_cpus(lattice.cpu_base_milli)} vCPU + "
                f"{_cpus(lattice.cpu_milli_per_128_mib)} per 128 MiB"
            )
        case RangeLattice():
            return (
                f"memory {lattice.minimum_mib} to {lattice.maximum_mib} MiB in steps "
                f"of {lattice.step_mib}; one vCPU per {lattice.mib_per_vcpu} MiB"
            )
        case TierLattice():
            pairs = zip(lattice.memory_mib, lattice.scratch_mib, strict=True)
            sizes = ", ".join(f"{memory} ({scratch})" for memory, scratch in pairs)
            return (
                f"functions of {sizes} MiB, with so much scratch; one vCPU per "
                f"{lattice.mib_per_vcpu} MiB"
            )
        case GridLattice():
            return (
                f"{_cpus(lattice.minimum_milli)} to {_cpus(lattice.maximum_milli)} "
                f"vCPU in steps of {_cpus(lattice.step_milli)}; memory "
                f"{lattice.minimum_mib} to {lattice.maximum_mib} MiB, "
                f"{lattice.least_mib_per_vcpu} to {lattice.most_mib_per_vcpu} per vCPU"
            )
        case TableLattice():
            rows = ", ".join(
                f"{_cpus(r.maximum_milli)} vCPU with {_range(r)}" for r in lattice.row
            )
            return f"up to {rows} MiB"
        case MachineLattice():
            return "whole cores and any memory that this machine has"


def _range(row: CpuRow) -> str:
    if row.minimum_mib == row.maximum_mib:
        return str(row.minimum_mib)
    return f"{row.minimum_mib}–{row.maximum_mib}"


def _billed(billing: Billing) -> str:
    text = f"in steps of {billing.round_up_milliseconds} ms, rounded up"
    least = billing.minimum_milliseconds
    return f"{text}, {duration(least / 1000)} at least" if least else text


def _cpus(milli: int) -> str:
    return f"{milli / 1000:g}"


def _prices(price: Prices, currency: str) -> Rows:
    unit = price.unit_price
    listed = (
        (price.gib_second * unit, "GiB-second"),
        (price.vcpu_second * unit, "vCPU-second"),
        (None if price.gib_hour is None else price.gib_hour * unit, "GiB-hour"),
        (None if price.vcpu_hour is None else price.vcpu_hour * unit, "vCPU-hour"),
        (price.scratch_gib_second * unit, "GiB-second of scratch"),
        (
            None if price.scratch_gib_hour is None else price.scratch_gib_hour * unit,
            "GiB-hour of scratch",
        ),
        (price.requests_per_million * unit, "million requests"),
    )
    return [
        ("price", f"{amount(value)} {currency} per {what}")
        for value, what in listed
        if value
    ]
