"""A recorded trace as a Python object. All figures come from the analyzer; this module only hands them on."""

import json
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rubinprof import _analyze

if TYPE_CHECKING:
    import pandas

__all__ = ["Trace", "open", "recover"]

Path = str | os.PathLike[str]
_decoded = json.JSONDecoder().decode  # as it was when this was loaded: a traced test may have faked it


def open(*paths: Path, jobs: int = 0, index: bool = False) -> "Trace":
    """Open a trace.

    Parameters
    ----------
    *paths : `str` or `os.PathLike`
        A trace file, a directory (every ``*.rprof`` below it), or several of either. Many files become one merged
        trace.
    jobs : `int`, optional
        Processes of a trace that are read at the same time, each on a core and in memory; 0: as many as there are cores. No figure
        depends on it.
    index : `bool`, optional
        Keep what was found out in a file of the directory ``.rubinprof`` beside the trace, and take it from there the next time, as the
        commands do. Figures are the same.

    Returns
    -------
    trace : `Trace`
        The trace; its files are read when the first figure is asked for.

    Raises
    ------
    TraceError
        Raised when a path cannot be read as a trace; the text names the path and says what to do.

    Examples
    --------
    >>> trace = rubinprof.open("isr.rprof")
    >>> trace.table(by="function", n=3)[0]["function"]
    'galsim::SBProfile::draw'
    """
    return Trace(*paths, jobs=jobs, index=index)


def recover(path: Path, out: Path) -> str:
    """Write a clean copy of a cut or damaged trace file.

    Parameters
    ----------
    path : `str` or `os.PathLike`
        The trace file.
    out : `str` or `os.PathLike`
        Where the copy goes; nothing may exist there.

    Returns
    -------
    summary : `str`
        One sentence: what was kept and what is missing.

    Raises
    ------
    TraceError
        Raised when nothing can be saved, or ``out`` cannot be written.
    """
    return _analyze.recover(path, out)


