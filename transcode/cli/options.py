"""What options accept, what they complete to, and those that commands share."""

from __future__ import annotations

import re
from calendar import IllegalMonthError, monthrange
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|)", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Duration(click.ParamType):  # type: ignore[type-arg]  # since click 8.4
    """Seconds as `90`, `90s`, `5m` or `1h`; becomes a float."""

    name = "TIME"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value).strip())
        seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
        if seconds <= 0:
            self.fail(
                f"{value!r} is no time above zero; write seconds (90 or 90s), "
                "minutes (5m) or hours (1h).",
                param,
                ctx,
            )
        return seconds


class Amount(click.ParamType):  # type: ignore[type-arg]  # since click 8.4
    """A decimal amount of money, kept exactly; becomes a Decimal."""

    name = "AMOUNT"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Decimal:
        # Not before it is asked for: the contract takes its time to import.
        from ..contract.value import decimal_amount  # noqa: PLC0415

        try:
            amount = decimal_amount(str(value))
        except ValueError:
            amount = Decimal(-1)
        if amount < 0:
            self.fail(
                f"{value!r} is no amount; write a decimal number such as 0.05, in the "
                "platform's currency and without its name.",
                param,
                ctx,
            )
        return amount


class ExchangeRate(click.ParamType):  # type: ignore[type-arg]  # since click 8.4
    """What one of a currency is worth in the plan's, as `CNY=0.14`; becomes a pair."""

    name = "CURRENCY=AMOUNT"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, Decimal]:
        if isinstance(value, tuple):
            return value
        from ..contract.value import decimal_amount  # noqa: PLC0415 - as above

        currency, _, text = str(value).partition("=")
        try:
            rate = decimal_amount(text)
        except ValueError:
            rate = Decimal(0)
        if not _CURRENCY.fullmatch(currency) or rate <= 0:
            self.fail(
                f"{value!r} is no rate; write what one of a currency is worth in the "
                "plan's own: CNY=0.14.",
                param,
                ctx,
            )
        return currency, rate


class Day(click.ParamType):  # type: ignore[type-arg]  # since click 8.4
    """A day, or a month for its first or its last one; becomes a `date`."""

    name = "DAY"

    def __init__(self, *, last: bool) -> None:
        self.last = last

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> date:
        if isinstance(value, date):
            return value
        text = str(value)
        found = _MONTH.fullmatch(text)
        try:
            if found is None:
                return date.fromisoformat(text)
            year, month = int(found[1]), int(found[2])
            return date(year, month, monthrange(year, month)[1] if self.last else 1)
        except (ValueError, IllegalMonthError):
            self.fail(
                f"{text!r} is no day; write 2026-11-22, or 2026-11 for a month.",
                param,
                ctx,
            )


class Text(click.ParamType):  # type: ignore[type-arg]  # since click 8.4
    """Text that can be stored and printed: valid UTF-8, and not empty."""

    name = "TEXT"

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        text = str(value)
        if not text:
            self.fail("it is empty.", param, ctx)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(
                f"{text!r} is not valid UTF-8; rename it, or point to it by a link "
                "whose name is.",
                param,
                ctx,
            )
        return text

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - a shell's

        return [CompletionItem(incomplete, type="file")]


