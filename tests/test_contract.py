"""What travels as JSON keeps its names and loses nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from pydantic import ValidationError

from transcode.contract import Manifest, Money, VideoFacts, VideoStream

EXAMPLE = """
{"schema": "transcode/manifest/1", "job_id": "j", "status": "succeeded",
 "source": {"uri": "a.mov", "bytes": 1, "etag": "e", "version": null},
 "profile": {"name": "hls", "digest": "sha256:0"},
 "platform": {"name": "functiongraph", "price_table": "2024-09-09"},
 "engine": "local",
 "media": {"container": "mov", "format_name": "mov", "duration_seconds": 30.16,
   "video": [{"index": 0, "codec": "h264", "width": 768, "height": 432,
     "display_width": 768, "display_height": 432, "rotation_degrees": 0,
     "frame_rate": "25/2", "frames": 377, "pixel_format": "yuv420p",
     "dynamic_range": "sdr", "interlaced": false, "variable_frame_rate": false}],
   "audio": [], "subtitles": []},
 "outputs": [{"uri": "…", "kind": "rendition", "made_by": "encoded", "bytes": 1,
   "sha256": "…", "container": "mp4", "duration_seconds": 30.16,
   "video": {"codec": "h264", "width": 426, "height": 240, "frames": 377},
   "audio": null}],
 "tasks": [{"task_id": "t", "kind": "encode", "attempts": [{"number": 1,
   "spec": {"memory_mib": 1024, "milli_cpus": 1000, "gpu": null},
   "predicted": {"wall_seconds": 3.1, "cpu_seconds": 3.0,
     "peak_memory_bytes": 190000000},
   "measured": {"wall_seconds": 3.0, "billed_milliseconds": 3004,
     "cpu_seconds": 2.9, "peak_memory_bytes": 183000000, "read_bytes": 1,
     "written_bytes": 1},
   "cost": {"amount": "0.000334", "currency": "CNY"}, "outcome": "succeeded"}]}],
 "cost": {"amount": "0.000361", "currency": "CNY", "predicted": "0.000370"},
 "verification": {"passed": true,
   "checks": [{"name": "duration", "passed": true, "detail": "…"}]},
 "warnings": []}
"""


def test_the_documented_manifest_is_read_and_written_alike() -> None:
    """Every documented name survives; new ones come on top."""
    written = json.loads(Manifest.from_json(EXAMPLE).to_json())

    assert _contains(written, json.loads(EXAMPLE))


def _contains(whole: object, part: object) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            k in whole and _contains(whole[k], v) for k, v in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(map(_contains, whole, part))
    return whole == part


def test_a_rate_is_an_exact_ratio_in_json() -> None:
    """Whole rates keep their denominator, so that one parser reads all."""
    facts = VideoFacts(
        codec="h264", width=2, height=2, frames=1, frame_rate=Fraction(30)
    )

    assert json.loads(facts.to_json())["frame_rate"] == "30/1"
    assert VideoFacts.from_json(facts.to_json()) == facts


def test_small_money_has_no_exponent() -> None:
    """0.0000001 is written out; a spreadsheet reads it."""
    money = Money(amount=Decimal("1E-7"), currency="USD")

    assert json.loads(money.to_json())["amount"] == "0.0000001"


def test_currencies_do_not_add() -> None:
    """A sum over two currencies is nobody's price."""
    with pytest.raises(ValueError, match="cannot add"):
        Money(amount=Decimal(1), currency="CNY") + Money(
            amount=Decimal(1), currency="USD"
        )


def test_values_are_frozen_and_closed() -> None:
    """An unknown field is a bug, a changed one too."""
    with pytest.raises(ValidationError):
        VideoStream.model_validate({"index": 0, "colour": "red"})
