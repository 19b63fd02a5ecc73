"""Two campaigns compared, task by task, and limits on what may change.

A change is that of the median. Its interval puts together the binomial intervals of both medians, in the logarithm: it says what chance among quanta leaves open, not how much campaigns differ
from day to day (`rubinprof.campaign.history` looks at that). The change of the share that did not end well has the interval of Agresti and Caffo [1]_.

References
----------
.. [1] A. Agresti, B. Caffo: Simple and effective confidence intervals for proportions. The American Statistician 54 (2000) 280-288.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from rubinprof.campaign.condition import FIGURES as UNITS
from rubinprof.campaign.distribution import EMPTY, NORMAL_975, Distribution
from rubinprof.campaign.query import NOT_DONE, Campaign
from rubinprof.campaign.views import FIGURES, distributions
from rubinprof.compare.limits import OPERATORS
from rubinprof.metrics import text_of

__all__ = ["Limit", "difference", "judge", "parse_limit"]

_LIMIT = re.compile(r"\s*(?P<figure>\w+)(?:\s+of\s+(?P<task>\S+))?\s*(?P<operator>[<>]=?)\s*(?P<amount>[+-]?\s*\d+(?:\.\d+)?)\s*%\s*")


class Limit(NamedTuple):
    """What may change: ``cpu of isr > +5 %``; without a task it holds for each. ``amount`` is a share."""

    text: str
    figure: str
    task: str | None
    operator: str
    amount: float


def parse_limit(text: str) -> Limit:
    """Read one sentence.

    Raises
    ------
    ValueError
        Raised when it is none; the text says what is wrong.
    """
    found = _LIMIT.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no limit; write one as 'cpu of isr > +5 %' or 'memory > +10 %'")
    if found["figure"] not in (*FIGURES, "not_done"):
        raise ValueError(f"{text!r}: there is no figure {found['figure']!r}; choose {', '.join(FIGURES)} or not_done")
    return Limit(text.strip(), found["figure"], found["task"], found["operator"], float(found["amount"].replace(" ", "")) / 100)


def difference(a: Campaign, b: Campaign, *, where: str | None = None, progress: Callable[[int, int], object] | None = None) -> dict[str, Any]:
    """Compare two campaigns.

    Parameters
    ----------
    a, b : `Campaign`
        Before and after.
    where : `str`, optional
        A condition on the quanta of both.
    progress : `~collections.abc.Callable`, optional
        Called with steps done and steps to do.

    Returns
    -------
    document : `dict`
        ``totals`` and ``tasks``, those that changed most first. ``state`` of a task is ``"both"``, ``"new"`` or ``"gone"``. Each figure (``wall``, ``cpu``, ``memory``) has ``a`` and ``b`` (medians),
        ``change`` (a share), its ``interval``, and ``certain``: the interval does not hold 0. ``not_done`` has shares, and their change in points.
    """
    sides = []
    for campaign in (a, b):
        sides.append(_side(campaign, where))
        if progress:
            progress(len(sides), 2)
    names = sorted({*sides[0]["tasks"], *sides[1]["tasks"]})
    rows = [_row(name, *(side["tasks"].get(name) for side in sides)) for name in names]
    rows.sort(key=lambda row: (-max((abs(row[name]["change"] or 0) for name in FIGURES if row[name]["certain"]), default=-1), row["task"]))
    totals = {key: [sum(task[key] or 0 for task in side["tasks"].values()) for side in sides] for key in ("quanta", "wall_s", "cpu_s", "not_done")}
    return {"schema": 1, "a": a.store.name, "b": b.store.name, "totals": totals, "tasks": rows}


def judge(document: dict[str, Any], limits: list[Limit]) -> list[dict[str, Any]]:
    """Hold limits against a difference: ``limit``, ``broken`` and ``found`` (a sentence) for each task that a limit is about. What may be chance breaks none.

    Raises
    ------
    ValueError
        Raised when a limit names a task that is not in both campaigns, or a figure that nobody measured of it.
    """
    verdicts = []
    both = {row["task"]: row for row in document["tasks"] if row["state"] == "both"}
    for limit in limits:
        if limit.task is not None and limit.task not in both:
            raise ValueError(f"{limit.text!r}: no task {limit.task!r} is in both campaigns")
        for row in [both[limit.task]] if limit.task is not None else both.values():
            figure = row[limit.figure]
            if figure["change"] is None:
                if limit.task is not None:
                    raise ValueError(f"{limit.text!r}: nobody has measured it in both campaigns")
                continue
            breaks = OPERATORS[limit.operator]
            safe_end = figure["interval"][0 if limit.operator.startswith(">") else 1]
            is_broken = breaks(figure["change"], limit.amount) and breaks(safe_end, limit.amount)
            by_chance = not is_broken and breaks(figure["change"], limit.amount)
            verdicts.append({"limit": limit.text, "broken": is_broken, "found": f"{row['task']}: {sentence(limit.figure, figure)}{', which may be chance' if by_chance else ''}"})
    return verdicts


def sentence(name: str, figure: dict[str, Any]) -> str:
    """``cpu 10.1 s to 12.3 s, +21.8 % (+20.1 to +23.4)``."""
    low, high = (100 * end for end in figure["interval"])
    if name == "not_done":
        return f"not done {100 * figure['a']:.2f} % to {100 * figure['b']:.2f} %, {100 * figure['change']:+.2f} points ({low:+.2f} to {high:+.2f})"
    unit = UNITS[name].unit
    return f"{name} {text_of(figure['a'], unit)} to {text_of(figure['b'], unit)}, {100 * figure['change']:+.1f} % ({low:+.1f} to {high:+.1f})"


def _side(campaign: Campaign, where: str | None) -> dict[str, Any]:
    quanta = campaign.last_attempts(where).filter("task IS NOT NULL")
    rows = quanta.query("q", f"SELECT task, count(*), {NOT_DONE}, sum(wall_s), sum(process_cpu_s), max(memory_bytes) FROM q GROUP BY task").fetchall()
    of = distributions(quanta)
    tasks = {}
    for task, n, not_done, wall, cpu, most in rows:
        tasks[task] = {"quanta": n, "not_done": not_done, "wall_s": wall, "cpu_s": cpu, "memory_max_bytes": most} | {name: of[name].get(task, EMPTY) for name in FIGURES}
    return {"tasks": tasks}


def _row(task: str, a: dict[str, Any] | None, b: dict[str, Any] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"task": task, "state": "both" if a and b else "new" if b else "gone"}
    for key in ("quanta", "wall_s", "cpu_s", "memory_max_bytes"):
        row[key] = [side[key] if side else None for side in (a, b)]
    for name in FIGURES:
        row[name] = change_of(a[name] if a else EMPTY, b[name] if b else EMPTY)
    row["not_done"] = _not_done(a, b)
    return row


def change_of(a: Distribution, b: Distribution) -> dict[str, Any]:
    """Change of the median, as a share, with its interval."""
    found: dict[str, Any] = {"a": a.quantile(0.5) if a.n else None, "b": b.quantile(0.5) if b.n else None, "change": None, "interval": None, "certain": False}
    if not found["a"] or not found["b"]:
        return found
    change = math.log(found["b"] / found["a"])
    half = math.hypot(_half_log(a), _half_log(b))
    found |= {"change": math.expm1(change), "interval": [math.expm1(change - half), math.expm1(change + half)], "certain": abs(change) > half}
    return found


def _half_log(of: Distribution) -> float:
    """Half of the interval of a median's logarithm; that of few quanta is unknown."""
    low, high = of.median_interval()
    return math.log(high / low) / 2 if of.n >= 6 and low > 0 else math.inf


def _not_done(a: dict[str, Any] | None, b: dict[str, Any] | None) -> dict[str, Any]:
    if not a or not b:
        return {"a": a and a["not_done"] / a["quanta"], "b": b and b["not_done"] / b["quanta"], "change": None, "interval": None, "certain": False}
    shares = [(side["not_done"] + 1) / (side["quanta"] + 2) for side in (a, b)]
    half = NORMAL_975 * math.sqrt(sum(p * (1 - p) / (side["quanta"] + 2) for p, side in zip(shares, (a, b), strict=True)))
    plain = [side["not_done"] / side["quanta"] for side in (a, b)]
    middle = shares[1] - shares[0]
    return {"a": plain[0], "b": plain[1], "change": plain[1] - plain[0], "interval": [middle - half, middle + half], "certain": abs(middle) > half and plain[0] != plain[1]}
