"""A store: immutable Parquet files, and the commits that name them. docs/campaign-store.md is its specification."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rubinprof.campaign import rows as rows_module
from rubinprof.campaign.known_keys import KnownKeys
from rubinprof.campaign.place import is_url
from rubinprof.campaign.schema import FORMAT, KINDS, TABLES, VERSION, Kind
from rubinprof.errors import RubinprofError

__all__ = ["Commit", "Prepared", "Store", "commit_id", "prepare"]

QUANTA_MERGED_MAX = 1_000_000
"""A commit with as many quanta is left as it is; smaller ones are merged."""
MANIFEST = "manifest.json"
"""All commits in one file, for readers that cannot list a directory."""
MERGED_MOST = 64
"""As many commits are merged at a time, and an `add` merges when it has made so many: all are listed for each."""


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

    def as_json(self) -> bytes:
        """Its file of ``commits/``."""
        return _json_bytes(dataclasses.asdict(self))


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Rows as the files of a commit: `prepare` makes them, on any machine.

    Parameters
    ----------
    kind : `str`
        A word of `KINDS`.
    keys : `list` [`str`]
        What the commit is named after: traces, or datasets of metadata.
    files : `dict` [`str`, `tuple` [`bytes`, `int`]]
        A Parquet file and its rows, by table.
    """

    kind: str
    keys: list[str]
    files: dict[str, tuple[bytes, int]]


