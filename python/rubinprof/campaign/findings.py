"""What stands out in a campaign, in words: the sentences of the page's overview, those that concern most walltime first."""

import math
from typing import Any

from rubinprof.metrics import text_of

__all__ = ["findings"]

FINDINGS_MOST = 10


def findings(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Make the sentences.

    Parameters
    ----------
    found : `dict`
        The document of `rubinprof.campaign.summary`, without them.

    Returns
    -------
    findings : `list` [`dict`]
        ``text``; ``part``, ``view`` and ``task`` that show the figure; ``weight``, the share of the walltime that it concerns, about.
    """
    whole = found["totals"]["wall_s"] or 0.0
    said = [*_heavy_task(found, whole), *_large(found, whole), *_not_done(found), *_earlier(found, whole), *_start_up(found, whole), *_waiting(found, whole), *_slow_hosts(found),
            *_modes(found, whole), *_drift(found, whole), *_requests(found)]  # fmt: skip
    return sorted(said, key=lambda one: -one["weight"])[:FINDINGS_MOST]


def _one(weight, text, part, view=None, task=None):
    return {"weight": weight, "text": text, "part": part, "view": view, "task": task}


def _heavy_task(found, whole):
    if len(found["tasks"]) > 1 and whole > 0:
        task = found["tasks"][0]
        share, of_quanta = (task["wall_s"] or 0) / whole, task["quanta"] / max(1, found["totals"]["quanta"])
        if share > 0.15:
            yield _one(share, f"{task['task']} takes {_percent(share)} of the walltime ({_hours(task['wall_s'])}), with {_percent(of_quanta)} of the quanta.", "tasks", None, task["task"])


def _large(found, whole):
    totals, limit = found["totals"], f"{found['over_bytes'] / 1024**3:g} GB"
    if totals["over"] and whole > 0:
        task = max(found["tasks"], key=lambda one: one["over_wall_s"])
        share = totals["over_wall_s"] / whole
        most = f"; {_percent(task['over_wall_s'] / totals['over_wall_s'])} of that is {task['task']}" if totals["over_wall_s"] and len(found["tasks"]) > 1 else ""
        yield _one(share, f"{totals['over']:,} quanta ({_percent(totals['over'] / totals['quanta'])}) need more than {limit}; they are {_percent(share)} of the walltime{most}.",
                   "memory", "large", task["task"])  # fmt: skip


def _not_done(found):
    totals = found["totals"]
    if totals["not_done"]:
        task = max(found["tasks"], key=lambda one: one["not_done"])
        share = totals["not_done"] / totals["quanta"]
        of_them = "" if task["not_done"] == totals["not_done"] else f", {task['not_done']:,} of them"
        count = "1 quantum" if totals["not_done"] == 1 else f"{totals['not_done']:,} quanta"
        yield _one(min(0.9, 10 * share), f"{count} ({_percent(share)}) did not end well{of_them} in {task['task']}.", "tasks", None, task["task"])


def _earlier(found, whole):
    totals = found["totals"]
    if totals["earlier_attempts"] and whole > 0:
        share = totals["earlier_wall_s"] / (whole + totals["earlier_wall_s"])
        yield _one(share, f"{totals['earlier_attempts']:,} earlier attempts at quanta took {_hours(totals['earlier_wall_s'])}, {_percent(share)} of all walltime.", "losses")


def _start_up(found, whole):
    start = found["totals"]["start_up_wall_s"]
    if start and start > 0.02 * (whole + start):
        share = start / (whole + start)
        yield _one(share, f"Start-up and imports took {_hours(start)}, {_percent(share)} of the walltime of all processes.", "losses")


def _waiting(found, whole):
    for task in found["tasks"]:
        if task["wall_s"] and task["cpu_s"] is not None and task["cpu_s"] < 0.6 * task["wall_s"] and task["wall_s"] > 0.02 * whole:
            idle = (task["wall_s"] - task["cpu_s"]) / whole
            yield _one(idle, f"{task['task']} uses {_percent(task['cpu_s'] / task['wall_s'])} of one CPU: the rest of its {_hours(task['wall_s'])} it waits.", "tasks", None, task["task"])
    gil, cpu = found["totals"]["gil_wait_s"], found["totals"]["cpu_s"]
    if gil and cpu and gil > 0.05 * cpu:
        yield _one(gil / (cpu + gil), f"Threads waited {_hours(gil)} for the interpreter lock, {_percent(gil / (cpu + gil))} of the time they could have computed.", "inside")


def _slow_hosts(found):
    certain = [host for host in found["hosts"] if host["is_certain"] and (host["wall_times"] or 0) > 1.05]
    if certain:
        worst = max(certain, key=lambda host: host["wall_times"])
        quanta = sum(host["quanta"] for host in certain)
        more = f"; {len(certain) - 1:,} more hosts are slower for sure" if len(certain) > 1 else ""
        weight = sum(host["quanta"] * (host["wall_times"] - 1) for host in certain) / max(1, sum(host["quanta"] for host in found["hosts"]))
        yield _one(0.08 + weight, f"On {worst['host']} quanta take {worst['wall_times']:.2f} times ({worst['wall_times_low']:.2f} to {worst['wall_times_high']:.2f}) as long as the same tasks"
                   f" elsewhere{more}. It concerns {quanta:,} quanta.", "hosts")  # fmt: skip


def _modes(found, whole):
    shares = {task["task"]: (task["wall_s"] or 0) / whole if whole else 0 for task in found["tasks"]}
    for row in _one_a_task(found["modes"]):
        low, high = (text_of(row[key], "bytes" if row["figure"] == "memory" else "s") for key in ("low_mode", "high_mode"))
        word = {"wall": "walltime", "cpu": "CPU time", "memory": "memory"}[row["figure"]]
        yield _one(0.5 * shares.get(row["task"], 0), f"The {word} of {row['task']} has two modes, {low} and {high}; {_percent(row['share_low'])} of the quanta are at the lower one"
                   f" ({_p(row['p'])}).", "tasks", "modes", row["task"])  # fmt: skip


def _drift(found, whole):
    shares = {task["task"]: (task["wall_s"] or 0) / whole if whole else 0 for task in found["tasks"]}
    for row in _one_a_task(found["drift"]):
        if abs(row["over_all"]) > 0.03:
            words = {"wall": ("slower", "faster"), "cpu": ("slower (CPU)", "faster (CPU)"), "memory": ("larger", "smaller")}[row["figure"]]
            yield _one(0.03 + shares.get(row["task"], 0) * abs(row["over_all"]), f"{row['task']} became {_percent(abs(row['over_all']))} {words[row['over_all'] < 0]} over the campaign:"
                       f" {row['a_day'] * 100:+.2g} % a day ({row['a_day_low'] * 100:+.2g} to {row['a_day_high'] * 100:+.2g}).", "tasks", "drift", row["task"])  # fmt: skip


def _requests(found):
    rows = [row for row in found["requests"] if row["request"] and row["saving"][0] > 0.1]
    wall = {task["task"]: task["wall_s"] or 0 for task in found["tasks"]}
    whole = sum(wall.values())
    if rows and whole:
        known = sum(wall.get(row["task"], 0) for row in rows)
        saving = sum(row["saving"][0] * wall.get(row["task"], 0) for row in rows) / known if known else 0.0
        yield _one(0.5 * saving * known / whole, f"Memory requests by task instead of {found['present_bytes'] / 1024**3:g} GB for all would save {_percent(saving)} of the GB hours of {len(rows)}"
                   f" task{'s' if len(rows) > 1 else ''}.", "requests")  # fmt: skip


def _one_a_task(rows):
    """The walltime's row of each task, else that of CPU time, else of memory."""
    order = {"wall": 0, "cpu": 1, "memory": 2}
    return list({row["task"]: row for row in sorted(rows, key=lambda row: -order[row["figure"]])}.values())


def _percent(share: float) -> str:
    percent = 100 * share
    if percent and percent < 0.1:
        return f"{percent:.{min(6, 1 - math.floor(math.log10(percent)))}f} %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    return f"{seconds / 3600:,.0f} h" if seconds >= 36000 else text_of(seconds, "s")


def _p(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
