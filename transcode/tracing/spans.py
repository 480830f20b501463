"""
Spans of a job: event → probe → plan → attempts → deliver, as OpenTelemetry has them.

Who wants them has loaded OpenTelemetry: `begin` does for `TRANSCODE_TRACES`, a program
that uses the library for itself. Where it was not loaded, nothing is, and a span is a
look into a dictionary. Contexts of callers and of workers are headers of W3C Trace
Context, https://www.w3.org/TR/trace-context/#traceparent-header.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from ..errors import SettingsError
from ..version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Span

TRACER = "transcode"
HEADER = "traceparent"
Exporter = Literal["otlp", "console"]
"""Sent to a collector, as the standard's own OTEL_EXPORTER_OTLP_… say; or written to
standard error, a JSON document each."""
Attributes = Mapping[str, str | int | float | None]
_FLUSH_MILLISECONDS = 5000
_LOADED = "opentelemetry.trace"


class Marked:
    """A span that is open; without OpenTelemetry, nothing."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def mark(self, attributes: Attributes) -> None:
        """Say more of it; what is unknown is left out."""
        if self._span is not None:
            known = {key: it for key, it in attributes.items() if it is not None}
            self._span.set_attributes(known)


@contextmanager
def span(
    name: str, attributes: Attributes | None = None, *, parent: str | None = None
) -> Iterator[Marked]:
    """
    What is done in the block, within the span that is open here, or within *parent*, a
    header of somebody else's. An error that leaves the block stands in it.
    """
    if _LOADED not in sys.modules:
        yield Marked()
        return
    from opentelemetry import trace  # noqa: PLC0415 - see above

    tracer = trace.get_tracer(TRACER, __version__)
    given = None if parent is None else _context_of(parent)
    with tracer.start_as_current_span(f"transcode.{name}", context=given) as one:
        marked = Marked(one)
        marked.mark(attributes or {})
        yield marked


def traceparent() -> str | None:
    """The span that is open here as a header; None where there is none."""
    if _LOADED not in sys.modules:
        return None
    carrier: dict[str, str] = {}
    _propagator().inject(carrier)
    return carrier.get(HEADER)


def begin(exporter: Exporter | None) -> None:
    """
    Have spans of this process told; nothing where somebody has seen to that.

    Raises `SettingsError` where the extra `otel` is not installed.
    """
    if exporter is None:
        return
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an extra, and heavy
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
            BatchSpanProcessor,
            ConsoleSpanExporter,
            SpanExporter,
        )

        sends: SpanExporter = ConsoleSpanExporter(out=sys.stderr)
        if exporter == "otlp":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )

            sends = OTLPSpanExporter()
    except ImportError as exc:
        raise SettingsError(
            f"TRANSCODE_TRACES is {exporter}, and OpenTelemetry is not installed: "
            "pip install 'transcode-elastic[otel]'.",
            setting="TRANSCODE_TRACES",
        ) from exc
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    resource = Resource.create({"service.version": __version__})
    if str(resource.attributes["service.name"]).startswith("unknown"):
        # OTEL_SERVICE_NAME was not set.
        resource = resource.merge(Resource({"service.name": TRACER}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(sends))
    trace.set_tracer_provider(provider)


def flush() -> None:
    """Send what was not sent yet: a function that returned stands still."""
    if _LOADED not in sys.modules:
        return
    from opentelemetry import trace  # noqa: PLC0415 - see above

    provider: Any = trace.get_tracer_provider()
    if hasattr(provider, "force_flush"):
        provider.force_flush(_FLUSH_MILLISECONDS)


def _propagator() -> Any:
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator()


def _context_of(header: str) -> Any:
    """What *header* names; as if it had not been said, where it is no such header."""
    return _propagator().extract({HEADER: header})
