"""Adding: what a spool has and the store has not, read by workers, committed batch by batch."""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from rubinprof.campaign import attempts, unit
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
        Trace files, and directories of them, which jobs may still be writing.
    workers : `int`, optional
        Worker processes on this machine: Dask's `distributed.LocalCluster`; 0 reads in this process. By default as many as there are processors.
    scheduler : `str`, optional
        Address of a Dask scheduler whose workers read instead, such as ``tcp://node:8786``. They must see the spools by the same paths.
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
    paths = list(traces_below(spools))
    if not paths:
        raise RubinprofError(f"there is no .rprof file in {', '.join(map(str, spools))}")
    target = Store.create(store)
    wanted, known, growing, refused = _sort_out(paths, target.uuids(), quiet_s)
    total, done, new = sum(size for _, size in wanted), 0, 0
    with _executor(len(wanted), workers, scheduler) as execute:
        for batch, (made, unreadable) in execute(_batches(wanted)):
            new += target.commit_prepared(made, functools.partial(_tables, batch))
            if target.small() >= MERGED_MOST:
                target.merge()
            refused += unreadable
            if delete_added:
                _delete(batch, {entry["path"] for entry in unreadable})
            done += sum(size for _, size in batch)
            if progress:
                progress(done, total)
    target.merge()
    attempts.keep(target)
    target.refuse(paths, refused)
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


def _sort_out(paths, in_store, quiet_s):
    """(path, bytes) of those to read; (path, bytes) of those the store has; those that may still grow; those that are no traces."""
    wanted, known, growing, refused, seen = [], [], [], [], set()
    for path in paths:
        try:
            with Trace(path) as trace:
                uuid, has_ended = trace.heads()[0]
                about = os.stat(path)
        except (TraceError, OSError) as error:
            refused.append({"path": path, "reason": str(error)})
            continue
        if uuid in in_store:
            known.append((path, about.st_size))
        elif not has_ended and time.time() - about.st_mtime < quiet_s:
            growing.append(path)
        elif uuid not in seen:  # a copy of a file is the same trace
            seen.add(uuid)
            wanted.append((path, about.st_size))
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


def _read(batch):
    """What a worker does."""
    tables, refused = unit.read_many([path for path, _ in batch])
    return prepare(tables), refused


def _tables(batch):
    return unit.read_many([path for path, _ in batch])[0]


@contextlib.contextmanager
def _executor(files, workers, scheduler):
    """A function that reads batches and yields (batch, what `unit.read_many` gives), in the order in which they are done."""
    if scheduler is None and (workers == 0 or files <= FILES_WITHOUT_WORKERS):
        yield lambda batches: ((batch, _read(batch)) for batch in batches)
        return
    with _client(workers, scheduler) as client:
        yield lambda batches: _on_dask(client, list(batches))


@contextlib.contextmanager
def _client(workers: int | None, scheduler: str | None) -> Iterator["distributed.Client"]:
    import distributed  # here: few of those who read a store have workers

    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout="30s")
        except (OSError, ValueError) as error:
            raise RubinprofError(f"no Dask scheduler answers at {scheduler}: {error}") from error
        with client:
            yield client
        return
    # A process a worker: the analyzer keeps one core busy. Nothing listens beyond this machine.
    cluster = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1")
    with cluster, distributed.Client(cluster) as client:
        yield client


def _on_dask(client, batches):
    import distributed

    batch_of = {client.submit(_read, batch, pure=False): batch for batch in batches}
    for future in distributed.as_completed(list(batch_of)):
        yield batch_of.pop(future), future.result()
        future.release()


def _delete(batch, but):
    for path, _ in batch:
        if path not in but:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
