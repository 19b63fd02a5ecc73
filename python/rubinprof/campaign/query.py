"""Questions to a store, answered by DuckDB."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from rubinprof.campaign import attempts, condition
from rubinprof.campaign.flame import Flame
from rubinprof.campaign.schema import SUMMED, TABLES
from rubinprof.campaign.stack_tree import StackTree
from rubinprof.campaign.store import Store
from rubinprof.errors import RubinprofError

__all__ = ["Campaign", "open"]

QUANTA_BY = {"task": "task", "status": "status", "host": "host", "run": "run", "day": "strftime(start, '%Y-%m-%d')",
            "mode_cpu": "mode_cpu", "mode_memory": "mode_memory", "exact_if": "exact_if"}  # fmt: skip
FUNCTIONS_BY = {
    "function": ["function", "file", "line", "module", "kind"],
    "library": ["module", "kind"],
    "file": ["file", "module", "kind"],
}
STACKS_BY = {"line": ["function", "file", "line", "module"]}
STACKS_ORDER = {"cpu": "self_cpu_s", "allocated": "allocated_bytes"}
# Half of the 95 % interval of a sum whose variance is the sum of those of its parts, as csrc/aggregate/weight.c has it.
HALF_WIDTH = """CASE WHEN {variance} <= 0 OR {figure} <= 0 THEN NULL
    ELSE 3.841459 * {variance} / {figure} / 2 + 1.959964 * sqrt({variance} + 3.841459 * ({variance} / {figure}) * ({variance} / {figure}) / 4) END"""
NS, NS_VARIANCE, BYTES_VARIANCE = "1e9", "1e12", "1048576.0"
# The figures of each function, and its variances, named as in csrc/report/report_units.c.
FUNCTIONS = f"""SELECT function, file, line, module, kind, inlined, build, frame, release, processes::BIGINT AS processes, calls::BIGINT AS calls,
    self_cpu_ns / {NS} AS self_cpu_s, self_cpu_variance / {NS_VARIANCE} AS self_cpu_s_variance, total_cpu_ns / {NS} AS total_cpu_s, total_cpu_variance / {NS_VARIANCE} AS total_cpu_s_variance,
    allocations::BIGINT AS allocations, allocations_variance::DOUBLE AS allocations_variance, allocated_bytes::BIGINT AS allocated_bytes,
    allocated_variance * {BYTES_VARIANCE} AS allocated_bytes_variance, leaked_bytes::BIGINT AS leaked_bytes, leaked_variance * {BYTES_VARIANCE} AS leaked_bytes_variance
    FROM sums_of_functions JOIN frames USING (frame)"""
# Where some count calls and others do not, the sum of those known would pass for that of all.
ALL_COUNT_CALLS = "(SELECT bool_and(coalesce(mode_cpu = 'exact' OR mode_memory = 'exact', true)) FROM processes)"
CHOSEN = """chosen AS (SELECT DISTINCT trace, unit FROM quanta WHERE {where} AND trace IS NOT NULL),
    kept AS (SELECT stacks.*, paths.frame, above.frame AS python FROM stacks SEMI JOIN chosen USING (trace, unit) JOIN paths USING (path)
        JOIN paths AS above ON above.path = paths.python)"""
SUMMED_ALREADY = "kept AS (SELECT * FROM task_sums WHERE task IS NOT NULL AND {where})"
OVER_BYTES = 6 * 1024**3

# Memory is the resident memory where the trace has it, else the middleware's high-water mark of the process, which earlier quanta may have made; else
# the heap since tracing began, which is less.
MEMORY = "coalesce(rss_max_bytes, butler_max_rss_bytes, peak_bytes) AS memory_bytes"
OF_MIDDLEWARE = {
    "wall_s": "DOUBLE", "cpu_s": "DOUBLE", "max_rss_bytes": "BIGINT", "status": "VARCHAR", "exception": "VARCHAR", "start": "TIMESTAMPTZ", "attempts": "INTEGER", "earlier_quanta": "INTEGER",
    "prep_wall_s": "DOUBLE", "init_wall_s": "DOUBLE", "prep_cpu_s": "DOUBLE", "init_cpu_s": "DOUBLE",
}  # fmt: skip
ALONE = f"SELECT *, {', '.join(f'NULL::{kind} AS butler_{name}' for name, kind in OF_MIDDLEWARE.items())}, true AS has_trace, {MEMORY} FROM {{}}"
# One row a quantum: its dataset of metadata; where there is none, what one of the summaries says.
METADATA_ONCE = """
    SELECT * FROM metadata WHERE status = 'done' UNION ALL
    SELECT of.* FROM (SELECT * FROM metadata WHERE status != 'done' QUALIFY row_number() OVER (PARTITION BY run, task, data_id ORDER BY key) = 1) of
    ANTI JOIN (SELECT run, task, data_id FROM metadata WHERE status = 'done') made ON of.run = made.run AND of.task = made.task AND of.data_id = made.data_id"""
WITHOUT_PROVENANCE = f"SELECT *, NULL::VARCHAR AS quantum_id, NULL::INTEGER AS attempts, NULL::INTEGER AS earlier_quanta FROM ({METADATA_ONCE})"
# The last attempt at a quantum is the one that its metadata is of. A summary's status says how a quantum ended that left neither metadata nor log.
WITH_PROVENANCE = f"""
    WITH told AS ({METADATA_ONCE}),
    newest AS (SELECT * FROM provenance QUALIFY row_number() OVER (PARTITION BY quantum_id ORDER BY attempt DESC NULLS LAST) = 1)
    SELECT coalesce(told.task, newest.task) AS task, coalesce(told.run, newest.run) AS run, coalesce(told.data_id, newest.data_id) AS data_id,
        CASE WHEN coalesce(newest.status, 'unknown') = 'unknown' THEN coalesce(told.status, newest.status) ELSE newest.status END AS status,
        coalesce(told.exception, newest.exception) AS exception, told.host, coalesce(told.start, newest.start) AS start, coalesce(told.wall_s, newest.wall_s) AS wall_s,
        coalesce(told.cpu_s, newest.cpu_s) AS cpu_s, coalesce(told.max_rss_bytes, newest.max_rss_bytes) AS max_rss_bytes,
        coalesce(told.prep_wall_s, newest.prep_wall_s) AS prep_wall_s, coalesce(told.init_wall_s, newest.init_wall_s) AS init_wall_s, told.prep_cpu_s, told.init_cpu_s, newest.quantum_id, newest.attempt AS attempts, newest.earlier_quanta
    FROM told FULL OUTER JOIN newest ON told.run = newest.run AND told.task = newest.task AND told.data_id = newest.data_id"""

# A region that is a quantum has an attempt in its own process, which is the first unless it was tried again: `attempts` knows of other processes.
NONE_RETRIED = "SELECT * EXCLUDE (place), attempt AS attempts, true AS is_last FROM stored"
TRACED = """
    SELECT stored.* EXCLUDE (place) REPLACE (coalesce(retried.attempt, stored.attempt) AS attempt), coalesce(retried.attempts, stored.attempt) AS attempts,
        coalesce(retried.attempt = retried.attempts, true) AS is_last
    FROM stored LEFT JOIN retried ON stored.place = retried.place"""
# Which attempt a quantum is takes longer to look up than all else of it. Leaving out the earlier ones, which are few, takes half of that.
LAST_TRACED = "SELECT * EXCLUDE (place, attempt), true AS is_last FROM stored ANTI JOIN tried_again USING (place)"
# The last attempt at a quantum is the one that the metadata is of.
JOINED = f"""
    WITH last AS (SELECT *, row_number() OVER (PARTITION BY run, task, data_id ORDER BY start DESC) = 1 AS is_newest FROM traced),
    joined AS (
        SELECT last.* EXCLUDE is_newest REPLACE (
                coalesce(last.is_last, true) AS is_last,
                coalesce(last.task, told.task) AS task, coalesce(last.run, told.run) AS run, coalesce(last.data_id, told.data_id) AS data_id,
                coalesce(last.host, told.host) AS host, coalesce(last.start, told.start) AS start,
                coalesce(last.wall_s, told.wall_s) AS wall_s, coalesce(last.process_cpu_s, told.cpu_s) AS process_cpu_s,
                coalesce(last.quantum_id, told.quantum_id) AS quantum_id,
                CASE WHEN last.trace IS NULL THEN told.status ELSE last.status END AS status),
            {', '.join(f'told.{name} AS butler_{name}' for name in OF_MIDDLEWARE)}, last.trace IS NOT NULL AS has_trace
        FROM last FULL OUTER JOIN middleware AS told
        ON last.run = told.run AND last.task = told.task AND last.data_id = told.data_id AND last.is_newest)
    SELECT *, {MEMORY} FROM joined"""
LAST_OF_ALL = "SELECT * EXCLUDE (attempt, attempts) FROM quanta WHERE is_last"

# Quantiles of a list hold each value once; by view (`rubinprof.campaign.views`) they are of bins, for tens of millions of quanta.
NOT_DONE = "count(*) FILTER (status NOT IN ('done', 'no_work'))"
# A sum of those that are known would pass for that of all.
GIL_WAIT = "CASE WHEN count(gil_wait_s) = count(*) FILTER (has_trace) THEN sum(gil_wait_s) END"
OF_QUANTA = f"""
    count(*) AS quanta,
    {NOT_DONE} AS not_done,
    sum(wall_s) AS wall_s,
    sum(process_cpu_s) AS cpu_s,
    sum(process_cpu_s) / nullif(sum(wall_s), 0) AS cpu_efficiency,
    quantile_cont(wall_s, [0.5, 0.99])[1] AS wall_p50_s,
    quantile_cont(wall_s, [0.5, 0.99])[2] AS wall_p99_s,
    quantile_cont(memory_bytes, [0.5, 0.95, 0.99])[1] AS memory_p50_bytes,
    quantile_cont(memory_bytes, [0.5, 0.95, 0.99])[2] AS memory_p95_bytes,
    quantile_cont(memory_bytes, [0.5, 0.95, 0.99])[3] AS memory_p99_bytes,
    max(memory_bytes) AS memory_max_bytes,
    max(leaked_bytes) AS leaked_max_bytes,
    count(*) FILTER (memory_bytes > $over) AS over,
    coalesce(sum(wall_s) FILTER (memory_bytes > $over), 0) AS over_wall_s,
    count(*) FILTER (rss_max_bytes IS NULL) AS without_rss,
    count(*) FILTER (NOT has_trace) AS without_trace,
    sum(process_cpu_s) FILTER (has_trace AND butler_cpu_s IS NOT NULL) / sum(butler_cpu_s) FILTER (has_trace) AS cpu_of_butler
