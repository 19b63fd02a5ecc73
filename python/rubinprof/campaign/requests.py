"""Memory requests: what each task should ask of the batch system, so that memory times walltime is least and few quanta of all are retried.

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

__all__ = ["Advice", "Demand", "Request", "advise", "cost", "read_clusters", "to_yaml", "total"]

MIB = 1024**2
GIB_HOUR = 1024**3 * 3600.0
BIN_BYTES = 64 * MIB
"""Memory is looked at in steps of so much, rounded up: no request of BPS needs finer ones."""
MULTIPLIERS = (1.5, 2.0, 3.0)
RETRIES_MAX = 5
"""BPS's default of ``numberOfRetries``."""
RETRY_RATE_MAX = 0.01
PRICE_MOST = 1e12
"""GiB hours a retry: no request that has a retry is cheaper than one that has none then."""
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


class Replay(NamedTuple):
    """A part of a task's quanta under a request made from the other parts: its number, GiB hours with the present request and with this one, quanta, and those tried again."""

    part: int
    present_gib_hours: float
    gib_hours: float
    quanta: int
    retried: float


class Total(NamedTuple):
    """All tasks with a request together, on quanta that the requests were not made from: GiB hours over those of the present request, half of the 95 % interval, and the share tried again."""

    cost: float
    error: float
    retry_rate: float


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
    replay : `tuple` [`Replay`]
        One a part that the request was not made from.
    """

    task: str
    request: Request | None
    quanta: int
    retry_rate: float
    cost: float
    saving: tuple[float, float]
    why_not: str = ""
    is_cluster: bool = False
    replay: tuple["Replay", ...] = ()

# The process that each trace is of. It has several where some of its quanta were traced exact: one begins when the one before has ended. The first stands for it.
ONE_TRACE_EACH = "whole AS (SELECT trace, trace AS process, epoch(start) AS began FROM processes)"
SEVERAL_TRACES = """ends AS (SELECT trace, host, pid, epoch(start) AS start, lag(epoch(start) + wall_s) OVER (PARTITION BY host, pid ORDER BY start) AS before FROM processes),
            parts AS (SELECT *, CASE WHEN abs(start - before) <= 5 AND host IS NOT NULL AND pid IS NOT NULL THEN NULL ELSE trace END AS first FROM ends),
            led AS (SELECT trace, start, last_value(first IGNORE NULLS) OVER (PARTITION BY host, pid ORDER BY start ROWS UNBOUNDED PRECEDING) AS process FROM parts),
            whole AS (SELECT trace, process, min(start) OVER (PARTITION BY process) AS began FROM led)"""


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


class Options(NamedTuple):
    """What a task may ask for: the requests that let every quantum end, with the GiB hours of each and how many quanta it tries again."""

    requests: list[Request]
    gib_hours: np.ndarray
    retried: np.ndarray
    quanta: int

    def cheapest(self, price: float = 0.0, retry_rate_max: float = 1.0) -> Request | None:
        """The request with the least GiB hours, where each retry costs so many more; None when none retries few enough."""
        spent = np.where(self.retried > retry_rate_max * self.quanta, math.inf, self.gib_hours + price * self.retried)
        place = int(np.argmin(spent)) if len(spent) else -1
        return self.requests[place] if place >= 0 and spent[place] < math.inf else None


def options(demands: Sequence[Demand], sizes: Sequence[int]) -> Options:
    """What can be asked for, of some sizes. As `cost` counts it, for all at once."""
    bytes_of, wall_of, quanta_of = (np.array([demand[i] for demand in demands], float) for i in (0, 2, 1))
    asked = np.array(sizes, float)[:, None]
    retried = ((asked < bytes_of) * quanta_of).sum(axis=1)
    requests, hours, again = [], [], []
    for multiplier in MULTIPLIERS:
        spent, now = np.repeat(asked, len(demands), axis=1), asked
        for _ in range(RETRIES_MAX):
            too_small = now < bytes_of
            now = now * multiplier
            spent += too_small * now
        ends = np.flatnonzero(asked[:, 0] * multiplier**RETRIES_MAX >= bytes_of.max())
        requests += [Request(sizes[i], multiplier) for i in ends]
        hours.append((spent * wall_of).sum(axis=1)[ends] / GIB_HOUR)
        again.append(retried[ends])
    return Options(requests, np.concatenate(hours), np.concatenate(again), int(quanta_of.sum()))


def chosen(of: dict[str, Options], retry_rate_max: float, is_of_task: bool) -> dict[str, Request | None]:
    """A request for each task: those that cost least together, where at most the given share of all quanta is tried again, or of the quanta of each task.

    Of all quanta: a retry has one price in all tasks (Lagrange's multiplier), so that those are tried again that save most by it.
    """
    if is_of_task:
        return {task: one.cheapest(retry_rate_max=retry_rate_max) for task, one in of.items()}
    allowed = retry_rate_max * sum(one.quanta for one in of.values())

    def at(price: float) -> tuple[dict[str, Request | None], float]:
        found = {task: one.cheapest(price) for task, one in of.items()}
        return found, sum(float(of[task].retried[of[task].requests.index(request)]) for task, request in found.items() if request)

    if at(0.0)[1] <= allowed:
        return at(0.0)[0]
    low, high = 0.0, 1e-6
    while at(high)[1] > allowed and high < PRICE_MOST:
        low, high = high, high * 4
    for _ in range(30):  # the least price that is high enough
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle)[1] > allowed else (low, middle)
    return at(high)[0]


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
    clusters: dict[str, list[str]] | None = None, is_of_task: bool = False,
) -> list[Advice]:  # fmt: skip
    """Find a request for each task.

    Parameters
    ----------
    campaign : `Campaign`
        The campaign; its quanta need resident memory (the heap is less than what the batch system looks at).
    present_bytes : `float`, optional
        What every task asks for now, with a multiplier of 2: what the cost is compared with.
    retry_rate_max : `float`, optional
        Share of all quanta that may be tried again; in few tasks, where that saves most.
    steps : `~collections.abc.Sequence` [`float`], optional
        The sizes there are, bytes; all multiples of 64 MiB by default.
    where : `str`, optional
        A condition on the quanta.
    clusters : `dict` [`str`, `list` [`str`]], optional
        Tasks that share a job, by cluster, as `read_clusters` gives them. A process that ran several quanta of a cluster is a job: it needs the most that any of them needs, for as long as all of
        them take, start-up and imports included.

    is_of_task : `bool`, optional
        Whether ``retry_rate_max`` holds for the quanta of each task.

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
    found = _advise(parts, present_bytes, retry_rate_max, sizes, is_of_task)
    jobs = _advise(_demands_of_jobs(campaign, where, clusters or {}), present_bytes, retry_rate_max, sizes, is_of_task)
    return found + [one._replace(is_cluster=True, why_not=one.why_not.replace("quanta are too few", "jobs are too few")) for one in jobs]


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


def _advise(parts: dict[str, list[list[Demand]]], present_bytes: float, retry_rate_max: float, steps: list[int], is_of_task: bool) -> list[Advice]:
    """A request for each, in the order of their names."""
    whole = {task: _merged(folds) for task, folds in sorted(parts.items())}
    needed = quanta_needed(retry_rate_max)
    few = {task for task, demands in whole.items() if sum(demand.quanta for demand in demands) < needed}
    sizes = {task: steps or sorted({demand.bytes for demand in demands}) for task, demands in whole.items() if task not in few}
    requests = chosen({task: options(whole[task], sizes[task]) for task in sizes}, retry_rate_max, is_of_task)
    present = Request(int(present_bytes), 2.0)
    replays = _held_out(parts, sizes, present, retry_rate_max, is_of_task)
    found = []
    for task, demands in whole.items():
        quanta, request = sum(demand.quanta for demand in demands), requests.get(task)
        if request is not None and not replays[task]:
            found.append(Advice(task, None, quanta, 0.0, 1.0, (0.0, 0.0), "nobody knows the walltime of its quanta"))
            continue
        if request is None:
            why = f"no step is large enough for its {max(d.bytes for d in demands) / 1024**3:.1f} GiB" if task in sizes else f"{quanta} quanta are too few for a request; {needed} are needed"
            found.append(Advice(task, None, quanta, 0.0, 1.0, (0.0, 0.0), why))
            continue
        spent, rate = cost(demands, request)
        mean, half = _mean([one.gib_hours / one.present_gib_hours for one in replays[task]])
        found.append(Advice(task, request, quanta, rate, spent / cost(demands, present)[0], (1 - mean, half), replay=tuple(replays[task])))
    return found


def total(advice: Sequence[Advice]) -> Total | None:
    """What the requests of tasks come to together; None where there is none. Clusters are left out: their quanta are those of tasks."""
    found: dict[int, list[float]] = {}
    for one in (one for advised in advice if not advised.is_cluster for one in advised.replay):
        sums = found.setdefault(one.part, [0.0] * 4)
        found[one.part] = [a + b for a, b in zip(sums, one[1:], strict=True)]
    if not found:
        return None
    mean, half = _mean([after / before for before, after, _, _ in found.values()])
    return Total(mean, half, sum(one[3] for one in found.values()) / sum(one[2] for one in found.values()))


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean of the parts, and half of its 95 % interval."""
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1))
    return mean, T_95 * spread / math.sqrt(len(values))


def _held_out(parts: dict[str, list[list[Demand]]], sizes: dict[str, list[int]], present: Request, retry_rate_max: float, is_of_task: bool) -> dict[str, list[Replay]]:
    """Each part of each task with requests made from the others."""
    found: dict[str, list[Replay]] = {task: [] for task in sizes}
    for i in range(FOLDS):
        others = {task: _merged([fold for j, fold in enumerate(parts[task]) if j != i]) for task in sizes if parts[task][i]}
        requests = chosen({task: options(demands, sizes[task]) for task, demands in others.items() if demands}, retry_rate_max, is_of_task)
        for task, request in requests.items():
            fold = parts[task][i]
            before = cost(fold, present)[0]
            if request and before:
                after, rate = cost(fold, request)
                quanta = sum(demand.quanta for demand in fold)
                found[task].append(Replay(i, before, after, quanta, rate * quanta))
    return found


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
    processes = SEVERAL_TRACES if campaign.sql("SELECT 1 FROM stored WHERE exact_if IS NOT NULL LIMIT 1").fetchall() else ONE_TRACE_EACH
    rows = campaign.quanta(where).query(
        "chosen",
        f"""WITH {processes},
            jobs AS (SELECT cluster, process, began, max(rss_max_bytes) AS most, max(epoch(chosen.start) + wall_s) AS ends, sum(wall_s) AS wall_s, bool_and(status IN ('done', 'no_work', 'partial')) AS is_done
                FROM chosen JOIN clusters USING (task) JOIN whole USING (trace) GROUP BY cluster, process, began HAVING count(rss_max_bytes) = count(*)),
            timed AS (SELECT *, greatest(ends - began, wall_s) AS took FROM jobs)
            SELECT cluster, (hash(process) % {FOLDS})::INT AS fold, ceil(most / {BIN_BYTES})::BIGINT * {BIN_BYTES} AS bytes, count(*), sum(coalesce(took, wall_s))
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