class Trace:
    """A trace opened for reading; see `rubinprof.open`.

    Times are in seconds and sizes in bytes, as the key names say. Several threads may share a trace: they wait for one
    another. It can be used in a ``with`` statement, which closes it.
    """

    def __init__(self, *paths: Path, jobs: int = 0, index: bool = False):
        if not paths:
            raise TypeError("rubinprof.open() needs at least one path")
        self.paths = tuple(os.fspath(path) for path in paths)
        self._jobs, self._index = jobs, index
        self._handle = _analyze.open(self.paths)
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<rubinprof.Trace {', '.join(map(str, self.paths))}>"

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the trace. What it returned stays usable."""
        with self._lock:
            self._handle.close()

    @property
    def files(self) -> list[tuple[str, str | None]]:
        """``(path, problem)`` of each file found; ``problem`` is `None` for a readable one."""
        with self._lock:
            return self._handle.files()

    def heads(self) -> list[tuple[str, bool]]:
        """Return what the first page of each file says, in the order of `files`.

        Returns
        -------
        heads : `list` [`tuple`]
            The uuid, 32 hexadecimal digits (zeros where the file cannot be read), and whether the file ended by a clean stop.
        """
        with self._lock:
            return self._handle.heads()

    def is_whole(self) -> bool:
        """Whether every file ended by a clean stop and nothing is damaged or lost."""
        with self._lock:
            return self._handle.is_whole()

    def stats(self, *, from_s: float = 0.0, to_s: float = 0.0) -> dict[str, Any]:
        """Summarise the run: what ran, time, memory, what the tool cost and what was lost.

        Parameters
        ----------
        from_s, to_s : `float`, optional
            Only what happened in this stretch, in seconds since the run began; ``to_s`` 0: to its end. The same in the other methods.

        Returns
        -------
        stats : `dict`
            The keys of ``rubinprof stats --json``.
        """
        return self._json("stats", from_s=from_s, to_s=to_s)

    def table(
        self,
        by: str = "function",
        metric: str | None = None,
        n: int | None = None,
        *,
        region: str | int | None = None,
        from_s: float = 0.0,
        to_s: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Rank functions, lines, files, modules, threads or regions.

        Parameters
        ----------
        by : `str`, optional
            ``"function"``, ``"line"``, ``"file"``, ``"module"``, ``"thread"`` or ``"region"``.
        metric : `str`, optional
            What to rank by: ``"cpu"``, ``"wall"``, ``"gil_wait"``, ``"calls"``, ``"allocated"``, ``"allocations"``,
            ``"peak"``, ``"leaked"``, ``"temporary"``, ``"mapped_file"`` or ``"shared"`` (regions: all but these three; CPU is that of
            the process).
        n : `int`, optional
            Rows at most; all of them when `None`.
        region : `str` or `int`, optional
            Only what happened in this region: its name, or its index in `regions`. Not of a table by region.
        from_s, to_s : `float`, optional
            Only what happened in this stretch: see `stats`.

        Returns
        -------
        rows : `list` [`dict`]
            The largest first.
        """
        return self._json("table", by=by, metric=metric, n=_rows_at_most(n), region=region, from_s=from_s, to_s=to_s)["rows"]

    def leaks(
        self,
        by: str = "line",
        n: int | None = None,
        *,
        region: str | int | None = None,
        from_s: float = 0.0,
        to_s: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Return what was never freed: where it was allocated, and when.

        Parameters
        ----------
        by : `str`, optional
            ``"line"``, ``"function"`` or ``"file"``.
        n : `int`, optional
            Rows at most; all of them when `None`.
        region : `str` or `int`, optional
            Only what happened in this region: its name, or its index in `regions`.
        from_s, to_s : `float`, optional
            Only what happened in this stretch: see `stats`. Its rows do not say when in it.

        Returns
        -------
        rows : `list` [`dict`]
            The largest first.
        """
        return self._json("leaks", by=by, n=_rows_at_most(n), region=region, from_s=from_s, to_s=to_s)["rows"]

    def temporary(
        self,
        by: str = "line",
        n: int | None = None,
        *,
        native: bool = False,
        region: str | int | None = None,
        from_s: float = 0.0,
        to_s: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Return what was freed before its thread allocated again: a buffer that could be kept.

        Parameters
        ----------
        by : `str`, optional
            ``"line"``, ``"function"`` or ``"file"``.
        n : `int`, optional
            Rows at most; all of them when `None`.
        native : `bool`, optional
            Rows of native functions instead of Python ones.
        region : `str` or `int`, optional
            Only what happened in this region: its name, or its index in `regions`.
        from_s, to_s : `float`, optional
            Only what happened in this stretch: see `stats`.

        Returns
        -------
        rows : `list` [`dict`]
            The largest first.
        """
        return self._json("temporary", by=by, n=_rows_at_most(n), native=native, region=region, from_s=from_s, to_s=to_s)["rows"]

    def tree(
        self,
        metric: str | None = None,
        *,
        depth: int = 0,
        min_share: float = 0.0,
        region: str | int | None = None,
        from_s: float = 0.0,
        to_s: float = 0.0,
    ) -> dict[str, Any]:
        """Return the call tree.

        Parameters
        ----------
        metric : `str`, optional
            What orders the children of a node.
        depth : `int`, optional
            Levels to return; 0 for all.
        min_share : `float`, optional
            Nodes below this share of the whole are folded into one.
        region : `str` or `int`, optional
            Only what happened in this region.
        from_s, to_s : `float`, optional
            Only what happened in this stretch: see `stats`.

        Returns
        -------
        tree : `dict`
            As ``rubinprof tree --json`` gives it.
        """
        return self._json("tree", metric=metric, depth=depth, min_share=min_share, region=region, from_s=from_s, to_s=to_s)

    def lines(
        self,
        file: str | None = None,
        metric: str | None = None,
        *,
        region: str | int | None = None,
        from_s: float = 0.0,
        to_s: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Return the figures of each source line.

        Parameters
        ----------
        file : `str`, optional
            File name, the end of it after a ``/``, or a path to it from here; every file when `None`.
        metric : `str`, optional
            What to rank by where lines of many files are mixed.
        region : `str` or `int`, optional
            Only what happened in this region.
        from_s, to_s : `float`, optional
            Only what happened in this stretch: see `stats`.

        Returns
        -------
        rows : `list` [`dict`]
            One row a line that did something.
        """
        options: dict[str, Any] = {"metric": metric, "n": -1, "region": region, "from_s": from_s, "to_s": to_s}
        if file is None:
            return self._json("lines", **options)["rows"]
        return [row for name in self._files_meant(file) or [file] for row in self._json("lines", file=name, **options)["rows"]]

    def _files_meant(self, word: str) -> list[str]:
        """The files of the trace that a user means by a word."""
        from rubinprof.reports.source_path import files_meant  # here: nothing else needs it

        return files_meant(word, {row["file"] for row in self.table("file")}, self.stats()["meta"].get("cwd", ""))

    def regions(self, *, from_s: float = 0.0, to_s: float = 0.0) -> list[dict[str, Any]]:
        """Return one row a region, in the order in which they began. A quantum of a pipeline is one.

        In a stretch of time those that were open in it, whole: nobody keeps their figures by stretch.
        """
        rows = self._json("regions")["rows"]
        return [row for row in rows if row["start_s"] + row["wall_s"] >= from_s and not (to_s and row["start_s"] >= to_s)]

    def quanta(self) -> dict[str, Any]:
        """Return what the quanta of a pipeline sum to.

        Returns
        -------
        sums : `dict`
            ``quanta``, ``retried`` (how many), ``last`` (sums over the last attempt at each) and ``earlier`` (over all other attempts).
        """
        return self._json("regions")["quanta"]

    def flame(self, *, region: str | int | None = None, from_s: float = 0.0, to_s: float = 0.0) -> dict[str, Any]:
        """Return the whole call tree in columns, as the flame graph draws it."""
        return self._json("flame", region=region, from_s=from_s, to_s=to_s)

    def sources(self) -> list[dict[str, Any]]:
        """Return the source files whose text is inside the trace: those that ran, where the tracer was asked for ``sources``.

        Returns
        -------
        rows : `list` [`dict`]
            ``file``, ``bytes``, ``changed_s`` (seconds since 1970), ``whole`` (`False`: a part is missing), ``differs``
            (processes ran different texts; this is the first), ``text``; of one that is no UTF-8 also ``latin1``: each byte as a character.
        """
        return self._json("sources")["sources"]

    def verify(self) -> dict[str, Any]:
        """Check every file: complete or not, blocks, what was lost where."""
        return self._json("verify")

    def to_pandas(
        self,
        by: str = "function",
        metric: str | None = None,
        n: int | None = None,
        *,
        region: str | int | None = None,
        from_s: float = 0.0,
        to_s: float = 0.0,
    ) -> "pandas.DataFrame":
        """Return `table` as a data frame.

        Raises
        ------
        ImportError
            Raised when pandas is not installed.
        """
        import pandas  # optional: nothing else here needs it

        return pandas.DataFrame.from_records(self.table(by, metric, n, region=region, from_s=from_s, to_s=to_s))

    def report(
        self,
        name: str,
        format: str = "json",
        *,
        write: Callable[[bytes], object] | None = None,
        progress: Callable[[int, int], object] | None = None,
        **options: Any,
    ) -> bytes | None:
        """Render a report of the analyzer as it is.

        Parameters
        ----------
        name : `str`
            ``"stats"``, ``"table"``, ``"tree"``, ``"lines"``, ``"regions"``, ``"flame"``, ``"page"``, ``"collapsed"``,
            ``"leaks"``, ``"temporary"``, ``"losses"``, ``"sources"``, ``"dump"`` or ``"verify"``.
        format : `str`, optional
            ``"text"``, ``"json"`` or ``"csv"``.
        write : `~collections.abc.Callable`, optional
            Receives the report in chunks of bytes, for reports too large to hold.
        progress : `~collections.abc.Callable`, optional
            Called with bytes done and bytes to do while files are read.
        **options
            ``by``, ``metric``, ``n``, ``depth``, ``min_share``, ``file``, ``region``, ``from_s``, ``to_s``, ``full_names``,
            ``keep_dispatch``, ``native``, ``ascii``, ``width``: as in ``rubinprof/rp_report.h``.

        Returns
        -------
        report : `bytes` or `None`
            The report, unless it went to ``write``.
        """
        if options.get("region") is not None:
            options["region"] = str(options["region"])
        with self._lock:
            return self._handle.report(name, format=format, write=write, progress=progress, jobs=self._jobs, index=self._index, **options)

    def _look(self, by: str, metric: str | None = None, n: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return `stats` and `table` of a trace that grows: the first time all of it is read, then what is new.

        With ``n``, by function, the table has the rows that grew most since the look before, and says by how much (``grown``, ``grown_whole``).
        """
        with self._lock:
            stats, table = self._handle.report("look", by=by, metric=metric, n=n).split(b"\0")
        return _decoded(stats.decode()), _decoded(table.decode())

    def _json(self, name: str, **options: Any) -> dict[str, Any]:
        report = self.report(name, **options)
        assert report is not None
        return _decoded(report.decode())


def _rows_at_most(n: int | None) -> int:
    """As the analyzer takes it."""
    if n == 0:
        raise ValueError("n=0 asks for no rows: give how many at most, or None for all")
    return -1 if n is None else n
