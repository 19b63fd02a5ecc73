"""Adding: what a spool has and the store has not, read by workers, committed batch by batch."""

import contextlib
import functools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from rubinprof.campaign import attempts, unit
from rubinprof.campaign.place import Place, is_url
from rubinprof.campaign.store import MERGED_MOST, Store, prepare
from rubinprof.errors import RubinprofError, TraceError
from rubinprof.trace import Trace

if TYPE_CHECKING:
    import distributed

__all__ = ["Added", "add"]

BATCH_BYTES = 64 << 20
"""Traces that one task of a worker reads together: enough that starting the task costs nothing beside it."""
BATCH_FILES = 256
FILES_WITHOUT_WORKERS = 32
"""As few are read in the process itself, before workers would have started."""
OF_LOCAL_WORKERS = {
    "distributed.worker.profile.enabled": False,  # looks at the worker's stack 100 times a second
    "distributed.admin.tick.interval": "1s",  # 50 times a second, in each process
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.memory.monitor-interval": "1s",
}
TRIM = "MALLOC_TRIM_THRESHOLD_"
"""Dask sets this variable to 64 kB for its workers. The memory of each trace then goes back to the kernel at once, and comes again page by page."""
QUIET_SECONDS = 900.0
"""A trace that has no end, and has not changed for so long, belongs to a process that was killed."""


class Added(NamedTuple):
    """What came of an `add`.

    Parameters
    ----------
    new : `int`
        Traces that are in the store now and were not.
    known : `int`
        Traces that the store had already.
    growing : `list` [`str`]
        Traces that a process may still be writing; the next `add` takes them.
    refused : `list` [`dict`]
        ``path`` and ``reason`` of each file that could not be read.
    """

    new: int
    known: int
    growing: list[str]
    refused: list[dict[str, str]]