class NameOrFile(Text):
    """The name of something that ships, or the path of a TOML file."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(name)
        self.kind = kind

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - a shell's

        if "/" in incomplete or incomplete.startswith("."):
            return [CompletionItem(incomplete, type="file")]
        from .completion import known  # noqa: PLC0415 - only when a shell asks

        return [
            CompletionItem(name, help=title)
            for name, title in known(self.kind)
            if name.startswith(incomplete)
        ]


class JobName(Text):
    """
    A job by its id, the first digits of it, or its folder of results: as a manifest's
    `location` has it, too, which on S3 is that of the attempt inside.
    """

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        text: str = super().convert(value, param, ctx)
        above, _, name = text.rstrip("/").rpartition("/")
        job = re.fullmatch(r"[\w-]+\.([0-9a-f]{12})-[a-z]+\.\d+", name, re.ASCII)
        return above if job and above.endswith(f".{job[1]}") else text

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - a shell's

        if "/" in incomplete:
            return [CompletionItem(incomplete, type="file")]
        from .completion import known_jobs  # noqa: PLC0415 - only when a shell asks

        to = ctx.params.get("to") or "transcoded"
        return [
            CompletionItem(name, help=title)
            for name, title in known_jobs(to, incomplete)
        ]


SOURCE = Text("SOURCE")
JOB = JobName("JOB")
PROFILE = NameOrFile("NAME|FILE", "profiles")
PLATFORM = NameOrFile("NAME|FILE", "platforms")


def source_argument(command: Command) -> Command:
    return click.argument("source", type=SOURCE)(command)


def state_option(command: Command) -> Command:
    """`--to`, for commands that look at what jobs left there."""
    return click.option(
        "--to",
        type=Text("URI"),
        default="transcoded",
        show_default=True,
        help="Folder or s3://bucket/prefix of the results, with the state of jobs.",
    )(command)


def days_options(command: Command) -> Command:
    """`--since` and `--until`, both included."""
    command = click.option(
        "--until",
        type=Day(last=True),
        help="The last day, UTC: 2026-11-22, or 2026-11 for a whole month.",
    )(command)
    return click.option(
        "--since", type=Day(last=False), help="The first day, UTC; a month, too."
    )(command)


def output_options(command: Command) -> Command:
    """
    `--json` and `--verbose`, which every command that reads something has.

    `--verbose` concerns failures only, so it is read at the edge, where those end.
    """
    command = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        help="When something fails, show the evidence and the traceback too.",
    )(command)
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print exactly one JSON document on stdout; all else goes to stderr.",
    )(command)


def engine_option(command: Command) -> Command:
    """Where what is planned is done."""
    return click.option(
        "--engine",
        type=Text("NAME"),
        default="local",
        show_default=True,
        help="Where the work runs: `local`, `ray`, `functiongraph`, `aws-lambda` or "
        "`kubernetes`.",
    )(command)


def planning_options(command: Command) -> Command:
    """What decides on a plan; the same for `plan` and `run`."""
    for option in reversed(
        (
            click.option(
                "--profile",
                type=PROFILE,
                default="hls",
                show_default=True,
                help="What to make; `transcode profiles` lists what ships.",
            ),
            click.option(
                "--platform",
                type=PLATFORM,
                default=None,
                help="Whose specs and prices; `transcode platforms` lists them. "
                "By default the engine's own: `local`, this machine.",
            ),
            click.option(
                "--deadline",
                type=Duration(),
                help="Finish within this time: 90, 90s, 5m or 1h. "
                "Refused with exit code 5 when nothing is fast enough.",
            ),
            click.option(
                "--budget",
                type=Amount(),
                help="Spend no more than this, in the platform's currency: 0.05.",
            ),
            click.option(
                "--memory",
                "memory_mib",
                type=click.IntRange(min=1),
                metavar="MIB",
                help="Use exactly this much memory instead of choosing; "
                "refused when the platform does not offer it.",
            ),
            click.option(
                "--optimize",
                type=click.Choice(["cost", "time", "balanced"]),
                default="balanced",
                show_default=True,
                help="What a better spec is: cheaper, faster, or a fair trade.",
            ),
            click.option(
                "--chunks",
                type=click.IntRange(min=1),
                metavar="N",
                help="Encode in so many parts at once and join them; 1: in one piece. "
                "By default one, or as is best under a deadline.",
            ),
            click.option(
                "--target-vmaf",
                type=float,
                metavar="VMAF",
                help="Make each rendition so good, from 30 to 99, and no larger than "
                "that takes: 93 to 95 looks like the source. A sample finds the rate.",
            ),
            click.option(
                "--target-xpsnr",
                type=float,
                metavar="DB",
                help="The same as XPSNR, from 25 to 55 dB: of HDR, and of pictures too "
                "small for VMAF. 38 to 42 are usual; titles differ.",
            ),
            click.option(
                "--sample",
                type=click.Choice(["auto", "always", "never"]),
                default="auto",
                help="Encode a few short parts first, to know time and cost better: "
                "where that pays, always, or never.",
            ),
            click.option(
                "--accept-partial",
                is_flag=True,
                help="Of a cut or damaged source, make what is there and say so; "
                "without this it is refused with exit code 3.",
            ),
        )
    ):
        command = option(command)
    return command
