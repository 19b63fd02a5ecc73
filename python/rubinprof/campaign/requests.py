"""Memory requests: what each task should ask of the batch system, so that memory times walltime is least and few quanta are retried.

A quantum that needs more than its request is killed and tried again with the request times the multiplier, as BPS does (``requestMemory``,
``memoryMultiplier``, ``numberOfRetries``). Each attempt is counted with the whole walltime of the quantum: the batch system reserves the memory until the job
ends, and nobody knows how early the kill comes.
"""

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rubinprof.campaign.query import Campaign
from rubinprof.errors import RubinprofError

__all__ = ["Advice", "Demand", "Request", "advise", "cost", "read_clusters", "to_yaml"]

MIB = 1024**2
GIB_HOUR = 1024**3 * 3600.0
BIN_BYTES = 64 * MIB
"""Memory is looked at in steps of so much, rounded up: no request of BPS needs finer ones."""
MULTIPLIERS = (1.5, 2.0, 3.0)
RETRIES_MAX = 5
"""BPS's default of ``numberOfRetries``."""
RETRY_RATE_MAX = 0.01
FOLDS = 10
T_95 = 2.262
"""Student's t for 95 % and FOLDS - 1 degrees of freedom."""


class Demand(NamedTuple):
    """The quanta of a task that need about as much memory.

    Parameters
    ----------
    bytes : `int`
        Memory they need at most.
    quanta : `int`
        How many they are.
    wall_s : `float`
        Their walltime together, s.
    """

    bytes: int
    quanta: int
    wall_s: float


class Request(NamedTuple):
    """What to ask for: ``requestMemory`` in bytes, and the factor of each further attempt."""

    bytes: int
    multiplier: float


class Advice(NamedTuple):
    """The request of one task.

    Parameters
    ----------
    task : `str`
        Its label.
    request : `Request` or `None`
        None where there are too few quanta to say.
    quanta : `int`
        Quanta it was made from.
    retry_rate : `float`
        Share of them that would have been tried again.
    cost : `float`
        GiB hours of the request on these quanta, as share of those of the present one.
    saving : `tuple` [`float`, `float`]
        Expected saving on quanta that the request was not made from, as share, and half of its 95 % interval: the mean over `FOLDS` parts, each costed with
        the request made from the others.
    why_not : `str`
        Why there is no request.
    is_cluster : `bool`
        Whether it is of a cluster of tasks: its quanta are jobs then.
    """

    task: str
    request: Request | None
    quanta: int
    retry_rate: float
    cost: float
    saving: tuple[float, float]
    why_not: str = ""
    is_cluster: bool = False


