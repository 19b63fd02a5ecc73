"""A store: immutable Parquet files, and the commits that name them. docs/campaign-store.md is its specification."""

import contextlib
import dataclasses
import fcntl
import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rubinprof.campaign.schema import FORMAT, SORTED_BY, TABLES, VERSION
from rubinprof.errors import RubinprofError

__all__ = ["Commit", "Store", "commit_id"]

QUANTA_MERGED_MAX = 1_000_000
"""A commit with as many quanta is left as it is; smaller ones are merged."""
ROW_GROUP_ROWS = 256 * 1024


@dataclasses.dataclass(frozen=True)
class Commit:
    """What one file of ``commits/`` says.

    Parameters
    ----------
    id : `str`
        `commit_id` of its traces.
    files : `list` [`dict`]
        ``path`` (relative to the store), ``rows``, ``bytes`` and ``sha256`` of each file.
    """

    id: str
    files: list[dict[str, Any]]

    def file(self, table: str) -> dict[str, Any]:
        """The file of one of the tables."""
        return next(file for file in self.files if file["path"].startswith(f"{table}/"))


def commit_id(traces: Iterable[str]) -> str:
    """Name a commit by what it holds: the same traces have the same name, in whatever order they came."""
    return hashlib.sha256("\n".join(sorted(traces)).encode()).hexdigest()[:32]


