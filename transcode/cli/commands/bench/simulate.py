"""`bench simulate`: its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .registry import measures, profile_option

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ....bench.report import Found
    from ....bench.telling import Tell
    from ....wiring import Wiring


@measures("simulate", "A day of a million uploads on platforms' functions.", repeat=0)
@click.option(
    "--uploads",
    type=click.IntRange(min=1),
    default=1_000_000,
    show_default=True,
    help="How many come on that day.",
)
@profile_option("hls")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of what is drawn by lot."
)
def simulate(
    *, wired: Wiring, tell: Tell, uploads: int, profile: str, seed: int
) -> Found:
    """
    Simulate a day of uploads on FunctionGraph and Lambda, event by event.

    Told are cost and latency with a spec chosen for each task and with one for all,
    how many run at once, what is discarded or waits, and what the assumptions are
    worth. Nothing is called, and nothing is encoded.

    \b
    Examples:
      transcode bench simulate --page day.html
      transcode bench simulate --uploads 20000 --profile mp4
    """
    from ....bench.simulate import DayAsked, simulated_days

    asked = DayAsked(uploads=uploads, profile=profile, seed=seed)
    return simulated_days(wired, tell, asked)
