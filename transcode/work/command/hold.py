"""Pictures that stand still, shown again: the filters that pass them once more."""

from __future__ import annotations

from fractions import Fraction

from .stream import Pair, Stream
from .timing import Hold


def beat(stream: Stream, every: Fraction, first: Fraction) -> tuple[Stream, Stream]:
    """
    *stream*, and its first picture at *first* and after each *every*, for ever.

    And once before: what waits for both passes nothing until both have begun.
    """
    first -= every
    split = stream.split()
    again = split[1].filter("trim", end_frame=1).filter("loop", loop=-1, size=1)
    step = f"N*{every.numerator}/{every.denominator}"
    when = f"round(({step}+{first.numerator}/{first.denominator})/TB)"
    return split[0], again.filter("setpts", when)


def held(stream: Stream, hold: Hold, pair: Pair) -> Stream:
    """
    *stream* with the picture that is seen shown again wherever *hold* says.

    Nothing is made up: it is what a player shows at that time.
    """
    if hold.rate is not None:
        # A clock in which half a frame is a whole number of ticks.
        stream = stream.filter("settb", f"1/{hold.clock}")
    main, again = beat(stream, hold.every, hold.first)
    # Passes the first of its inputs, and once more what it passed last when the second
    # has something; it ends with the first.
    stream = pair(main, again, "streamselect", inputs=2, map=0)
    if hold.rate is None:
        return stream
    # Half a frame from where pictures are it was shown again: needed only where none
    # has been for long, and then due half a frame before.
    first, rate = hold.first, f"{hold.rate.numerator}/{hold.rate.denominator}"
    long = float(hold.every - 1 / (4 * hold.rate))
    apart = f"mod((t-{first.numerator}/{first.denominator})*{rate}+1000000.25,1)"
    stream = stream.filter(
        "select",
        f"gt({apart},0.5)+gte(t-prev_selected_t,{long:.9f})",
    )
    apart = apart.replace("(t-", "(T-")
    half = f"{hold.rate.denominator}/(2*{hold.rate.numerator}*TB)"
    return stream.filter("setpts", f"if(gt({apart},0.5),PTS,round(PTS-{half}))")


def tailed(
    stream: Stream, pair: Pair, *, every: Fraction, first: Fraction, until: Fraction
) -> Stream:
    """*stream* and then its last picture again, each *every* from *first* on."""
    main, again = beat(stream, every, first)
    again = again.filter("trim", end=f"{float(until):.6f}")
    # Disabled, it compares nothing and passes its first input, and the last picture of
    # that for as long as the second goes on.
    return pair(main, again, "psnr", enable=0)
