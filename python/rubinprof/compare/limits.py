"""What a change may come to: the sentences of ``rubinprof diff --fail-on``.

::

    METRIC [of FUNCTION] OPERATOR [+|-] NUMBER [UNIT]

    cpu > +5 %                    CPU time grew by more than 5 %
    peak > +64 MB                 the peak grew by more than 64 MB
    wall > 20 s                   B alone takes more than 20 s
    calls of Psf.fit > +0         a function is called more often

A function is known by its whole name or its end behind a dot: ``run`` means every ``X.run`` too, all of them together. Time and memory are
with what they called, and what one of them does inside another counts once; calls and temporary memory are their own.

A sign, or ``%``, asks for the change from A to B; without either the figure of B is meant. Operators are ``>``, ``>=``, ``<``, ``<=``.

What may be noise breaks no limit: a change whose interval holds 0, and a figure of B that is an estimate and not beyond the limit by more than its error.
"""

import math
import operator
import re
from typing import Any, NamedTuple

from rubinprof.metrics import METRICS, parse_quantity, text_of

__all__ = ["Limit", "Verdict", "parse"]

OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_LIMIT = re.compile(r"\s*(?P<metric>\w+)(?:\s+of\s+(?P<function>.+?))?\s*(?P<operator>[<>]=?)\s*(?P<sign>[+-]?)(?P<amount>[^<>+-]+)")


class Limit(NamedTuple):
    """One sentence, taken apart. ``amount`` is in the unit of the metric, or a share where ``is_share``."""

    text: str
    metric: str
    function: str | None
    operator: str
    amount: float
    is_change: bool
    is_share: bool

    def judge(self, figure: dict[str, Any]) -> "Verdict":
        """Hold a figure against the limit.

        Parameters
        ----------
        figure : `dict`
            ``a``, ``b``, ``change`` and, of several runs and of estimates, ``interval`` and ``certain``; ``own_error`` of ``b``, infinite where nobody knows.

        Returns
        -------
        verdict : `Verdict`
            What may be noise does not break a limit.
        """
        if figure["b" if not self.is_change else "change"] is None:
            raise ValueError(f"{self.text!r} cannot be judged: a run was traced in a mode that does not measure {self.metric}")
        if not self.is_change:
            return self._judge_own(figure)
        change = figure["change"]
        shown = text_of(change, self.unit, signed=True)
        if figure["a"]:
            shown += f" ({change / figure['a']:+.1%})".replace("%", " %")
        if self.is_share:
            change = change / figure["a"] if figure["a"] else float("inf") * change if change else 0.0
        breaks = OPERATORS[self.operator](change, self.amount)
        if breaks and figure.get("certain") is False:
            return self._verdict(False, figure, f"{shown}, which may be noise")
        return self._verdict(breaks, figure, shown)

    def _judge_own(self, figure: dict[str, Any]) -> "Verdict":
        own, error = figure["b"], figure.get("own_error")
        shown, breaks = text_of(own, self.unit), OPERATORS[self.operator]
        if error:
            shown += f" ± {text_of(error, self.unit)}" if math.isfinite(error) else " ± ?"
        # The end of its interval that keeps the limit, if one does.
        if error and breaks(own, self.amount) and not breaks(own - error if self.operator.startswith(">") else own + error, self.amount):
            return self._verdict(False, figure, f"{shown}, which may be noise")
        return self._verdict(breaks(own, self.amount), figure, shown)

    @property
    def unit(self) -> str:
        return METRICS[self.metric].unit

    def _verdict(self, breaks: bool, figure: dict[str, Any], shown: str) -> "Verdict":
        what = self.metric if self.function is None else f"{self.metric} of {self.function}"
        return Verdict(self.text, breaks, f"{what}: {shown}")


class Verdict(NamedTuple):
    """Whether a limit is broken, and the figure in words."""

    limit: str
    is_broken: bool
    found: str


def parse(text: str) -> Limit:
    """Read one sentence.

    Raises
    ------
    ValueError
        Raised when it is none; the text says what is wrong.
    """
    found = _LIMIT.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no limit; write one as 'cpu > +5 %', 'peak > 2 GB' or 'calls of NAME > +0'")
    if found["metric"] not in METRICS:
        raise ValueError(f"{text!r}: {found['metric']!r} is no metric; there are {', '.join(METRICS)}")
    amount, is_share = found["amount"].strip(), False
    if amount.endswith("%"):
        amount, is_share = amount[:-1], True
    try:
        value = parse_quantity(amount, "count" if is_share else METRICS[found["metric"]].unit)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    if is_share:
        value /= 100
    sign = -1 if found["sign"] == "-" else 1
    return Limit(
        text.strip(), found["metric"], found["function"], found["operator"], sign * value, bool(found["sign"]) or is_share, is_share
    )
