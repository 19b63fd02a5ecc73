"""Conditions on quanta: ``peak > 6 GB and task = isr``, as SQL."""

import re
from typing import NamedTuple

from rubinprof.metrics import parse_quantity

__all__ = ["FIGURES", "Condition", "of", "parse", "word_of"]


class Figure(NamedTuple):
    """A figure of a quantum: its column and what it is measured in, as `parse_quantity` has it."""

    column: str
    unit: str


FIGURES = {
    "memory": Figure("memory_bytes", "bytes"),
    "peak": Figure("peak_bytes", "bytes"),
    "rss": Figure("rss_max_bytes", "bytes"),
    "leaked": Figure("leaked_bytes", "bytes"),
    "allocated": Figure("allocated_bytes", "bytes"),
    "allocations": Figure("allocations", "count"),
    "calls": Figure("calls", "count"),
    "wall": Figure("wall_s", "s"),
    "cpu": Figure("process_cpu_s", "s"),
    "gil_wait": Figure("gil_wait_s", "s"),
    "attempt": Figure("attempt", "count"),
}
WORDS = ("task", "status", "host", "run", "quantum_id", "mode_cpu", "mode_memory", "exact_if")
_TERM = re.compile(r"\s*(?P<name>\w+)\s*(?P<operator><=|>=|!=|<|>|=)\s*(?P<value>'[^']*'|[^<>=!']+?)\s*(?:\b(?P<joint>and|or)\b|$)", re.IGNORECASE)


class Condition(NamedTuple):
    """SQL with ``?`` in the place of each value, the values, and whether it is about nothing but the task."""

    sql: str
    values: list[object]
    is_of_tasks: bool


def parse(text: str) -> Condition:
    """Read a condition.

    Parameters
    ----------
    text : `str`
        Comparisons joined by ``and`` and ``or`` (``and`` binds closer). A figure is compared with an amount (``6 GB``, ``30 s``), a word with a word; any
        other name is a dimension of the data ID or a label, such as ``visit`` or ``band``.

    Raises
    ------
    ValueError
        Raised when it is none; the text says what is wrong.
    """
    parts, values, place, names = [], [], 0, set()
    while True:
        found = _TERM.match(text, place)
        if not found:
            raise ValueError(f"{text!r} is no condition; write one as 'peak > 6 GB' or 'task = isr and wall > 30 s'")
        sql, value = _term(text, found["name"].lower(), found["operator"], found["value"].strip().strip("'"))
        parts.append(sql)
        values.append(value)
        names.add(found["name"].lower())
        if not found["joint"]:
            return Condition(f"({' '.join(parts)})", values, names == {"task"})
        parts.append(found["joint"].lower())
        place = found.end()


def of(task: str | None, text: str | None) -> Condition:
    """Both: of this task, and as `parse` reads the text. What is None chooses all."""
    made = parse(text) if text else Condition("true", [], True)
    return made if task is None else Condition(f"(task = ? AND {made.sql})", [task, *made.values], made.is_of_tasks)


def _term(text: str, name: str, operator: str, value: str) -> tuple[str, object]:
    if name in FIGURES:
        try:
            return f"{FIGURES[name].column} {operator} ?", parse_quantity(value, FIGURES[name].unit)
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None
    if operator not in ("=", "!="):
        raise ValueError(f"{text!r}: {name!r} is no figure, and only figures are larger or smaller; there are {', '.join(FIGURES)}")
    if name in WORDS:
        return f"{name} {operator} ?", value
    return f"{word_of(name)} {operator} ?", value


def word_of(name: str) -> str:
    r"""SQL for a dimension of the data ID or a label; its name is ``\w+``, so that nothing in it is SQL."""
    return f"coalesce(data_id['{name.removeprefix('dim_')}'], labels['{name}'])"