def add(
    store: str | os.PathLike[str],
    *spools: str | os.PathLike[str],
    workers: int | None = None,
    scheduler: str | None = None,
    slurm: int | None = None,
    quiet_s: float = QUIET_SECONDS,
    delete_added: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Added:
    """Add the traces of spools to a store, which is made where it is missing.

    Each batch is committed as it is read: what is killed goes on from there. A file that cannot be read is noted with the reason and stops nothing.

    Parameters
    ----------
    store : `str` or `os.PathLike`
        Directory of the store.
    *spools : `str` or `os.PathLike`
        Trace files, and directories of them, which jobs may still be writing; or URLs of such, as `rubinprof.campaign.place.Place` takes them. Traces at a URL are read again
        by each `add`, as only reading says which they are.
    workers : `int`, optional
        Worker processes on this machine: Dask's `distributed.LocalCluster`; 0 reads in this process. By default as many as there are processors.
    scheduler : `str`, optional
        Address of a Dask scheduler whose workers read instead, such as ``tcp://node:8786``. They must see the spools by the same paths.
    slurm : `int`, optional
        So many Slurm jobs read instead, one worker each, which `dask_jobqueue.SLURMCluster` submits. Queue, account, walltime and what else they need are in its configuration
        (``~/.config/dask/jobqueue.yaml``).
    quiet_s : `float`, optional
        A trace without end that has changed within so many seconds is left for the next time.
    delete_added : `bool`, optional
        Whether to delete each trace once its rows are committed.
    progress : `~collections.abc.Callable`, optional
        Called with bytes read and bytes to read.

    Returns
    -------
    added : `Added`
        What came of it.

    Raises
    ------
    RubinprofError
        Raised when the store cannot be written, a spool has no traces, or the scheduler does not answer. What was committed stays.
    """
    paths, far = list(traces_below(spool for spool in spools if not is_url(spool))), _far_traces(spools)
    if not paths and not far:
        raise RubinprofError(f"there is no .rprof file in {', '.join(map(str, spools))}")
    target = Store.create(store)
    wanted, known, growing, refused = _sort_out(paths, target, quiet_s)
    wanted += far
    total, done, new = sum(size for _, size in wanted), 0, 0
    with _executor(len(wanted), workers, scheduler, slurm, quiet_s) as execute:
        for batch, (made, unreadable, still_growing) in execute(_batches(wanted)):
            added = target.commit_prepared(made, functools.partial(_tables, batch, quiet_s))
            new += added
            known += [("", 0)] * (len(made.keys) - added)  # at a URL
            growing += still_growing
            if target.small() >= MERGED_MOST:
                target.merge()
            refused += unreadable
            if delete_added:
                _delete(batch, {entry["path"] for entry in unreadable} | set(still_growing))
            done += sum(size for _, size in batch)
            if progress:
                progress(done, total)
    target.merge()
    attempts.keep(target)
    target.refuse([*paths, *(path for path, _ in far)], refused)
    if delete_added:
        _delete(known, set())
    return Added(new, len(known), growing, refused)


def traces_below(spools: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Every trace file of the spools, each once, in the order of the paths."""
    found = set()
    for spool in spools:
        if os.path.isdir(spool):
            found |= {os.path.realpath(os.path.join(top, name)) for top, _, names in os.walk(spool) for name in names if name.endswith(".rprof")}
        elif os.path.exists(spool):
            found.add(os.path.realpath(spool))
        else:
            raise RubinprofError(f"cannot open {spool}: no such file or directory")
    return iter(sorted(found))


def _sort_out(paths, target, quiet_s):
    """(path, bytes) of those to read; (path, bytes) of those the store has; those that may still grow; those that are no traces."""
    heads, refused = [], []
    for path in paths:
        try:
            with Trace(path) as trace:
                uuid, has_ended = trace.heads()[0]
                about = os.stat(path)
        except (TraceError, OSError) as error:
            refused.append({"path": path, "reason": str(error)})
            continue
        may_grow = not has_ended and time.time() - about.st_mtime < quiet_s
        heads.append((path, about.st_size, uuid, may_grow))
    wanted, known, growing = [], [], []
    seen, in_store = set(), target.holds(uuid for _, _, uuid, _ in heads)
    for path, size, uuid, may_grow in heads:
        if uuid in in_store:
            known.append((path, size))
        elif may_grow:
            growing.append(path)
        elif uuid not in seen:  # a copy of a file is the same trace
            seen.add(uuid)
            wanted.append((path, size))
    return wanted, known, growing, refused


def _batches(wanted):
    batch, size = [], 0
    for entry in wanted:
        if batch and (size + entry[1] > BATCH_BYTES or len(batch) == BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry[1]
    if batch:
        yield batch


def _far_traces(spools):
    """(URL, bytes) of the traces at URLs."""
    found = {one.url: one.bytes or 0 for spool in spools if is_url(spool) for one in Place(os.fspath(spool)).find(".rprof")}
    return sorted(found.items())


def _read(batch, quiet_s):
    """What a worker does: packed rows, files that could not be read, files that may still grow."""
    tables, refused, growing = _read_rows(batch, quiet_s)
    return prepare(tables), refused, growing


def _tables(batch, quiet_s):
    return _read_rows(batch, quiet_s)[0]


def _read_rows(batch, quiet_s):
    with tempfile.TemporaryDirectory(prefix="rubinprof-") as room:
        local, refused, growing = {}, [], []
        for i, (path, _) in enumerate(batch):
            if not is_url(path):
                local[path] = path
                continue
            copy = os.path.join(room, f"{i}.rprof")
            try:
                changed_s = _fetch(path, copy)
                with Trace(copy) as trace:
                    has_ended = trace.heads()[0][1]
            except (RubinprofError, OSError) as error:
                refused.append({"path": path, "reason": str(error).replace(copy, path)})
                continue
            if has_ended or changed_s is None or time.time() - changed_s >= quiet_s:
                local[copy] = path
            else:
                growing.append(path)
        tables, unreadable = unit.read_many(list(local))
    return tables, refused + [{"path": local[one["path"]], "reason": one["reason"].replace(one["path"], local[one["path"]])} for one in unreadable], growing


def _fetch(url, path):
    """Copy a trace here; gives the time of its last change, None where nobody knows."""
    place = Place(url)
    with place.open() as source, open(path, "wb") as file:
        shutil.copyfileobj(source, file)
    return place.changed_s()


@contextlib.contextmanager
def _executor(files, workers, scheduler, slurm, quiet_s):
    """A function that reads batches and yields (batch, what `unit.read_many` gives), in the order in which they are done."""
    if scheduler is None and slurm is None and (workers == 0 or files <= FILES_WITHOUT_WORKERS):
        yield lambda batches: ((batch, _read(batch, quiet_s)) for batch in batches)
        return
    with _client(workers, scheduler, slurm) as client:
        yield lambda batches: _on_dask(client, list(batches), quiet_s)


@contextlib.contextmanager
def _client(workers: int | None, scheduler: str | None, slurm: int | None) -> Iterator["distributed.Client"]:
    import distributed  # here: few of those who read a store have workers

    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout="30s")
        except (OSError, ValueError) as error:
            raise RubinprofError(f"no Dask scheduler answers at {scheduler}: {error}") from error
        with client:
            yield client
        return
    if slurm is not None:
        with slurm_cluster() as cluster, distributed.Client(cluster) as client:
            cluster.scale(jobs=slurm)
            yield client
        return
    with _local_cluster(workers) as cluster, distributed.Client(cluster) as client:
        yield client


@contextlib.contextmanager
def _local_cluster(workers: int | None) -> Iterator["distributed.LocalCluster"]:
    """Workers of this machine alone, without what Dask does for people who watch them: it took a third of their CPU time."""
    import dask
    import distributed

    environ = dask.config.get("distributed.nanny.pre-spawn-environ")
    made = OF_LOCAL_WORKERS | {"distributed.nanny.pre-spawn-environ": {name: value for name, value in environ.items() if name != TRIM}}
    with dask.config.set(made):
        # A process a worker: the analyzer keeps one core busy. Nothing listens beyond this machine.
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}
        )
        with cluster:
            yield cluster


def slurm_cluster() -> Any:
    """The Slurm jobs of workers: one process of one core and 4 GB each, unless the configuration of dask-jobqueue says otherwise."""
    try:
        import dask
        import dask_jobqueue
    except ImportError:
        raise RubinprofError("--slurm needs dask-jobqueue, which is not installed: pip install dask-jobqueue") from None
    made = {"cores": 1, "processes": 1, "memory": "4 GB"}
    known = dask.config.get("jobqueue.slurm", {})
    made = {name: value for name, value in made.items() if known.get(name) is None}
    # The script runs the Python that runs this, with the environment that it has now.
    return dask_jobqueue.SLURMCluster(python=sys.executable, scheduler_options={"dashboard_address": None}, **made)


def _on_dask(client, batches, quiet_s):
    import distributed

    batch_of = {client.submit(_read, batch, quiet_s, pure=False): batch for batch in batches}
    for future in distributed.as_completed(list(batch_of)):
        yield batch_of.pop(future), future.result()
        future.release()


def _delete(batch, but):
    for path, _ in batch:
        if path and path not in but:
            with contextlib.suppress(FileNotFoundError):
                Place(path).remove("") if is_url(path) else os.unlink(path)
