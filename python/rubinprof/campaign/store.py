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

from rubinprof.campaign.schema import FORMAT, KINDS, SORTED_BY, SUMMED, TABLES, VERSION, Kind
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
        `commit_id` of what it holds.
    kind : `str`
        A word of `KINDS`.
    files : `list` [`dict`]
        ``path`` (relative to the store), ``rows``, ``bytes`` and ``sha256`` of each file.
    """

    id: str
    kind: str
    files: list[dict[str, Any]]

    def file(self, table: str) -> dict[str, Any] | None:
        """The file of one of the tables; `None` where the commit is older than the table."""
        return next((file for file in self.files if file["path"].startswith(f"{table}/")), None)


def commit_id(uuids: Iterable[str]) -> str:
    """Name a commit by what it holds: the same traces have the same name, in whatever order they came."""
    return hashlib.sha256("\n".join(sorted(uuids)).encode()).hexdigest()[:32]


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
        self._uuids_of: dict[str, list[str]] = {}  # by commit, which never changes: each batch of an add asks for all of them

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
            store.write("store.json", _json_bytes({"format": FORMAT, "version": VERSION}))
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
        return [str(self.path / file["path"]) for commit in self.commits() if table in KINDS[commit.kind].tables and (file := commit.file(table))]

    def uuids(self, kind: str = "traces") -> set[str]:
        """Uuids of the traces that the store holds, or of another kind."""
        commits = [commit for commit in self.commits() if commit.kind == kind]
        for commit in commits:
            if commit.id not in self._uuids_of:
                self._uuids_of[commit.id] = self._read_uuids(commit)
        return {uuid for commit in commits for uuid in self._uuids_of[commit.id]}

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

    def commit(self, tables: dict[str, pa.Table], kind: str = "traces") -> int:
        """Add rows, as a whole or not at all.

        Parameters
        ----------
        tables : `dict` [`str`, `pyarrow.Table`]
            Rows of each table of the kind, in any order; one that is missing has none. Rows of traces that the store has already are left out. Those of
            the tables `SUMMED` have a column ``trace`` too.
        kind : `str`, optional
            A word of `KINDS`.

        Returns
        -------
        new : `int`
            Traces, or quanta with metadata, that were new.

        Raises
        ------
        RubinprofError
            Raised when the store cannot be written; it is as it was then.
        """
        with self.locked():
            about = KINDS[kind]
            new = sorted(set(tables[about.named_in][about.key].to_pylist()) - self.uuids(kind))
            if new:
                self._commit({name: _only(rows, about.key, new) for name, rows in tables.items()}, kind)
            return len(new)

    def refuse(self, looked_at: Iterable[str], refused: Iterable[dict[str, str]]) -> None:
        """Note which files of a spool could not be read, in the place of what was noted of the same files before."""
        with self.locked():
            looked_at = set(looked_at)
            noted = [entry for entry in self.refused() if entry["path"] not in looked_at] + list(refused)
            if noted != self.refused():
                self.write("refused.json", _json_bytes(sorted(noted, key=lambda entry: entry["path"])))

    def merge(self) -> None:
        """Merge the small commits into one, and remove what no commit names.

        Until the merged commit is renamed into place the small ones count, and from then on it does: ``merging.json`` names both.
        """
        with self.locked():
            self._end_merge()
            for kind, about in KINDS.items():
                self._merge_kind(kind, about)
            self._remove_leftovers()

    def _merge_kind(self, kind: str, about: Kind) -> None:
        small = [commit for commit in self.commits() if commit.kind == kind and commit.file(about.tables[0])["rows"] < QUANTA_MERGED_MAX]
        if len(small) > 1:
            tables = {name: self._read(name, small) for name in about.tables}
            into = commit_id(tables[about.named_in][about.key].to_pylist())
            self.write("merging.json", _json_bytes({"into": into, "from": [commit.id for commit in small]}))
            self._commit(tables, kind)
            self._end_merge()

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
            uuids = self._read_uuids(commit)
            if commit_id(uuids) != commit.id:
                problems.append(f"commit {commit.id} does not hold what it is named after")
            for uuid in uuids:
                if uuid in seen:
                    problems.append(f"{uuid} is there twice, in commits {seen[uuid]} and {commit.id}")
                seen[uuid] = commit.id
        return problems

    def _read_uuids(self, commit: Commit) -> list[str]:
        about = KINDS[commit.kind]
        return pq.read_table(self.path / commit.file(about.named_in)["path"], columns=[about.key])[about.key].to_pylist()

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

    def _commit(self, tables: dict[str, pa.Table], kind: str) -> None:
        """The lock is held."""
        about = KINDS[kind]
        name = commit_id(tables[about.named_in][about.key].to_pylist())
        files = []
        for table in about.tables:
            rows = _summed(table, tables[table]) if table in tables else TABLES[table].empty_table()
            data = parquet_bytes(rows.cast(TABLES[table]).sort_by(SORTED_BY[table]))
            path = f"{table}/{name}.parquet"
            (self.path / table).mkdir(exist_ok=True)  # a store that is older than the table
            self.write(path, data)
            files.append({"path": path, "rows": rows.num_rows, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        self.write(f"commits/{name}.json", _json_bytes({"id": name, "kind": kind, "files": files}))

    def _read(self, table: str, commits: list[Commit]) -> pa.Table:
        paths = [self.path / file["path"] for commit in commits if (file := commit.file(table))]
        return pa.concat_tables([TABLES[table].empty_table(), *(pq.read_table(path, schema=TABLES[table]) for path in paths)])

    def write(self, name: str, data: bytes) -> None:
        """Write a file under another name, make it durable, rename it. The lock is held."""
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
            for path in (self.path / table).glob("*"):
                if f"{table}/{path.name}" not in named:
                    path.unlink()
        for path in (self.path / "commits").glob(".*"):
            path.unlink()


def parquet_bytes(rows: pa.Table) -> bytes:
    """Rows as a Parquet file: the same rows give the same bytes."""
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd", compression_level=3, row_group_size=ROW_GROUP_ROWS)
    return sink.getvalue()


def _summed(table: str, rows: pa.Table) -> pa.Table:
    """Make one row of all that are of the same, where the table has no row a trace."""
    if table not in SUMMED:
        return rows
    keys, how = SUMMED[table]
    options = pc.ScalarAggregateOptions(min_count=1)  # nobody measured any of them: null
    made = rows.group_by(list(keys)).aggregate([(name, word, options) for name, word in how.items()])
    return made.rename_columns([name.removesuffix(f"_{how[name.rpartition('_')[0]]}") if name not in keys else name for name in made.column_names])


def _only(rows: pa.Table, key: str, uuids: list[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows[key], value_set=pa.array(uuids, pa.string())))


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
