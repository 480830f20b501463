"""Which groups of pictures are decoded between the first and the last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transcode.work.verify.sampling import sample_times


def test_what_chunks_have_decoded_a_join_does_not(
    make_task: Any, make_recipe: Any, video: Any, make_clip: Any
) -> None:
    """Nobody else has looked at what is encoded whole, or at what a join copies."""
    encoded = video(320, 240)
    copied = encoded.model_copy(update={"made_by": "copied"})
    recipe = make_recipe(video=(encoded,), audio=())
    clip: Path = make_clip("one", 1)
    task = make_task(clip, recipe)
    hour = task.media.model_copy(update={"duration_seconds": 3600.0})

    def count(kind: str, plan: Any) -> int:
        changed = task.model_copy(update={"kind": kind, "media": hour})
        return len(sample_times(changed, plan, 0))

    assert 0 == count("join", encoded)
    assert 8 == count("join", copied) == count("encode", encoded)
    assert 8 == count("chunk", encoded)