"""
ORDER = {"wall": "wall_s", "cpu": "cpu_s", "memory": "memory_max_bytes", "quanta": "quanta", "over": "over_wall_s"}
FUNCTIONS_ORDER = {"cpu": "self_cpu_s", "allocated": "allocated_bytes", "allocations": "allocations", "calls": "calls", "leaked": "leaked_bytes"}


SQL_TYPES = {
    "string": "VARCHAR", "int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN", "timestamp[us, tz=UTC]": "TIMESTAMPTZ", "map<string, string>": "MAP(VARCHAR, VARCHAR)",
}  # fmt: skip


def open(store: str | os.PathLike[str]) -> "Campaign":
    """Open a store for questions.

    Parameters
    ----------
    store : `str` or `os.PathLike`
        Its directory.

    Returns
    -------
    campaign : `Campaign`
        The campaign, as the store holds it now.

    Raises
    ------
    RubinprofError
        Raised when the directory is no store, or holds no trace yet.

    Examples
    --------
    >>> campaign = rubinprof.campaign.open("store")
    >>> campaign.table(by="task", where="peak > 6 GB").df()
    """
    return Campaign(Store.open(store))


class Campaign:
    """A store with its tables as views of an in-memory DuckDB: ``quanta``, ``processes``, ``functions``, ``metadata`` and ``provenance``.

    It sees the store as it was when it was opened. One thread at a time may use it.

    Parameters
    ----------
    store : `Store`
        The store.

    Attributes
    ----------
    has_middleware : `bool`
        Whether it has figures of the middleware.
    """

    def __init__(self, store: Store):
        self.store = store
        self._db = store.connect()
        self._db.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = true; SET enable_progress_bar_print = false")  # for `watched`
        files = {name: store.files(name) for name in TABLES}
        if not any(files.values()):
            raise RubinprofError(f"{store.text} holds nothing yet; 'rubinprof campaign add' adds traces")
        for name, paths in files.items():
            view = "stored" if name == "quanta" else f"{name}_of_commits" if name in SUMMED else name
            if paths:
                place = ", (file_index::BIGINT << 40) | file_row_number AS place" if name == "quanta" else ""
                rows = self._db.sql(f"SELECT *{place} FROM read_parquet([{', '.join(map(_quoted, paths))}], union_by_name = true)")
                # All files may be older than a column.
                lacking = [f"NULL::{SQL_TYPES[str(field.type)]} AS {field.name}" for field in TABLES[name] if field.name not in rows.columns]
                (rows.project(", ".join(["*", *lacking])) if lacking else rows).create_view(view)
            else:
                columns = [f"{field.name} {SQL_TYPES[str(field.type)]}" for field in TABLES[name]] + (["place BIGINT"] if name == "quanta" else [])
                self._db.execute(f"CREATE TABLE {view} ({', '.join(columns)})")
        self._sum_up()
        self._db.sql(TRACED if self._find_retried(files["quanta"]) else NONE_RETRIED).create_view("traced")
        self.has_middleware = bool(files["metadata"] or files["provenance"])
        if self.has_middleware:
            self._db.sql(WITH_PROVENANCE if files["provenance"] else WITHOUT_PROVENANCE).create_view("middleware")
        self._db.sql(JOINED if self.has_middleware else ALONE.format("traced")).create_view("quanta")
        self._db.sql(LAST_OF_ALL if self.has_middleware else ALONE.format(f"({LAST_TRACED})")).create_view("last_attempts")

    def _sum_up(self) -> None:
        """Make one row of what several commits have of the same path or frame."""
        for name, (keys, how) in SUMMED.items():
            names = ", ".join(keys)
            # Sums stay as wide as DuckDB makes them: nanoseconds of a whole release do not fit into 64 bits.
            figures = ", ".join(f"{word}({column}){'' if word == 'sum' else '::' + _type(name, column)} AS {column}" for column, word in how.items())
            self._db.sql(f"SELECT {names}, {figures} FROM {name}_of_commits GROUP BY {names}").create_view("sums_of_functions" if name == "functions" else name)
        self._db.sql(FUNCTIONS).create_view("functions")

    def _find_retried(self, paths: list[str]) -> int:
        """Make the tables of those with several attempts, which are few, and of those that were tried again: where they lie, as one number."""
        self._db.execute("CREATE TABLE tried_again (place BIGINT)")
        if not paths:
            return 0
        commits = [Path(path).stem for path in paths]
        files = ", ".join(f"({_quoted(commit)}, {place}::BIGINT)" for place, commit in enumerate(commits))
        make = f"""CREATE OR REPLACE TABLE retried AS SELECT (file << 40) | row AS place, attempt, attempts
            FROM {{}} JOIN (VALUES {files}) AS files (commit, file) USING (commit)"""
        made = False
        if attempts.is_kept(self.store, commits):
            with contextlib.suppress(duckdb.Error):
                self._db.execute(make.format(f"read_parquet({_quoted(self.store.url(attempts.NAME))})"))
                made = attempts.is_kept(self.store, commits)  # nobody has replaced it meanwhile
        if not made:
            self._db.register("found", attempts.find(self.store))
            self._db.execute(make.format("found"))
        self._db.execute("INSERT INTO tried_again SELECT place FROM retried WHERE attempt < attempts")
        ((count,),) = self._db.sql("SELECT count(*) FROM retried").fetchall()
        return count

    def quanta(self, where: str | None = None) -> duckdb.DuckDBPyRelation:
        """Rows of quanta, one an attempt: the columns of docs/campaign-store.md, ``memory_bytes``, and what the middleware says of the same quantum.

        ``attempt`` and ``attempts`` are of the whole campaign, and null where a region is no quantum; ``is_last`` chooses the last attempt at each.

        Quanta without a trace are there when the store has their metadata or provenance: ``has_trace`` is false, and wall and CPU time are the middleware's.

        Parameters
        ----------
        where : `str`, optional
            A condition, as `condition.parse` reads it.

        Returns
        -------
        quanta : `duckdb.DuckDBPyRelation`
            Evaluated when it is asked for: ``.df()``, ``.arrow()``, ``.fetchall()``.
        """
        made = condition.of(None, where)
        return self._db.sql(f"SELECT * FROM quanta WHERE {made.sql}", params=made.values)

    def last_attempts(self, where: str | None = None) -> duckdb.DuckDBPyRelation:
        """Rows of the last attempt at each quantum, as `quanta` has them where ``is_last``, but without ``attempt`` and ``attempts``: in a third less time.

        Parameters
        ----------
        where : `str`, optional
            A condition, as `condition.parse` reads it.

        Returns
        -------
        quanta : `duckdb.DuckDBPyRelation`
            Evaluated when it is asked for.
        """
        made = condition.of(None, where)
        if "attempt" in made.sql:
            return self.quanta(where).filter("is_last")
        return self._db.sql(f"SELECT * FROM last_attempts WHERE {made.sql}", params=made.values)

    def put(self, name: str, columns: dict[str, list[Any]]) -> None:
        """Make a table beside the views, or replace it: to join with. Keys are names with SQL types, as in ``{"task VARCHAR": ["isr"]}``."""
        # Not by way of pyarrow: DuckDB would import pandas for it, which takes longer than most questions.
        parts = ", ".join(f"unnest(?::{key.split()[1]}[]) AS {key.split()[0]}" for key in columns)
        self._db.execute(f"CREATE OR REPLACE TABLE {_name(name)} AS SELECT {parts}", list(columns.values()))

    @contextlib.contextmanager
    def watched(self, progress: Callable[[int, int], object]) -> Iterator["Campaign"]:
        """Tell how far the question is that runs meanwhile: percent done of it, and 100, from another thread."""
        is_over = threading.Event()

        def poll() -> None:
            while not is_over.wait(0.3):
                if (percent := self._db.query_progress()) >= 0:
                    progress(int(percent), 100)

        thread = threading.Thread(target=poll, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            is_over.set()
            thread.join()

    def export(self, path: str | os.PathLike[str], format: str = "parquet", where: str | None = None, names: str | None = None) -> int:
        """Write quanta, one row an attempt, into a file: the columns of `quanta`, in the order of traces.

        Parameters
        ----------
        path : `str` or `os.PathLike`
            The file; replaced when all is written.
        format : `str`, optional
            ``"parquet"`` or ``"csv"``.
        where : `str`, optional
            A condition on the quanta.
        names : `str`, optional
            A key of `rubinprof.campaign.usage.NAMES`: rows and columns as `rubinprof.campaign.usage.usage` gives them.

        Returns
        -------
        rows : `int`
            Rows written.
        """
        if names:
            from rubinprof.campaign.usage import usage  # it asks this class

            rows = usage(self, names, where)
        else:
            rows = self.quanta(where).order("trace, unit")
        scratch = f"{path}.{os.getpid()}.tmp"
        try:
            if format == "parquet":
                rows.write_parquet(scratch, compression="zstd")
            else:
                rows.write_csv(scratch, header=True)
            count = rows.aggregate("count(*)").fetchall()[0][0]
            os.replace(scratch, path)
        except (duckdb.IOException, OSError) as error:
            raise RubinprofError(f"cannot write {path}: {error}") from None
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(scratch)
        return count

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Ask in SQL, of the views ``quanta``, ``processes``, ``functions``, ``metadata`` and ``provenance``."""
        return self._db.sql(query)

    def table(
        self, by: str = "task", metric: str | None = None, *, task: str | None = None, where: str | None = None, over_bytes: float = OVER_BYTES, n: int | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Sum the campaign by something.

        A quantum that was tried again counts once, with its last attempt. What the earlier ones took stands apart: ``earlier_attempts``, ``earlier_wall_s``,
        ``earlier_cpu_s``.

        Parameters
        ----------
        by : `str`, optional
            ``"task"``, ``"status"``, ``"host"``, ``"run"``, ``"day"``, a dimension of the data ID, such as ``"visit"``, or another label, such as
            ``"band"``: quanta. ``"function"``, ``"library"`` or ``"file"``: what the processes did, outside of quanta too; with a task or condition, what
            those quanta did. ``"line"``: what quanta did, with the native code that a line called. Of quanta every attempt counts there. With a condition on
            more than the task these are estimates, by the stacks that were kept of each quantum.
        metric : `str`, optional
            What to order by. Quanta: ``"wall"`` (default), ``"cpu"``, ``"memory"``, ``"quanta"``, ``"over"``. Functions: ``"cpu"`` (default), ``"allocated"``,
            ``"allocations"``, ``"calls"``, ``"leaked"``; of quanta the first two.
        task : `str`, optional
            Only quanta of this task.
        where : `str`, optional
            A condition on quanta, as `condition.parse` reads it.
        over_bytes : `float`, optional
            Memory above which a quantum counts as large, bytes.
        n : `int`, optional
            Rows at most.

        Returns
        -------
        table : `duckdb.DuckDBPyRelation`
            The largest first.

        Raises
        ------
        ValueError
            Raised when there is no such grouping, metric or condition; the text says what there is.
        """
        of_stacks = by in STACKS_BY or (by in FUNCTIONS_BY and (task, where) != (None, None))
        orders, default = (STACKS_ORDER, "cpu") if of_stacks else (FUNCTIONS_ORDER, "cpu") if by in FUNCTIONS_BY else (ORDER, "wall")
        if (metric or default) not in orders:
            raise ValueError(f"a table by {by} is not ordered by {metric!r}; choose {', '.join(orders)}")
        limit = "" if n is None else f"LIMIT {int(n)}"
        order = f"ORDER BY {orders[metric or default]} DESC NULLS LAST, 1 {limit}"
        if of_stacks:
            return self._stacks(by, task, where, order)
        if by in FUNCTIONS_BY:
            return self._functions(FUNCTIONS_BY[by], order)
        made = condition.of(task, where)
        sql = f"""
            WITH sums AS MATERIALIZED (
                SELECT key, is_last, {OF_QUANTA.replace("$over", "?")} FROM (SELECT {self.key(by)} AS key, * FROM quanta WHERE {made.sql}) GROUP BY key, is_last),
            counted AS (SELECT * EXCLUDE (is_last) FROM sums WHERE is_last),
            earlier AS (SELECT key, quanta, wall_s, cpu_s FROM sums WHERE NOT is_last)
            SELECT coalesce(counted.key, earlier.key) AS {_name(by)},
                counted.* EXCLUDE (key) REPLACE (coalesce(counted.quanta, 0) AS quanta, coalesce(counted.not_done, 0) AS not_done),
                coalesce(earlier.quanta, 0) AS earlier_attempts,
                CASE WHEN earlier.quanta IS NULL THEN 0 ELSE earlier.wall_s END AS earlier_wall_s,
                CASE WHEN earlier.quanta IS NULL THEN 0 ELSE earlier.cpu_s END AS earlier_cpu_s
            FROM counted FULL OUTER JOIN earlier ON counted.key IS NOT DISTINCT FROM earlier.key {order}"""
        return self._db.sql(sql, params=[over_bytes, over_bytes, *made.values])

    def _stacks(self, by: str, task: str | None, where: str | None, order: str) -> duckdb.DuckDBPyRelation:
        """Sums over quanta, of CPU time by the innermost frame, of memory by that and the innermost of Python: those of tasks exact, else of the stacks that were kept."""
        made = condition.of(task, where)
        kept = (SUMMED_ALREADY if made.is_of_tasks else CHOSEN).format(where=made.sql)
        keys = ", ".join(STACKS_BY.get(by) or FUNCTIONS_BY[by])
        cpu, memory = "cpu_ns, cpu_variance", "allocated_bytes, allocated_variance"
        if by == "line":
            parts = f"SELECT python AS frame, line, {cpu}, {memory} FROM kept"
            place = "nullif(parts.line, 0)"
        else:
            parts = f"""SELECT frame, 0 AS line, {cpu}, {memory} FROM kept UNION ALL
                SELECT python, 0, 0 * cpu_ns, 0 * cpu_variance, {memory} FROM kept WHERE python != frame"""
            place = "nullif(frames.line, 0)"
        names = ", ".join(f"{place} AS line" if name == "line" else f"frames.{name}" for name in keys.split(", "))
        sql = f"""
            WITH {kept},
            parts AS ({parts}),
            named AS (SELECT {names}, {cpu}, {memory} FROM parts JOIN frames USING (frame)),
            sums AS (SELECT {keys}, sum(cpu_ns) / {NS} AS cpu, sum(cpu_variance) / {NS_VARIANCE} AS cpu_variance,
                sum(allocated_bytes)::BIGINT AS allocated_bytes, sum(allocated_variance) * {BYTES_VARIANCE} AS allocated_variance FROM named GROUP BY {keys})
            SELECT {keys}, cpu AS self_cpu_s, {_half_width("cpu", "cpu_variance")} AS self_cpu_s_error,
                cpu / nullif((SELECT sum(cpu_ns) / {NS} FROM kept), 0) AS share, allocated_bytes,
                {_half_width("allocated_bytes", "allocated_variance")} AS allocated_bytes_error
            FROM sums {order}"""
        return self._db.sql(sql, params=made.values)

    def flame(self, task: str | None = None, where: str | None = None, by: str | None = None) -> "Flame":
        """Sum the stacks of quanta.

        Parameters
        ----------
        task : `str`, optional
            Only quanta of this task.
        where : `str`, optional
            A condition on quanta, as `condition.parse` reads it.
        by : `str`, optional
            What of a quantum stands outside of its stacks, such as ``"task"``: a word of `table`.

        Returns
        -------
        flame : `Flame`
            Its tree, and files for viewers.
        """
        parts = self._sums_by_path(task, where, by)
        return Flame(self.store.text, self._tree(), [(outside, *part) for outside, part in parts.items()])

    def flames(self, tasks: Iterable[str]) -> dict[str, "Flame"]:
        """Sum the stacks of all quanta, and of those of each of some tasks, in one reading.

        Parameters
        ----------
        tasks : `~collections.abc.Iterable` [`str`]
            The tasks.

        Returns
        -------
        flames : `dict` [`str`, `Flame`]
            By task; that of all quanta under "".
        """
        parts, tree, name = self._sums_by_path(None, None, "task"), self._tree(), self.store.text
        paths, figures = zip(*parts.values(), strict=True) if parts else ((), ())
        whole = [(None, np.concatenate(paths), [np.concatenate(values) for values in zip(*figures, strict=True)])] if parts else []
        flames = {"": Flame(name, tree, whole)}
        return flames | {task: Flame(name, tree, [(None, *parts[task])] if task in parts else []) for task in tasks}

    def _sums_by_path(self, task: str | None, where: str | None, by: str | None) -> dict[Any, tuple[np.ndarray, list[np.ndarray]]]:
        """By what stands outside: paths, and sums of each, as `Flame` takes them."""
        sums = ", ".join(f"coalesce(sum({name}), 0)::DOUBLE AS {name}" for name in ("cpu_ns", "allocated_bytes", "held_bytes"))
        made = condition.of(task, where)
        if made.is_of_tasks and by in (None, "task"):  # summed already
            found = self._db.sql(f"SELECT {by or 'NULL'} AS outside, path, {sums} FROM task_stacks WHERE {made.sql} GROUP BY outside, path ORDER BY outside, path", params=made.values)
        else:
            found = self._db.sql(
                f"""WITH {CHOSEN.format(where=made.sql)}, about AS (SELECT trace, unit, {self.key(by) if by else 'NULL'} AS outside FROM quanta)
                SELECT outside, path, {sums} FROM kept JOIN about USING (trace, unit) GROUP BY outside, path ORDER BY outside, path""", params=made.values)  # fmt: skip
        columns = found.fetchnumpy()
        outside, paths, *figures = (np.ma.getdata(columns[name]) for name in ("outside", "path", "cpu_ns", "allocated_bytes", "held_bytes"))
        figures = [np.rint(np.minimum(values, 2.0**62)).astype(np.int64) for values in figures]
        if by is None:
            return {None: (paths, figures)} if len(paths) else {}
        hidden = np.ma.getmaskarray(columns["outside"])
        names = [None if is_null else name for name, is_null in zip(outside.tolist(), hidden.tolist(), strict=True)]
        begins = [i for i in range(len(names)) if i == 0 or names[i] != names[i - 1]] + [len(names)]
        return {names[begin]: (paths[begin:end], [values[begin:end] for values in figures]) for begin, end in zip(begins, begins[1:], strict=False)}

    def _tree(self) -> StackTree:
        frames = self._db.sql("SELECT frame, function, file, line, module, kind FROM frames ORDER BY frame").fetchall()
        keys = np.array([row[0] for row in frames], np.int64)
        columns = self._db.sql("SELECT path, parent, frame FROM paths WHERE frame IN (SELECT frame FROM frames)").fetchnumpy()
        path, parent, frame = (np.ma.getdata(columns[name]) for name in ("path", "parent", "frame"))
        return StackTree(path, parent, np.searchsorted(keys, frame), [tuple(row[1:]) for row in frames])

    def _functions(self, keys: list[str], order: str) -> duckdb.DuckDBPyRelation:
        columns = ", ".join(keys)
        figures = ", ".join(f"{_half_width(name, name + '_variance')} AS {name}_error" for name in ("self_cpu_s", "allocated_bytes", "leaked_bytes"))
        sums = ", ".join(f"sum({name}) AS {name}, sum({name}_variance) AS {name}_variance" for name in ("self_cpu_s", "allocated_bytes", "leaked_bytes"))
        # A process may have several functions of a library, and one build of each function.
        processes = "sum" if "function" in keys else "max"
        return self._db.sql(f"""
            WITH sums AS (SELECT {columns}, {sums}, CASE WHEN {ALL_COUNT_CALLS} THEN sum(calls)::BIGINT END AS calls, sum(allocations)::BIGINT AS allocations, {processes}(processes)::BIGINT AS processes
                FROM functions GROUP BY {columns}),
            told AS (SELECT *, {figures} FROM sums)
            SELECT {columns.replace("line", "nullif(line, 0) AS line")}, self_cpu_s, self_cpu_s_error, self_cpu_s / nullif((SELECT sum(cpu_s) FROM processes), 0) AS share, calls, allocations,
                allocated_bytes::BIGINT AS allocated_bytes, allocated_bytes_error, leaked_bytes::BIGINT AS leaked_bytes, leaked_bytes_error,
                least(processes, (SELECT count(*) FROM processes)) AS processes
            FROM told {order}""")

    def key(self, by: str) -> str:
        """SQL of a quantum for what `table` groups by; ValueError where there is no such word."""
        if by in QUANTA_BY:
            return QUANTA_BY[by]
        known = [*self.dimensions(), *self.labels()]
        if by not in known:
            words = ", ".join([*QUANTA_BY, *FUNCTIONS_BY, *known])
            raise ValueError(f"there is no table by {by!r}; choose {words}")
        return condition.word_of(by)

    def dimensions(self) -> list[str]:
        """Names of the dimensions that the data IDs have."""
        return self._keys("data_id")

    def labels(self) -> list[str]:
        """Names of the other labels: dimensions that the data IDs imply, such as ``band``, and what the program gave."""
        return self._keys("labels")

    def _keys(self, column: str) -> list[str]:
        rows = self._db.sql(f"SELECT DISTINCT unnest(map_keys({column})) AS name FROM quanta ORDER BY name").fetchall()
        return [name for (name,) in rows if name.isidentifier()]

    def totals(self) -> dict[str, Any]:
        """Sums over the campaign: quanta, processes, their time, what the tracer cost and lost."""
        sql = """SELECT count(*) AS processes, sum(quanta)::BIGINT AS quanta, sum(wall_s) AS wall_s, sum(cpu_s) AS cpu_s, sum(quanta_cpu_s) AS quanta_cpu_s,
                 sum(overhead_s) AS overhead_s, sum(lost_events)::BIGINT AS lost_events, count(*) FILTER (NOT complete) AS not_complete,
                 sum(file_bytes)::BIGINT AS file_bytes FROM processes"""
        found = self._db.sql(sql)
        return dict(zip(found.columns, found.fetchall()[0], strict=True))


def _half_width(figure: str, variance: str) -> str:
    return HALF_WIDTH.format(figure=figure, variance=variance)


def _type(table: str, column: str) -> str:
    return {"string": "VARCHAR", "bool": "BOOLEAN", "int32": "INTEGER"}.get(str(TABLES[table].field(column).type), "BIGINT")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
