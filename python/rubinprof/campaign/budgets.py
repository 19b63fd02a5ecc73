"""Budgets: what the quanta of each task may need, as a TOML file, held against a campaign.

.. code-block:: toml

    at = 0.99                # each figure is that of 99 % of the quanta; 1 for the largest
    change = "5 %"           # with several stores: what the last may have more than those before

    [task.isr]
    memory = "4 GB"
    wall = "30 s"
    not_done = 0.01          # share of its quanta that did not end well

    [task.calibrateImage]
    cpu = "60 s"

    [task.calibrateImage.function."fitPsf"]
    cpu = "0.5 s"            # of its own, a quantum in the mean; allocated too

    [function."readFits"]
    calls = 3                # a quantum of the campaign in the mean, whatever its task; cpu and allocated too

A figure that is an estimate breaks its budget when it is beyond by more than its error.
"""

import os
import tomllib
from collections.abc import Sequence
from typing import Any, NamedTuple

from rubinprof.campaign.condition import FIGURES
from rubinprof.campaign.history import Series, last_change
from rubinprof.campaign.query import NOT_DONE, Campaign
from rubinprof.metrics import parse_quantity, text_of

__all__ = ["Verdict", "check", "check_history", "read"]

AT = 0.99
CHANGE = "5 %"
# Of figures that sampled mode estimates; null where they are exact.
ERRORS = {name: f"{FIGURES[name].column}_error" for name in ("peak", "leaked", "allocated", "allocations")}
ERRORS["memory"] = "CASE WHEN coalesce(rss_max_bytes, butler_max_rss_bytes) IS NULL THEN peak_bytes_error END"  # as query.MEMORY


OF_FUNCTIONS = {"calls": "count", "cpu": "s", "allocated": "bytes"}
COLUMNS = {"calls": "calls", "cpu": "self_cpu_s", "allocated": "allocated_bytes"}


class FunctionLimit(NamedTuple):
    """What a function may have of its own, a quantum in the mean: of a task, or of the whole campaign where that is None."""

    task: str | None
    function: str
    figure: str
    amount: float


