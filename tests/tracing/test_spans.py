"""Traces: where somebody collects them, and nothing where nobody does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import MakeClip

# The provider is a process's own: another test must not be traced.
_CODE = """
import json, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import transcode

kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
with trace.get_tracer("mine").start_as_current_span("my own"):
    transcode.run(sys.argv[1], to="out", profile="preview")
try:
    transcode.run(sys.argv[2], to="out", profile="preview")
except transcode.MediaError:
    pass
names = {one.context.span_id: one.name for one in kept.get_finished_spans()}
print(json.dumps([
    [one.name, names.get(one.parent.span_id) if one.parent else None,
     dict(one.attributes), one.status.status_code.name]
    for one in kept.get_finished_spans()
]))
"""


def test_a_programs_own_traces_have_ours(make_clip: MakeClip, tmp_path: Path) -> None:
    """
    Probe, plan, attempt and delivery stand within the job, and that in the span that
    was open; the attempt says what it took and cost; what failed is marked as such.
    """
    clip = make_clip("traced", 1, audio=False)
    (tmp_path / "no.mp4").write_bytes(b"no media" * 100)
    argv = [sys.executable, "-c", _CODE, str(clip), "no.mp4"]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    spans: list[Any] = json.loads(done.stdout)
    good, bad = spans[: [s[0] for s in spans].index("my own")], spans[-2:]
    said = {name: attributes for name, _, attributes, _ in good}

    assert [
        ("transcode.probe", "transcode.job", "UNSET"),
        ("transcode.plan", "transcode.job", "UNSET"),
        ("transcode.attempt", "transcode.job", "UNSET"),
        ("transcode.deliver", "transcode.job", "UNSET"),
        ("transcode.job", "my own", "UNSET"),
    ] == [(name, parent, status) for name, parent, _, status in good]
    assert [("transcode.probe", "ERROR"), ("transcode.job", "ERROR")] == [
        (name, status) for name, _, _, status in bad
    ]
    assert "succeeded" == said["transcode.attempt"]["transcode.outcome"]
    assert 0 < said["transcode.attempt"]["transcode.cpu_seconds"]
    assert 1 == said["transcode.plan"]["transcode.tasks"]
    assert 1.0 == said["transcode.probe"]["transcode.duration_seconds"]


def test_where_nobody_collects_nothing_is_loaded() -> None:
    """No span, no header, no OpenTelemetry."""
    code = (
        "import sys; from transcode.tracing.spans import span, traceparent\n"
        "with span('job') as one: one.mark({'a': 1}); print(traceparent())\n"
        "print([it for it in sys.modules if it.startswith('opentelemetry')])"
    )
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert "None\n[]\n" == done.stdout


def test_traces_without_the_extra_are_refused(tmp_path: Path) -> None:
    """With what to install; a job that nobody sees is not what was asked for."""
    (tmp_path / "opentelemetry.py").write_text("raise ImportError\n")
    env = {**os.environ, "TRANSCODE_TRACES": "otlp", "PYTHONPATH": str(tmp_path)}
    argv = [sys.executable, "-m", "transcode", "plan", "clip.mov"]
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)

    assert 2 == done.returncode
    assert "pip install 'transcode-elastic[otel]'" in done.stderr