class Store:
    """A directory of rows about a campaign.

    Use `open` for one that is there and `create` for one that may not be. Readers need no lock: they read what the commits of one moment name.

    Parameters
    ----------
    path : `os.PathLike`
        The directory.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Store":
        """Open a store that is there.

        Raises
        ------
        RubinprofError
            Raised when the directory is no store, or one of a newer version.
        """
        store = cls(path)
        try:
            text = (store.path / "store.json").read_text()
        except FileNotFoundError:
            raise RubinprofError(f"{path} is no campaign store: it has no store.json; 'rubinprof campaign add' makes one") from None
        except OSError as error:
            raise RubinprofError(f"cannot read {path}/store.json: {error.strerror}") from error
        try:
            about = json.loads(text)
            name, version = about["format"], int(about["version"])
        except (ValueError, KeyError, TypeError):
            raise RubinprofError(f"{path}/store.json is damaged") from None
        if name != FORMAT:
            raise RubinprofError(f"{path} is no campaign store: its format is {name!r}")
        if version > VERSION:
            raise RubinprofError(f"{path} is a store of version {version}, newer than this rubinprof reads ({VERSION}); install a newer one")
        return store

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> "Store":
        """Open a store, or make it in an empty or missing directory.

        Raises
        ------
        RubinprofError
            Raised when the directory holds something else.
        """
        store = cls(path)
        if not (store.path / "store.json").exists():
            if store.path.exists() and any(store.path.iterdir()):
                raise RubinprofError(f"{path} is neither a campaign store nor empty; name another directory")
            for name in ("commits", *TABLES):
                (store.path / name).mkdir(parents=True, exist_ok=True)
            store._write("store.json", _json_bytes({"format": FORMAT, "version": VERSION}))
        return cls.open(path)

    def commits(self) -> list[Commit]:
        """Return what the store holds now, in the order of the commits' names.

        Raises
        ------
        RubinprofError
            Raised when a commit cannot be read.
        """
        found = {}
        for path in sorted((self.path / "commits").glob("*.json")):
            try:
                found[path.stem] = Commit(**json.loads(path.read_text()))
            except FileNotFoundError:  # merged into another one since the directory was listed
                return self.commits()
            except (ValueError, TypeError):
                raise RubinprofError(f"{path} is damaged: it is no commit") from None
        merging = self._merging()
        replaced = set(merging["from"]) if merging["into"] in found else set()
        return [commit for name, commit in found.items() if name not in replaced]

    def files(self, table: str) -> list[str]:
        """Paths of the files of one table, as the commits name them."""
        return [str(self.path / commit.file(table)["path"]) for commit in self.commits()]

    def traces(self) -> set[str]:
        """Uuids of the traces that the store holds."""
        return {trace for path in self.files("processes") for trace in pq.read_table(path, columns=["trace"])["trace"].to_pylist()}

    def refused(self) -> list[dict[str, str]]:
        """Return ``path`` and ``reason`` of each file that `refuse` has noted."""
        try:
            return json.loads((self.path / "refused.json").read_text())
        except FileNotFoundError:
            return []

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock, which ends with the process. Only writers need it."""
        with open(self.path / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def commit(self, tables: dict[str, pa.Table]) -> int:
        """Add rows, as a whole or not at all.

        Parameters
        ----------
        tables : `dict` [`str`, `pyarrow.Table`]
            Rows of each table of `TABLES`, in any order; "processes" has one for each trace. Rows of traces that the store has already are left out.

        Returns
        -------
        traces : `int`
            Traces that were new.

        Raises
        ------
        RubinprofError
            Raised when the store cannot be written; it is as it was then.
        """
        with self.locked():
            new = sorted(set(tables["processes"]["trace"].to_pylist()) - self.traces())
            if new:
                self._commit({name: _of_traces(rows, new) for name, rows in tables.items()})
            return len(new)

    def refuse(self, looked_at: Iterable[str], refused: Iterable[dict[str, str]]) -> None:
        """Note which files of a spool could not be read, in the place of what was noted of the same files before."""
        with self.locked():
            looked_at = set(looked_at)
            noted = [entry for entry in self.refused() if entry["path"] not in looked_at] + list(refused)
            if noted != self.refused():
                self._write("refused.json", _json_bytes(sorted(noted, key=lambda entry: entry["path"])))

    def merge(self) -> None:
        """Merge the small commits into one, and remove what no commit names.

        Until the merged commit is renamed into place the small ones count, and from then on it does: ``merging.json`` names both.
        """
        with self.locked():
            self._end_merge()
            small = [commit for commit in self.commits() if commit.file("quanta")["rows"] < QUANTA_MERGED_MAX]
            if len(small) > 1:
                tables = {name: self._read(name, small) for name in TABLES}
                into = commit_id(tables["processes"]["trace"].to_pylist())
                self._write("merging.json", _json_bytes({"into": into, "from": [commit.id for commit in small]}))
                self._commit(tables)
                self._end_merge()
            self._remove_leftovers()

    def verify(self) -> list[str]:
        """Check every file against its commit, and that each trace is there once.

        Returns
        -------
        problems : `list` [`str`]
            One sentence each; empty for a store that is whole.
        """
        problems, seen = [], {}
        for commit in self.commits():
            broken = [problem for file in commit.files if (problem := self._problem(file))]
            problems += broken
            if broken:
                continue
            traces = pq.read_table(self.path / commit.file("processes")["path"], columns=["trace"])["trace"].to_pylist()
            if commit_id(traces) != commit.id:
                problems.append(f"commit {commit.id} does not hold the traces that it is named after")
            for trace in traces:
                if trace in seen:
                    problems.append(f"trace {trace} is there twice, in commits {seen[trace]} and {commit.id}")
                seen[trace] = commit.id
        return problems

    def _problem(self, file: dict[str, Any]) -> str | None:
        try:
            data = (self.path / file["path"]).read_bytes()
        except OSError as error:
            return f"{file['path']} cannot be read: {error.strerror}"
        if len(data) != file["bytes"] or hashlib.sha256(data).hexdigest() != file["sha256"]:
            return f"{file['path']} has changed since it was committed"
        return None

    def _merging(self) -> dict[str, Any]:
        try:
            return json.loads((self.path / "merging.json").read_text())
        except FileNotFoundError:
            return {"into": None, "from": []}

    def _end_merge(self) -> None:
        """Finish a merge that was begun, or forget one that came to nothing. The lock is held."""
        merging = self._merging()
        if merging["into"] and (self.path / "commits" / f"{merging['into']}.json").exists():
            for name in merging["from"]:
                (self.path / "commits" / f"{name}.json").unlink(missing_ok=True)
        (self.path / "merging.json").unlink(missing_ok=True)

    def _commit(self, tables: dict[str, pa.Table]) -> None:
        """The lock is held."""
        name = commit_id(tables["processes"]["trace"].to_pylist())
        files = []
        for table, schema in TABLES.items():
            data = parquet_bytes(tables[table].cast(schema).sort_by(SORTED_BY[table]))
            path = f"{table}/{name}.parquet"
            self._write(path, data)
            files.append({"path": path, "rows": tables[table].num_rows, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        self._write(f"commits/{name}.json", _json_bytes({"id": name, "files": files}))

    def _read(self, table: str, commits: list[Commit]) -> pa.Table:
        paths = [self.path / commit.file(table)["path"] for commit in commits]
        return pa.concat_tables([pq.read_table(path, schema=TABLES[table]) for path in paths])

    def _write(self, name: str, data: bytes) -> None:
        """Write a file under another name, make it durable, rename it."""
        path = self.path / name
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with open(scratch, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.rename(scratch, path)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            raise RubinprofError(f"cannot write {path}: {error.strerror}; the store is as it was before") from error

    def _remove_leftovers(self) -> None:
        named = {file["path"] for commit in self.commits() for file in commit.files}
        for table in TABLES:
            for path in (self.path / table).iterdir():
                if f"{table}/{path.name}" not in named:
                    path.unlink()
        for path in (self.path / "commits").glob(".*"):
            path.unlink()


def parquet_bytes(rows: pa.Table) -> bytes:
    """Rows as a Parquet file: the same rows give the same bytes."""
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd", compression_level=3, row_group_size=ROW_GROUP_ROWS)
    return sink.getvalue()


def _of_traces(rows: pa.Table, traces: list[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows["trace"], value_set=pa.array(traces, pa.string())))


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