class Verdict(NamedTuple):
    """Whether a budget is kept, and a sentence with its figure."""

    is_broken: bool
    sentence: str


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file of budgets.

    Parameters
    ----------
    path : `str` or `os.PathLike`
        The TOML file.

    Returns
    -------
    budgets : `dict`
        ``at`` and ``change``, shares; ``task``: amounts by task and figure, in the units of `FIGURES`; ``functions``: `FunctionLimit` of each.

    Raises
    ------
    ValueError
        Raised when it is no such file; the text says where.
    """
    with open(path, "rb") as file:
        try:
            text = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path} is no TOML: {error}") from None
    if unknown := sorted(set(text) - {"at", "change", "task", "function"}):
        raise ValueError(f"{path}: there is no {unknown[0]!r}; write 'at', 'change', [task.NAME] and [function.NAME]")
    at = text.get("at", AT)
    if not isinstance(at, int | float) or not 0 < at <= 1:
        raise ValueError(f"{path}: 'at' is the share of quanta that a figure is of, between 0 and 1")
    change = _share(path, text.get("change", CHANGE))
    tasks: dict[str, dict[str, float]] = {}
    functions = _of_functions(path, None, text.get("function", {}))
    for task, limits in text.get("task", {}).items():
        if not isinstance(limits, dict):
            raise ValueError(f"{path}: {task} has no limits; write [task.{task}]")
        tasks[task] = {name: _amount(path, task, name, value) for name, value in limits.items() if name != "function"}
        functions += _of_functions(path, task, limits.get("function", {}))
    if not tasks and not functions:
        raise ValueError(f"{path} has no budget; write [task.NAME] with limits such as memory = \"4 GB\"")
    return {"at": at, "change": change, "task": tasks, "functions": functions}


def _of_functions(path, task, text):
    """Limits of functions, of one task or of the whole campaign."""
    place = "function" if task is None else f"task.{task}.function"
    allowed = OF_FUNCTIONS if task is None else {name: unit for name, unit in OF_FUNCTIONS.items() if name != "calls"}
    found = []
    for function, limits in text.items() if isinstance(text, dict) else [(place, None)]:
        if not isinstance(limits, dict) or not limits:
            raise ValueError(f"{path}: {function} has no limits; write [{place}.\"NAME\"]")
        for name, value in limits.items():
            if name == "calls" and task is not None:
                raise ValueError(f"{path}: calls are counted for the whole campaign, not for {task} alone; write [function.\"{function}\"]")
            if name not in allowed:
                raise ValueError(f"{path}: function {function} has no figure {name!r}; there are {', '.join(allowed)}")
            try:
                found.append(FunctionLimit(task, function, name, parse_quantity(str(value), allowed[name])))
            except ValueError as error:
                raise ValueError(f"{path}: {name} of {function}: {error}") from None
    return found


def _share(path, text):
    """A share as ``"5 %"``, or as a number."""
    try:
        amount = float(text) if isinstance(text, int | float) else float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except (ValueError, AttributeError):
        raise ValueError(f"{path}: 'change' is a share such as \"5 %\"") from None
    if not amount >= 0:
        raise ValueError(f"{path}: 'change' is a share such as \"5 %\"")
    return amount


def _amount(path, task, name, value):
    if name == "not_done":
        if isinstance(value, int | float) and 0 <= value <= 1:
            return value
        raise ValueError(f"{path}: not_done of {task} is a share between 0 and 1")
    if name not in FIGURES:
        raise ValueError(f"{path}: {task} has no figure {name!r}; there are not_done, {', '.join(FIGURES)}")
    try:
        return parse_quantity(str(value), FIGURES[name].unit)
    except ValueError as error:
        raise ValueError(f"{path}: {name} of {task}: {error}") from None


def check(campaign: Campaign, budgets: dict[str, Any]) -> list[Verdict]:
    """Hold a campaign against budgets.

    Parameters
    ----------
    campaign : `Campaign`
        The campaign.
    budgets : `dict`
        As `read` gives it.

    Returns
    -------
    verdicts : `list` [`Verdict`]
        One a limit, in the order of the file.

    Raises
    ------
    ValueError
        Raised when a task has no quantum in the campaign, or nobody has measured a figure: such a budget would hold whatever happens.
    """
    verdicts = []
    for task, limits in budgets["task"].items():
        quanta = campaign.quanta(f"task = '{task}'").filter("is_last")  # a quantum that was tried again is one
        count, not_done = quanta.aggregate(f"count(*), {NOT_DONE}").fetchall()[0]
        if not count:
            raise ValueError(f"the campaign has no quantum of {task!r}; 'rubinprof campaign table' lists the tasks")
        for name, amount in limits.items():
            if name == "not_done":
                verdicts.append(Verdict(not_done > amount * count, f"{task}: {not_done} of {count} quanta did not end well, {amount:.2%} allowed"))
                continue
            column, unit = FIGURES[name]
            least = f"{column} - coalesce({ERRORS.get(name, 'NULL')}, 0)"
            ((found, surely),) = quanta.aggregate(", ".join(f"quantile_disc({what}, {budgets['at']})" for what in (column, least))).fetchall()
            if found is None:
                raise ValueError(f"nobody has measured {name} of {task}")
            share = "the largest" if budgets["at"] == 1 else f"{budgets['at']:.4g} of the quanta within"
            noise = ", which may be noise" if found > amount >= surely else ""
            verdicts.append(Verdict(surely > amount, f"{task}: {name} {text_of(found, unit)} ({share}), {text_of(amount, unit)} allowed{noise}"))
    return verdicts + [_check_function(campaign, limit) for limit in budgets.get("functions", [])]


def _check_function(campaign: Campaign, limit: FunctionLimit) -> Verdict:
    """Sums of its rows (it may be in several files), over the quanta that have a trace, each attempt one."""
    chosen = "true" if limit.task is None else "task = $task"
    quanta = campaign.sql(f"SELECT * FROM quanta WHERE trace IS NOT NULL AND {chosen}".replace("$task", _text(limit.task or ""))).aggregate("count(*)").fetchall()[0][0]
    column = COLUMNS[limit.figure]
    error = "NULL::DOUBLE" if limit.figure == "calls" else f"sqrt(sum({column}_error * {column}_error))"
    ((rows, found, half),) = campaign.table("function", task=limit.task).filter(f"function = {_text(limit.function)}").aggregate(f"count(*), sum({column}), {error}").fetchall()
    of = limit.task or "campaign"
    if not rows or not quanta:
        raise ValueError(f"no quantum of {of} ran a function {limit.function!r}; 'rubinprof campaign table --by function' lists them")
    if found is None:
        raise ValueError(f"nobody has counted {limit.figure} of {limit.function}" + (": sampled traces count no calls" if limit.figure == "calls" else ""))
    mean, least = found / quanta, (found - (half or 0)) / quanta
    unit = OF_FUNCTIONS[limit.figure]
    noise = ", which may be noise" if mean > limit.amount >= least else ""
    told = f"{mean:.4g}" if unit == "count" else text_of(mean, unit)
    return Verdict(least > limit.amount, f"{of}: {limit.figure} of {limit.function} {told} a quantum, {text_of(limit.amount, unit)} allowed{noise}")


def _text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def check_history(series: Sequence[Series], budgets: dict[str, Any]) -> list[Verdict]:
    """Hold the last of several stores against those before: the median of each task and figure that is in both.

    Parameters
    ----------
    series : `~collections.abc.Sequence` [`Series`]
        As `rubinprof.campaign.history.of_stores` gives them.
    budgets : `dict`
        As `read` gives it; ``change`` is what is let pass. More than that is only told where the whole 95 % interval is above it.

    Returns
    -------
    verdicts : `list` [`Verdict`]
        One for each task and figure that grew by more, and one that says how many did not.
    """
    found, kept = [], 0
    for one in series:
        change = last_change(one)
        if change is None:
            continue
        if change.low <= budgets["change"]:
            kept += 1
            continue
        unit = FIGURES[one.figure].unit
        found.append(Verdict(True, f"{one.task}: {one.figure} {text_of(change.before, unit)} to {text_of(change.after, unit)} at {change.at}, {change.change:+.1%} ({change.low:+.1%} to"
                                   f" {change.high:+.1%}), {budgets['change']:.1%} allowed"))  # fmt: skip
    return [*found, Verdict(False, f"{kept} medians of tasks grew by no more than {budgets['change']:.1%} since the stores before, as far as chance lets tell")]
