"""Options that commands about jobs share."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .options import Duration, Text

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

FC = TypeVar("FC", bound=Callable[..., Any])

if TYPE_CHECKING:
    from ..jobs.ingest import Rule


_TAG = re.compile(r"[A-Za-z0-9_.:/@+-]{1,64}", re.ASCII)


class TagPair(click.ParamType):  # type: ignore[type-arg]  # since click 8.4
    """One tag as `key=value`; becomes a pair."""

    name = "KEY=VALUE"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, content = str(value).partition("=")
        if not (equals and _TAG.fullmatch(key) and _TAG.fullmatch(content)):
            self.fail(
                f"{value!r} is no tag; write key=value, each of at most 64 letters, "
                "digits and _ . : / @ + -.",
                param,
                ctx,
            )
        return key, content


to_option = click.option(
    "--to",
    type=Text("URI"),
    default="transcoded",
    show_default=True,
    help="Folder or s3://bucket/prefix of the results, where the jobs are kept, too.",
)
tag_option = click.option(
    "--tag",
    "tags",
    type=TagPair(),
    multiple=True,
    help="Written to the ledger, metrics and destinations; may be repeated.",
)
priority_option = click.option(
    "--priority",
    type=click.IntRange(-1000, 1000),
    default=0,
    show_default=True,
    help="Higher first; between equals the older first.",
)
concurrency_option = click.option(
    "--at-once",
    "concurrency",
    type=click.IntRange(min=1),
    default=None,
    help="Jobs worked on side by side; one more than this machine has cores.",
)
log_option = click.option(
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Lines on standard error: for a person, or one JSON object each.",
)


def settle_option(default: float) -> Callable[[FC], FC]:
    """How long a file is left alone; a round that ends soon waits less."""
    return click.option(
        "--settle",
        type=Duration(),
        default=default,
        show_default=f"{default:g}s",
        help="A file counts once it was left alone for so long: 5, 30s, 1m. One that "
        "was seen to grow is waited for longer.",
    )


prefix_option = click.option(
    "--suffix",
    "suffixes",
    multiple=True,
    help="Take only names that end like this, such as .mp4; may be repeated.",
)


def rule_of(  # noqa: PLR0913 - one argument per option
    to: str,
    planning: dict[str, Any],
    *,
    tags: tuple[tuple[str, str], ...],
    priority: int,
    suffixes: tuple[str, ...] = (),
    settle_seconds: float = 2.0,
) -> Rule:
    """What the options that commands share say of each upload."""
    from ..event.filter import Filter
    from ..jobs.ingest import Rule
    from ..request import Request

    budget: Decimal | None = planning.pop("budget")
    return Rule(
        request=Request.model_validate(
            {
                "source": "",
                "to": to,
                "deadline_seconds": planning.pop("deadline"),
                "budget": None if budget is None else format(budget, "f"),
                **planning,
            }
        ),
        only=Filter(suffixes=suffixes, may_be_media=True),
        tags=dict(tags),
        priority=priority,
        settle_seconds=settle_seconds,
    )