def read_clusters(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Read which tasks share a job from the ``cluster`` section of BPS yaml: tasks by cluster.

    Raises
    ------
    ValueError
        Raised when the file has none; the text says so.
    """
    import yaml  # here: the middleware brings it

    with open(path) as file:
        try:
            about = (yaml.safe_load(file) or {}).get("cluster") or {}
            found = {str(name): [task.strip() for task in one["pipetasks"].split(",") if task.strip()] for name, one in about.items()}
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, UnicodeDecodeError):
            raise ValueError(f"{path} is no BPS yaml with clusters; write cluster: {{NAME: {{pipetasks: 'isr, calibrateImage'}}}}") from None
    if not found:
        raise ValueError(f"{path} has no cluster; write cluster: {{NAME: {{pipetasks: 'isr, calibrateImage'}}}}")
    return found


def quanta_needed(retry_rate_max: float) -> int:
    """Quanta without which no request can promise a retry rate: where none of n exceeds it, the rate is below 3 / n with 95 % confidence."""
    return math.ceil(3 / retry_rate_max)


def cost(demands: Sequence[Demand], request: Request) -> tuple[float, float]:
    """Replay a request.

    Parameters
    ----------
    demands : `~collections.abc.Sequence` [`Demand`]
        What the quanta needed.
    request : `Request`
        What would have been asked for.

    Returns
    -------
    gib_hours : `float`
        Memory times walltime of all attempts.
    retry_rate : `float`
        Share of the quanta that needed more than one.
    """
    total, retried, count = 0.0, 0, 0
    for demand in demands:
        asked, spent = float(request.bytes), float(request.bytes)
        for _ in range(RETRIES_MAX):
            if asked >= demand.bytes:
                break
            asked *= request.multiplier
            spent += asked
        total += spent * demand.wall_s
        count += demand.quanta
        retried += demand.quanta if demand.bytes > request.bytes else 0
    return total / GIB_HOUR, retried / count if count else 0.0


def best(demands: Sequence[Demand], sizes: Sequence[int], retry_rate_max: float) -> Request | None:
    """The cheapest request that retries few enough and lets every quantum end; None when no size is large enough."""
    bytes_of, wall_of, quanta_of = (np.array([demand[i] for demand in demands], float) for i in (0, 2, 1))
    asked = np.array(sizes, float)[:, None]
    rate = ((asked < bytes_of) * quanta_of).sum(axis=1) / quanta_of.sum()
    found, least = None, math.inf
    for multiplier in MULTIPLIERS:
        # As `cost` counts it, for all sizes at once.
        spent, now = np.repeat(asked, len(demands), axis=1), asked
        for _ in range(RETRIES_MAX):
            too_small = now < bytes_of
            now = now * multiplier
            spent += too_small * now
        spent = (spent * wall_of).sum(axis=1)
        spent[(rate > retry_rate_max) | (asked[:, 0] * multiplier**RETRIES_MAX < bytes_of.max())] = math.inf
        place = int(np.argmin(spent))
        if spent[place] < least:
            found, least = Request(sizes[place], multiplier), float(spent[place])
    return found


def _merged(folds: Sequence[Sequence[Demand]]) -> list[Demand]:
    """Demands of several parts together."""
    sums: dict[int, list[float]] = {}
    for demand in (demand for fold in folds for demand in fold):
        one = sums.setdefault(demand.bytes, [0, 0.0])
        one[0] += demand.quanta
        one[1] += demand.wall_s
    return [Demand(size, int(quanta), wall_s) for size, (quanta, wall_s) in sorted(sums.items())]


def advise(
    campaign: Campaign, *, present_bytes: float = 4 * 1024**3, retry_rate_max: float = RETRY_RATE_MAX, steps: Sequence[float] = (), where: str | None = None,
    clusters: dict[str, list[str]] | None = None,
) -> list[Advice]:  # fmt: skip
    """Find a request for each task.

    Parameters
    ----------
    campaign : `Campaign`
        The campaign; its quanta need resident memory (the heap is less than what the batch system looks at).
    present_bytes : `float`, optional
        What every task asks for now, with a multiplier of 2: what the cost is compared with.
    retry_rate_max : `float`, optional
        Share of the quanta of a task that may be tried again.
    steps : `~collections.abc.Sequence` [`float`], optional
        The sizes there are, bytes; all multiples of 64 MiB by default.
    where : `str`, optional
        A condition on the quanta.
    clusters : `dict` [`str`, `list` [`str`]], optional
        Tasks that share a job, by cluster, as `read_clusters` gives them. A process that ran several quanta of a cluster is a job: it needs the most that any of them needs, for as long as all of
        them take, start-up and imports included.

    Returns
    -------
    advice : `list` [`Advice`]
        One a task, in the order of their names, then one a cluster.

    Raises
    ------
    RubinprofError
        Raised when no quantum has a known resident memory.
    """
    parts = _demands(campaign, where)
    if not parts:
        raise RubinprofError("no quantum has a known resident memory; a request made from the heap alone would be too small")
    sizes = sorted(map(int, steps))
    found = [_advise(task, folds, present_bytes, retry_rate_max, sizes) for task, folds in sorted(parts.items())]
    for name, folds in _demands_of_jobs(campaign, where, clusters or {}).items():
        one = _advise(name, folds, present_bytes, retry_rate_max, sizes)
        found.append(one._replace(is_cluster=True, why_not=one.why_not.replace("quanta are too few", "jobs are too few")))
    return found


def to_yaml(advice: Sequence[Advice]) -> str:
    """Write BPS yaml: ``pipetask: {label: {requestMemory, memoryMultiplier}}``, in MiB as BPS counts; what could not be advised is a comment."""
    lines = []
    for section, is_cluster in (("pipetask", False), ("cluster", True)):
        of = [one for one in advice if one.is_cluster == is_cluster]
        lines += [f"{section}:"] if any(one.request for one in of) else []
        for one in of:
            if one.request is None:
                lines.append(f"  # {one.task}: {one.why_not}")
                continue
            lines.append(f"  {_yaml_key(one.task)}:  # {one.quanta} {'jobs' if is_cluster else 'quanta'}, {one.retry_rate:.2%} retried")
            lines.append(f"    requestMemory: {math.ceil(one.request.bytes / MIB)}")
            lines.append(f"    memoryMultiplier: {one.request.multiplier:g}")
    return "\n".join(lines) + "\n"


def _advise(task: str, folds: list[list[Demand]], present_bytes: float, retry_rate_max: float, steps: list[int]) -> Advice:
    everything = _merged(folds)
    quanta, needed = sum(demand.quanta for demand in everything), quanta_needed(retry_rate_max)
    if quanta < needed:
        return Advice(task, None, quanta, 0.0, 1.0, (0.0, 0.0), f"{quanta} quanta are too few for a request; {needed} are needed")
    sizes = steps or sorted({demand.bytes for demand in everything})
    request = best(everything, sizes, retry_rate_max)
    if request is None:
        return Advice(task, None, quanta, 0.0, 1.0, (0.0, 0.0), f"no step is large enough for its {max(d.bytes for d in everything) / 1024**3:.1f} GiB")
    present = Request(int(present_bytes), 2.0)
    spent, rate = cost(everything, request)
    return Advice(task, request, quanta, rate, spent / cost(everything, present)[0], _held_out(folds, sizes, present, retry_rate_max))


def _held_out(folds: list[list[Demand]], sizes: list[int], present: Request, retry_rate_max: float) -> tuple[float, float]:
    """The saving on each part with a request made from the others: mean, and half of its 95 % interval."""
    savings = []
    for i, fold in enumerate(folds):
        others = _merged([other for j, other in enumerate(folds) if j != i])
        if not fold or not others:
            continue
        request = best(others, sizes, retry_rate_max)
        before = cost(fold, present)[0]
        if request and before:
            savings.append(1 - cost(fold, request)[0] / before)
    mean = sum(savings) / len(savings)
    spread = math.sqrt(sum((saving - mean) ** 2 for saving in savings) / max(len(savings) - 1, 1))
    return mean, T_95 * spread / math.sqrt(len(savings))


def _demands(campaign: Campaign, where: str | None) -> dict[str, list[list[Demand]]]:
    """What the quanta of each task needed, in `FOLDS` parts drawn by the hash of trace and unit."""
    rows = campaign.quanta(where).query(
        "chosen",
        f"""SELECT task, (hash(trace, unit) % {FOLDS})::INT AS fold, ceil(rss_max_bytes / {BIN_BYTES})::BIGINT * {BIN_BYTES} AS bytes, count(*), sum(wall_s)
            FROM chosen WHERE rss_max_bytes IS NOT NULL AND status IN ('done', 'no_work', 'partial') GROUP BY ALL ORDER BY ALL""",
    )
    found: dict[str, list[list[Demand]]] = {}
    for task, fold, size, quanta, wall_s in rows.fetchall():
        found.setdefault(task, [[] for _ in range(FOLDS)])[fold].append(Demand(size, quanta, wall_s))
    return found


def _demands_of_jobs(campaign: Campaign, where: str | None, clusters: dict[str, list[str]]) -> dict[str, list[list[Demand]]]:
    """As `_demands`, of the processes that ran quanta of a cluster; a process whose quanta did not all end well says nothing of what a whole job needs."""
    pairs = [(task, name) for name, tasks in clusters.items() for task in tasks]
    campaign.put("clusters", {"task VARCHAR": [task for task, _ in pairs], "cluster VARCHAR": [name for _, name in pairs]})
    rows = campaign.quanta(where).query(
        "chosen",
        f"""WITH jobs AS (SELECT cluster, trace, max(rss_max_bytes) AS most, max(epoch(start) + wall_s) AS ends, sum(wall_s) AS wall_s, bool_and(status IN ('done', 'no_work', 'partial')) AS is_done
                FROM chosen JOIN clusters USING (task) WHERE trace IS NOT NULL GROUP BY cluster, trace HAVING count(rss_max_bytes) = count(*)),
            timed AS (SELECT jobs.*, greatest(ends - epoch(processes.start), jobs.wall_s) AS took FROM jobs JOIN processes USING (trace))
            SELECT cluster, (hash(trace) % {FOLDS})::INT AS fold, ceil(most / {BIN_BYTES})::BIGINT * {BIN_BYTES} AS bytes, count(*), sum(coalesce(took, wall_s))
            FROM timed WHERE is_done GROUP BY ALL ORDER BY ALL""",
    )
    found: dict[str, list[list[Demand]]] = {name: [[] for _ in range(FOLDS)] for name in clusters}
    for cluster, fold, size, jobs, wall_s in rows.fetchall():
        found[cluster][fold].append(Demand(size, jobs, wall_s))
    return found


def _yaml_key(text: str) -> str:
    return text if text.replace("_", "").replace("-", "").isalnum() else "'" + text.replace("'", "''") + "'"


def write_yaml(advice: Sequence[Advice], path: str | os.PathLike[str]) -> None:
    """Write `to_yaml` into a file."""
    with open(path, "w") as file:
        file.write(to_yaml(advice))
