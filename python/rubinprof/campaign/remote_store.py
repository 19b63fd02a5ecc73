"""A store at a URL, which is read and never written, and copies of stores."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from rubinprof.campaign import attempts
from rubinprof.campaign.place import Place, is_url
from rubinprof.campaign.store import MANIFEST, Commit, Store
from rubinprof.errors import RubinprofError

__all__ = ["RemoteStore", "copy"]


class RemoteStore(Store):
    """A store on a server. Its ``manifest.json`` says what it holds: no directory is listed.

    Parameters
    ----------
    url : `str`
        As `Place` takes it.
    """

    def __init__(self, url: str):
        super().__init__(url)
        self.place = Place(url)

    @property
    def text(self) -> str:
        return self.place.url

    def commits(self) -> list[Commit]:
        try:
            return [Commit(**one) for one in json.loads(self.place.read(MANIFEST))["commits"]]
        except FileNotFoundError:
            raise RubinprofError(f"{self.text} has no {MANIFEST}; 'rubinprof campaign add' or 'copy' of this version writes it") from None
        except (ValueError, KeyError, TypeError):
            raise RubinprofError(f"{self.text}/{MANIFEST} is damaged") from None

    def read(self, name: str) -> bytes:
        return self.place.read(name)

    def source(self, name: str) -> Any:
        return self.place.open(name)

    def url(self, name: str) -> str:
        return f"campaign://{name}"  # StoreFiles

    def connect(self) -> duckdb.DuckDBPyConnection:
        from rubinprof.campaign.store_files import StoreFiles  # with fsspec: only where a store is on a server

        db = super().connect()
        sizes = {file["path"]: file["bytes"] for commit in self.commits() for file in commit.files}
        db.register_filesystem(StoreFiles(self.place, sizes | {attempts.NAME: 0}))
        return db

    def locked(self) -> Any:
        raise RubinprofError(f"{self.text} is read only; fill a store on a disk, and 'rubinprof campaign copy' it there")


def copy(source: str | os.PathLike[str], destination: str | os.PathLike[str], *, progress: Callable[[int, int], object] | None = None) -> int:
    """Copy a store, from a disk to a server or back; what is there already is left, and what the store no longer names is removed.

    A reader sees all of the old state or all of the new one: the manifest comes last.

    Parameters
    ----------
    source, destination : `str` or `os.PathLike`
        Directories or URLs; one of them at least is a URL.
    progress : `~collections.abc.Callable`, optional
        Called with bytes copied and bytes to copy.

    Returns
    -------
    bytes : `int`
        That were copied.

    Raises
    ------
    RubinprofError
        Raised when the source is no store, a file has changed on its way, or the destination cannot be written.
    """
    store = Store.open(source)
    target: Place | _Directory = Place(os.fspath(destination)) if is_url(destination) else _Directory(Path(destination))
    wanted = {file["path"]: file for commit in store.commits() for file in commit.files}
    old = _named(target)
    missing = [file for path, file in wanted.items() if path not in old]
    done, total = 0, sum(file["bytes"] for file in missing)
    for file in missing:
        data = store.read(file["path"])
        if len(data) != file["bytes"]:
            raise RubinprofError(f"{file['path']} of {store.text} has changed since it was committed")
        target.write(file["path"], data)
        done += len(data)
        if progress:
            progress(done, total)
    commits = store.commits()
    if {file["path"] for commit in commits for file in commit.files} != set(wanted):
        raise RubinprofError(f"{store.text} was written meanwhile; copy it again")
    for name in (attempts.NAME, "refused.json", "store.json"):
        try:
            target.write(name, store.read(name))
        except FileNotFoundError:
            continue
    for commit in commits:
        target.write(f"commits/{commit.id}.json", commit.as_json())
    target.write(MANIFEST, store.manifest())
    for path in old - set(wanted) - {f"commits/{commit.id}.json" for commit in commits}:
        target.remove(path)
    return done


def _named(target: "Place | _Directory") -> set[str]:
    """Files that the manifest of the destination names, and those of its commits; none where it has none."""
    try:
        commits = json.loads(target.read(MANIFEST))["commits"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return set()
    return {file["path"] for commit in commits for file in commit["files"]} | {f"commits/{commit['id']}.json" for commit in commits}


class _Directory:
    """A directory of this machine, as `Place` has them."""

    def __init__(self, path: Path):
        self._path = path

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        path = self._path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_name(f".{path.name}.{os.getpid()}")
            scratch.write_bytes(data)
            os.replace(scratch, path)
        except OSError as error:
            raise RubinprofError(f"cannot write {path}: {error.strerror}") from error

    def remove(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)
