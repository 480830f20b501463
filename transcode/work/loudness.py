"""How loud a finished soundtrack is: EBU R128, by libavfilter's own meter."""

from __future__ import annotations

import math
from typing import Any

from ..contract import LoudnessFacts

_BLOCK_SECONDS = 0.4
"""The meter's gating block (ITU-R BS.1770-5): of less it says nothing."""
_RANGE_SECONDS = 3.0
"""The window of the loudness range (EBU Tech 3342)."""
_GATE_LUFS = -70.0
"""The absolute gate, which is also what the meter says of silence."""
_TAIL_SECONDS = 0.1
"""The meter speaks ten times a second: so much silence makes it finish its sentence."""


class LoudnessMeter:
    """Hears decoded frames in order; all of one track."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._form: tuple[object, ...] = ()
        self._seconds = 0.0
        self._said: dict[str, str] = {}
        self._peak = 0.0
        self._changed = False

    def take(self, frame: Any) -> None:
        """The next frame."""
        form = (frame.sample_rate, frame.format.name, frame.layout.name)
        if self._graph is None:
            self._form, self._graph = form, _graph(frame)
        if form != self._form:
            self._changed = True
        if self._changed:
            return
        self._seconds += frame.samples / frame.sample_rate
        self._graph.push(frame)
        self._listen()

    def result(self) -> LoudnessFacts | str:
        """What was heard; a clause where that has no loudness. To be called once."""
        if self._changed:
            return "the sound changes its form on the way"
        if self._graph is not None:
            self._graph.push(None)
            self._listen()
        if self._seconds < _BLOCK_SECONDS:
            return f"it is shorter than {_BLOCK_SECONDS} s"
        integrated = float(self._said.get("lavfi.r128.I", "nan"))
        if not integrated > _GATE_LUFS or not self._peak > 0:
            return "it is silent"
        lasting = self._seconds >= _RANGE_SECONDS
        spread = float(self._said["lavfi.r128.LRA"]) if lasting else None
        return LoudnessFacts(
            integrated_lufs=round(integrated, 2),
            range_lu=None if spread is None else round(spread, 2),
            true_peak_dbtp=round(20 * math.log10(self._peak), 2),
        )

    def _listen(self) -> None:
        import av  # noqa: PLC0415  loading is billed: at first use only

        while True:
            try:
                heard = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            if heard.metadata:
                self._said = dict(heard.metadata)
                self._peak = float(self._said["lavfi.r128.true_peak"])


def _graph(frame: Any) -> Any:
    import av  # noqa: PLC0415  as above

    graph = av.filter.Graph()
    steps = [
        graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            time_base=frame.time_base,
        ),
        graph.add("apad", f"pad_len={round(frame.sample_rate * _TAIL_SECONDS)}"),
        graph.add("ebur128", "metadata=1:peak=true:framelog=quiet"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*steps)
    graph.configure()
    return graph