def prepare(tables: dict[str, pa.Table], kind: str = "traces") -> Prepared:
    """Sort and pack rows as `Store.commit` takes them; most of its work, which needs no store."""
    about, files = KINDS[kind], {}
    for name in about.tables:
        rows = rows_module.in_order(name, tables[name]) if name in tables else TABLES[name].empty_table()
        files[name] = rows_module.parquet_bytes(rows), rows.num_rows
    return Prepared(kind, sorted(set(tables[about.named_in][about.key].to_pylist())), files)


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
        self.path = Path(path)  # of a store at a URL it means nothing
        self._known: KnownKeys | None = None  # each batch of an add asks it

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Store":
        """Open a store that is there.

        Raises
        ------
        RubinprofError
            Raised when the directory is no store, or one of a newer version.
        """
        if is_url(path):
            from rubinprof.campaign.remote_store import RemoteStore  # it is one of these

            store: Store = RemoteStore(os.fspath(path))
        else:
            store = cls(path)
        try:
            text = store.read("store.json").decode()
        except UnicodeDecodeError:
            raise RubinprofError(f"{path}/store.json is damaged") from None
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
        if version < VERSION:
            raise RubinprofError(f"{path} is a store of version {version}, which was never released; add its traces to a new one")
        return store

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> "Store":
        """Open a store, or make it in an empty or missing directory.

        Raises
        ------
        RubinprofError
            Raised when the directory holds something else.
        """
        if is_url(path):
            raise RubinprofError(f"{path} is a URL; fill a store on a disk, and 'rubinprof campaign copy' it there")
        store = cls(path)
        if not (store.path / "store.json").exists():
            if store.path.exists() and any(store.path.iterdir()):
                raise RubinprofError(f"{path} is neither a campaign store nor empty; name another directory")
            for name in ("commits", *TABLES):
                (store.path / name).mkdir(parents=True, exist_ok=True)
            store.write("store.json", _json_bytes({"format": FORMAT, "version": VERSION}))
        return cls.open(path)

    @property
    def text(self) -> str:
        """Where it is, for people."""
        return str(self.path)

    @property
    def name(self) -> str:
        """The last part of where it is."""
        return self.text.rstrip("/").rpartition("/")[2]

    def read(self, name: str) -> bytes:
        """All bytes of one of its files."""
        return (self.path / name).read_bytes()

    def source(self, name: str) -> Any:
        """One of its files, as pyarrow opens it."""
        return self.path / name

    def url(self, name: str) -> str:
        """One of its files, as DuckDB names it after `connect`."""
        return str(self.path / name)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A database in memory that can read its files."""
        return duckdb.connect(":memory:", config={"autoinstall_known_extensions": False})

    def manifest(self) -> bytes:
        """What `MANIFEST` holds."""
        return _json_bytes({"commits": [dataclasses.asdict(commit) for commit in self.commits()]})

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
        return [self.url(file["path"]) for commit in self.commits() if table in KINDS[commit.kind].tables and (file := commit.file(table))]

    def holds(self, keys: Iterable[str], kind: str = "traces") -> set[str]:
        """Those of some uuids of traces that the store holds, or of keys of another kind."""
        self._known = self._known or KnownKeys(self)
        return self._known.among(keys, kind)

    def count(self, kind: str = "traces") -> int:
        """Traces that the store holds, or rows of another kind."""
        about = KINDS[kind]
        return sum(file["rows"] for commit in self.commits() if commit.kind == kind and (file := commit.file(about.named_in)))

    def refused(self) -> list[dict[str, str]]:
        """Return ``path`` and ``reason`` of each file that `refuse` has noted."""
        try:
            return json.loads(self.read("refused.json"))
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
        return self.commit_prepared(prepare(tables, kind), lambda: tables)

    def commit_prepared(self, made: Prepared, read: Callable[[], dict[str, pa.Table]]) -> int:
        """Add rows that are packed already, as `commit` does.

        Parameters
        ----------
        made : `Prepared`
            The rows.
        read : `~collections.abc.Callable`
            Gives the rows as `commit` takes them; called where the store has some of the traces.
        """
        with self.locked():
            new = sorted(set(made.keys) - self.holds(made.keys, made.kind))
            if len(new) < len(made.keys):
                key = KINDS[made.kind].key
                made = prepare({name: _only(rows, key, new) for name, rows in read().items()}, made.kind) if new else made
            if new:
                self._commit(commit_id(new), made.kind, made.files)
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

        Until the merged commit is renamed into place the small ones count, and from then on it does: ``merging.json`` names both. No file is read whole: memory does not
        grow with the campaign, but for what its functions and stacks are.
        """
        with self.locked():
            self._end_merge()
            for kind, about in KINDS.items():
                while len(group := self._small(kind, about)) > 1:
                    self._merge_commits(group, kind, about)
            self._keep_manifest()  # before the files go that the old one names
            with open(self.path / MANIFEST, "rb") as file:
                os.fsync(file.fileno())
            self._remove_leftovers()

    def small(self, kind: str = "traces") -> int:
        """Commits that `merge` would merge."""
        return len(self._small(kind, KINDS[kind]))

    def _small(self, kind: str, about: Kind) -> list[Commit]:
        """Commits to merge next, the smallest first, until they are a large one."""
        sized = sorted((commit.file(about.tables[0])["rows"], commit.id, commit) for commit in self.commits() if commit.kind == kind)
        found, rows = [], 0
        for size, _, commit in sized:
            if size >= QUANTA_MERGED_MAX or rows >= QUANTA_MERGED_MAX or len(found) == MERGED_MOST:
                break
            found.append(commit)
            rows += size
        return found

    def _merge_commits(self, group: list[Commit], kind: str, about: Kind) -> None:
        into = commit_id(uuid for commit in group for uuid in self._read_uuids(commit))
        self.write("merging.json", _json_bytes({"into": into, "from": [commit.id for commit in group]}))
        paths = {name: [self.path / file["path"] for commit in group if (file := commit.file(name))] for name in about.tables}
        self._commit(into, kind, {name: rows_module.merged(name, of) for name, of in paths.items()})
        self._end_merge()

    def verify(self) -> list[str]:
        """Check every file against its commit, and that each trace is there once.

        Returns
        -------
        problems : `list` [`str`]
            One sentence each; empty for a store that is whole.
        """
        problems: list[str] = []
        whole: dict[str, list[Commit]] = {}
        for commit in self.commits():
            broken = [problem for file in commit.files if (problem := self._problem(file))]
            problems += broken
            if broken:
                continue
            uuids = self._read_uuids(commit)
            if commit_id(uuids) != commit.id:
                problems.append(f"commit {commit.id} does not hold what it is named after")
            whole.setdefault(commit.kind, []).append(commit)
        return problems + [problem for kind, commits in whole.items() for problem in self._doubles(kind, commits)]

    def _doubles(self, kind: str, commits: list[Commit]) -> list[str]:
        """A sentence for each key that is there twice. DuckDB counts them: it may put aside on disk what memory does not hold."""
        key, files = KINDS[kind].key, [self.url(file["path"]) for commit in commits if (file := commit.file(KINDS[kind].named_in))]
        with self.connect() as db:
            twice = db.execute(f"""SELECT {key}, list_sort(list(parse_filename(filename, true))) FROM read_parquet(?, filename = true)
                GROUP BY {key} HAVING count(*) > 1 ORDER BY {key}""", [files]).fetchall()  # fmt: skip
        return [f"{uuid} is there twice, in commits {' and '.join(names)}" for uuid, names in twice]

    def _read_uuids(self, commit: Commit) -> list[str]:
        about = KINDS[commit.kind]
        return pq.read_table(self.source(commit.file(about.named_in)["path"]), columns=[about.key])[about.key].to_pylist()

    def _problem(self, file: dict[str, Any]) -> str | None:
        try:
            source = self.source(file["path"])
            with open(source, "rb") if isinstance(source, Path) else source as opened:
                found, size = hashlib.file_digest(opened, "sha256").hexdigest(), opened.tell()
        except OSError as error:
            return f"{file['path']} cannot be read: {error.strerror or error}"
        if size != file["bytes"] or found != file["sha256"]:
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

    def _commit(self, name: str, kind: str, tables: Mapping[str, tuple[bytes, int] | Iterator[pa.Table]]) -> None:
        """Add the tables of a commit: files that are packed already, with their rows, or rows in pieces. The lock is held."""
        paths = [f"{table}/{name}.parquet" for table in tables]
        for table in tables:
            (self.path / table).mkdir(exist_ok=True)
        with self._written(*paths) as files:
            about = [self._put(path, file, TABLES[table], rows) for path, file, (table, rows) in zip(paths, files, tables.items(), strict=True)]
        self.write(f"commits/{name}.json", Commit(name, kind, about).as_json())
        self._keep_manifest()

    @staticmethod
    def _put(path: str, file: IO[bytes], schema: pa.Schema, rows: tuple[bytes, int] | Iterator[pa.Table]) -> dict[str, Any]:
        """Write a file of a table; gives what its commit says of it."""
        hashed = rows_module.Hashed(file)
        if isinstance(rows, tuple):
            data, count = rows
            hashed.write(data)
        else:
            count = rows_module.write(pa.PythonFile(hashed, "w"), schema, rows)
        return {"path": path, "rows": count, "bytes": hashed.bytes, "sha256": hashed.sha256()}

    def _keep_manifest(self) -> None:
        """Write the manifest where it is not that of the commits. The lock is held.

        It is not made durable: the next `merge` writes it anew where a power failure has damaged it, and reads of the store itself need none.
        """
        made = self.manifest()
        try:
            is_new = self.read(MANIFEST) != made
        except FileNotFoundError:
            is_new = True
        if is_new:
            with self._written(MANIFEST, durable=False) as (file,):
                file.write(made)

    def write(self, name: str, data: bytes) -> None:
        """Write a file under another name, make it durable, rename it. The lock is held."""
        with self._written(name) as (file,):
            file.write(data)

    @contextlib.contextmanager
    def _written(self, *names: str, durable: bool = True) -> Iterator[list[IO[bytes]]]:
        """Files that take their names when all of them are written and durable. The lock is held.

        All are written before the first is waited for: a file system with a journal then takes half as long as for one after the other.
        """
        paths = [self.path / name for name in names]
        scratch = [path.with_name(f".{path.name}.{secrets.token_hex(8)}") for path in paths]
        try:
            with contextlib.ExitStack() as opened:
                files: list[IO[bytes]] = [opened.enter_context(open(path, "xb")) for path in scratch]
                yield files
                for file in files:
                    file.flush()
                for file in files if durable else []:
                    os.fsync(file.fileno())
            for made, path in zip(scratch, paths, strict=True):
                os.rename(made, path)
        except OSError as error:
            for path in scratch:
                path.unlink(missing_ok=True)
            where = paths[0] if len(paths) == 1 else self.path
            raise RubinprofError(f"cannot write {where}: {error.strerror}; the store is as it was before") from error

    def _remove_leftovers(self) -> None:
        named = {file["path"] for commit in self.commits() for file in commit.files}
        for table in TABLES:
            for path in (self.path / table).glob("*"):
                if f"{table}/{path.name}" not in named:
                    path.unlink()
        for path in (self.path / "commits").glob(".*"):
            path.unlink()


def _only(rows: pa.Table, key: str, uuids: list[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows[key], value_set=pa.array(uuids, pa.string())))


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
