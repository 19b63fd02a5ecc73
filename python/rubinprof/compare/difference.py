"""The difference of two sides: what became slower, faster, bigger, smaller. The JSON is described in docs/report-json.md."""

import math
from collections import Counter
from typing import Any

from rubinprof.compare import bootstrap
from rubinprof.compare.match import Matcher
from rubinprof.compare.named import is_named
from rubinprof.compare.side import Progress, Run, read_runs
from rubinprof.metrics import METRICS, error_of

__all__ = ["matcher_of", "compare_runs", "diff", "error_of_mean", "figure", "figure_of_function", "figure_of_run"]

SCHEMA = 1
BY = ["function", "line", "file", "module"]
# Figures of a row, by the keys of the report "table".
FIGURES = [*(key for metric in METRICS.values() for key in (metric.own, metric.total) if key), "samples"]
MEMORY = {"allocated", "allocations", "peak", "leaked"}
NAMES = ["function", "file", "line", "module", "kind", "inlined"]


def diff(
    a: Any, b: Any, *, by: str = "function", metric: str | None = None, n: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Compare two runs, or two sets of runs.

    Parameters
    ----------
    a, b : path, `Trace`, or a sequence of either
        Before and after. Each item of a sequence is one run of the same program; with several, every figure is a mean,
        and changes carry an interval that says how far they can be trusted.
    by : `str`, optional
        What a row is: "function", "line", "file" or "module".
    metric : `str`, optional
        Rows come by the size of its change, the largest first. By default "cpu", or what both sides know.
    n : `int`, optional
        Rows at most; all that changed when `None`.
    progress : `~collections.abc.Callable`, optional
        Called with bytes done and bytes to do of the run being read.

    Returns
    -------
    difference : `dict`
        As ``rubinprof diff --json`` gives it.

    Raises
    ------
    TraceError
        Raised when a path cannot be read as a trace.

    Examples
    --------
    >>> change = rubinprof.diff("before.rprof", "after.rprof")
    >>> change["totals"]["cpu"]["change"]
    -1.62
    """
    if by not in BY:
        raise ValueError(f"a difference is by {', '.join(BY)}, not by {by!r}")
    if metric is not None and metric not in METRICS:
        raise ValueError(f"there is no metric {metric!r}: {', '.join(METRICS)}")
    return compare_runs(read_runs(a, [by], progress=progress), read_runs(b, [by], progress=progress), by, metric, n)


def compare_runs(a: list[Run], b: list[Run], by: str, metric: str | None, n: int | None) -> dict[str, Any]:
    """The document, of runs that were read with this ``by``."""
    unknown = [_unknown_figures(runs) for runs in (a, b)]
    metric = metric or next((name for name in ("cpu", "peak", "wall") if METRICS[name].own not in set.union(*unknown)), "cpu")
    key = METRICS[metric].own
    for name, keys in zip("AB", unknown, strict=True):
        if key in keys:
            raise ValueError(f"{metric} of {name} is not known: its mode of tracing does not measure it; choose another metric")
    rows = _changed_rows(a, b, by, unknown)
    rows.sort(key=lambda row: (-abs(row["change"][key] or 0), -abs(row["change"]["self_cpu_s"] or 0), row["function"], row["file"], row["line"] or 0))
    shown = rows if n is None else rows[: max(0, n)]
    for row in shown:
        _add_intervals(row, a, b)
    return {
        "schema": SCHEMA,
        "a": _side(a),
        "b": _side(b),
        "noise": _noise(len(a), len(b)),
        "totals": {name: figure_of_run(name, a, b) for name in METRICS},
        "by": by,
        "metric": metric,
        "rows_total": len(rows),
        "rows_changed": sum(bool(row["change"][key]) for row in rows),
        "rows": [{k: v for k, v in row.items() if not k.startswith("_")} for row in shown],
    }


def figure(a: list[float | None], b: list[float | None]) -> dict[str, Any]:
    """``a`` and ``b`` (means), ``change``, and with several runs ``interval`` and ``certain``. A figure that a run does not know is `None`."""
    made = {"a": _mean(a), "b": _mean(b), "change": _change(_mean(a), _mean(b))}
    if None not in (*a, *b) and (interval := bootstrap.interval(a, b)):
        made |= {"interval": list(interval), "certain": _excludes_zero(interval)}
    return made


def figure_of_run(name: str, a: list[Run], b: list[Run]) -> dict[str, Any]:
    """That of the whole run: as `figure`, and with one run a side the interval that the errors of estimates leave."""
    return _figure_of_estimates(*([(run.metrics[name], run.errors[name]) for run in runs] for runs in (a, b)))


def figure_of_function(metric: str, name: str, a: list[Run], b: list[Run]) -> dict[str, Any]:
    """The same of all functions of a name, which `read_runs` was asked for; a run that does not have it has 0.

    Raises
    ------
    LookupError
        Raised when no run has it.
    """
    key = metric, name
    if not any(key in run.of_functions for run in (*a, *b)):
        raise LookupError(name)
    row = _row_of_name([*a, *b], name)
    return _figure_of_estimates(*([run.of_functions.get(key) or (0, run.error_of_none(metric, row)) for run in runs] for runs in (a, b)))


def _row_of_name(runs: list[Run], name: str) -> dict[str, Any] | None:
    """What it is where a run has it; of a name that native code has too, that."""
    rows = [row for run in runs for row in run.functions if is_named(row["function"], name)]
    return next((row for row in rows if row["kind"] == "native"), next(iter(rows), None))


def error_of_mean(runs: list[Run], metric: str, function: str | None) -> float | None:
    """How far off the mean of a side may be by its samples: as `error_of`."""
    key = metric, function
    row = _row_of_name(runs, function) if function else None
    errors = [(run.of_functions.get(key) or (0, run.error_of_none(metric, row)))[1] if function else run.errors[metric] for run in runs]
    return math.hypot(*(error or 0 for error in errors)) / len(errors) or None


def _figure_of_estimates(a: list[tuple], b: list[tuple]) -> dict[str, Any]:
    """Of figures and their errors."""
    made = figure(*([value for value, _ in side] for side in (a, b)))
    return _with_errors(made, [side[0][1] if len(side) == 1 else None for side in (a, b)])


def _with_errors(made: dict[str, Any], errors: list[float | None]) -> dict[str, Any]:
    if "interval" not in made and made["change"] is not None and any(errors):
        made |= {"a_error": _known(errors[0]), "b_error": _known(errors[1])} | _sureness(_estimated_interval(made, *errors))
    return made


def _estimated_interval(made: dict[str, Any], a: float | None, b: float | None) -> tuple[float, float]:
    """Of one run a side, whose figures are estimates with these errors (none: exact; infinite: nobody knows).

    Errors of few samples are far from normal: where one is more than half of the larger figure they add up.
    """
    errors, change = (a or 0, b or 0), made["change"]
    error = sum(errors) if max(errors) > max(made["a"], made["b"]) / 2 else math.hypot(*errors)
    error = math.ceil(error) if isinstance(change, int) and math.isfinite(error) else error
    return change - error, change + error


def _sureness(interval: tuple[float, float]) -> dict[str, Any]:
    """One without ends says nothing, and is left out."""
    return ({"interval": list(interval)} if math.isfinite(interval[0]) else {}) | {"certain": _excludes_zero(interval)}


def _known(error: float | None) -> float | None:
    return None if error is not None and math.isinf(error) else error


def matcher_of(a: list[Run], b: list[Run]) -> Matcher:
    """What pairs the rows of two sides."""
    return Matcher(*([row for run in runs for row in run.functions] for runs in (a, b)))


def _unknown_figures(runs: list[Run]) -> set[str]:
    """What a run of this side did not measure; of native rows it is no news, for nobody counts their calls."""
    found = {key for run in runs for row in run.functions if row["kind"] == "python" for key in FIGURES if row[key] is None}
    # Where some processes of a run recorded memory the others are missing in its sums, as `stats` says.
    known = {name for name in METRICS if all(run.metrics[name] is not None for run in runs)}
    return found - {key for name in known & MEMORY for key in (METRICS[name].own, METRICS[name].total)}


def _changed_rows(a: list[Run], b: list[Run], by: str, unknown: list[set[str]]) -> list[dict[str, Any]]:
    matcher = matcher_of(a, b)
    met: dict[tuple, tuple[list, list]] = {}
    for place, runs in enumerate((a, b)):
        for i, run in enumerate(runs):
            rows = run.rows[by]
            for key, row in zip(matcher.keys(rows, by, place), rows, strict=True):
                both = met.setdefault(key, ([None] * len(a), [None] * len(b)))
                both[place][i] = row
    made = (_row(*both, unknown) for both in met.values())
    return [row for row in made if any(change for key, change in row["change"].items() if key != "samples")]


def _row(a: list[dict | None], b: list[dict | None], unknown: list[set[str]]) -> dict[str, Any]:
    in_a, in_b = next(filter(None, a), None), next(filter(None, b), None)
    known = in_b or in_a
    row: dict[str, Any] = {name: known[name] for name in NAMES}
    row["in"] = "both" if in_a and in_b else "b" if in_b else "a"
    if in_a and in_b:
        row |= {f"{name}_a": in_a[name] for name in ("file", "line") if in_a[name] != in_b[name]}
    row["_rows"] = (a, b)
    row["_runs"] = runs = {
        key: tuple([None if key in missing else _value(r, key) for r in side] for side, missing in zip((a, b), unknown, strict=True))
        for key in FIGURES
    }
    row["a"] = {key: _mean(values[0]) for key, values in runs.items()}
    row["b"] = {key: _mean(values[1]) for key, values in runs.items()}
    row["change"] = {key: _change(row["a"][key], row["b"][key]) for key in FIGURES}
    return row


_METRIC_OF = {key: name for name, metric in METRICS.items() for key in (metric.own, metric.total) if key in FIGURES}


def _error_in(run: Run, row: dict[str, Any] | None, key: str, other: dict[str, Any]) -> float | None:
    """How far off a figure may be; row: `None` where the run does not have the one that is ``other`` in the other run."""
    if row:
        return error_of(row, key)
    return run.error_of_none(_METRIC_OF[key], other) if key in _METRIC_OF else None


def _add_intervals(row: dict[str, Any], a: list[Run], b: list[Run]) -> None:
    known = {key: values for key, values in row["_runs"].items() if None not in (*values[0], *values[1])}
    found = {key: bootstrap.interval(*values) for key, values in known.items()}
    if not any(found.values()):
        (of_a,), (of_b,) = row["_rows"]
        for key in known:
            errors = [_error_in(a[0], of_a, key, of_b), _error_in(b[0], of_b, key, of_a)]
            if any(errors):
                found[key] = _estimated_interval({side: row[side][key] for side in ("a", "b", "change")}, *errors)
                row.setdefault("errors", {})[key] = [_known(error) for error in errors]
    if any(found.values()):
        sure = {key: _sureness(interval) for key, interval in found.items() if interval}
        row |= {word: {key: how[word] for key, how in sure.items() if word in how} for word in ("interval", "certain")}


def _excludes_zero(interval: tuple[float, float]) -> bool:
    return interval[0] > 0 or interval[1] < 0


def _value(row: dict[str, Any] | None, key: str) -> float | None:
    return row[key] if row else 0


def _change(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else b - a


def _mean(values: list[float | None]) -> float | None:
    if None in values:
        return None
    return values[0] if len(values) == 1 else sum(values) / len(values)


def _side(runs: list[Run]) -> dict[str, Any]:
    first = runs[0].stats
    commands = Counter(run.stats["command"] for run in runs)
    return {
        "command": commands.most_common(1)[0][0],
        "host": first["host"],
        "python": first["python"],
        "runs": [
            {
                "paths": list(run.paths),
                **{key: run.stats[key] for key in ("start_s", "complete", "ended", "damaged_files", "lost_events", "processes", "mode")},
                "metrics": run.metrics,
            }
            for run in runs
        ],
    }


def _noise(a: int, b: int) -> dict[str, Any]:
    """What the intervals are."""
    noise: dict[str, Any] = {"runs": [a, b], "confidence": bootstrap.CONFIDENCE}
    if max(a, b) < 2:
        return noise | {"method": None, "rows": "errors of estimates, and of the samples that share exact time out"}
    noise |= {"method": bootstrap.METHOD, "resamples": bootstrap.RESAMPLES}
    if min(a, b) < 2:
        noise["assumed"] = f"{'A' if a < 2 else 'B'} ran once and is taken to scatter as much as the other"
    return noise
