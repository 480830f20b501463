"""Pictures that stand still, shown again: the filters that pass them once more."""

from __future__ import annotations

from fractions import Fraction

from .stream import Pair, Stream
from .timing import Hold


def beat(
    stream: Stream,
    every: Fraction,
    first: Fraction | None,
    after: Fraction = Fraction(0),
) -> tuple[Stream, Stream]:
    """
    *stream*, and its first picture at *first* and after each *every*, for ever.

    Without *first*, from so long *after* that picture is shown. And once before: what
    waits for both passes nothing until both have begun.
    """
    split = stream.split()
    again = split[1].filter("trim", end_frame=1).filter("loop", loop=-1, size=1)
    step = f"(N-1)*{every.numerator}/{every.denominator}"
    start = f"STARTT+{after.numerator}/{after.denominator}" if after else "STARTT"
    begins = start if first is None else f"{first.numerator}/{first.denominator}"
    return split[0], again.filter("setpts", f"round(({step}+{begins})/TB)")


def held(stream: Stream, hold: Hold, pair: Pair) -> Stream:
    """
    *stream* with the picture that is seen shown again wherever *hold* says.

    Nothing is made up: it is what a player shows at that time.
    """
    if hold.rate is not None:
        # Twice the ticks: pictures have the even ones, what may repeat one the odd. No
        # finer than a microsecond: what waits for two inputs would round them to that.
        stream = stream.filter("settb", "max(intb/2,1/1000000)")
        stream = stream.filter("setpts", "2*round(PTS/2)")
    main, again = beat(stream, hold.every, hold.first, hold.after)
    if hold.rate is not None:
        again = again.filter("setpts", "2*floor(PTS/2)+1")
    # Passes the first of its inputs, and once more what it passed last when the second
    # has something; it ends with the first.
    stream = pair(main, again, "streamselect", inputs=2, map=0)
    if hold.rate is None:
        return stream
    # Needed only where no picture has been for long, and then as many frames after the
    # one before as have passed.
    frame = 1 / hold.rate
    long = float(max(hold.every - frame / 4, frame * 3 / 2))
    stream = stream.filter(
        "select", f"not(mod(pts,2))+gte(t-prev_selected_t,{long:.9f})"
    )
    before, one = "PREV_OUTPTS", f"{frame.numerator}/({frame.denominator}*TB)"
    passed = f"floor((PTS-{before})*TB*{hold.rate.numerator}/{hold.rate.denominator})"
    return stream.filter(
        "setpts", f"if(mod(PTS,2),2*round(({before}+{passed}*{one})/2),PTS)"
    )


def tailed(
    stream: Stream, pair: Pair, *, every: Fraction, first: Fraction, until: Fraction
) -> Stream:
    """*stream* and then its last picture again, each *every* from *first* on."""
    main, again = beat(stream, every, first)
    again = again.filter("trim", end=f"{float(until):.6f}")
    # Disabled, it compares nothing and passes its first input, and the last picture of
    # that for as long as the second goes on.
    return pair(main, again, "psnr", enable=0)
