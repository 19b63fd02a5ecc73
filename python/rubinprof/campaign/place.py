"""Files by URL: a spool or a store on WebDAV, S3 or the web. lsst.resources opens dav:// and davs://, fsspec all else that it has a library for."""

import contextlib
import datetime
import io
import os
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from rubinprof.errors import RubinprofError

__all__ = ["Found", "Place", "is_url"]

READ_BYTES = 1 << 20
OF_LSST = ("dav", "davs")
OF_WEBDAV4 = {"webdav": "http", "webdavs": "https"}


class Found(NamedTuple):
    """A file: its URL, and its bytes; None where the server does not say."""

    url: str
    bytes: int | None


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether this is a URL, and no path."""
    return "://" in os.fspath(path)


class Place:
    """A directory at a URL, or a file.

    Parameters
    ----------
    url : `str`
        ``davs://…``, ``https://…``, ``s3://…``, and whatever fsspec knows; ``webdavs://…`` is WebDAV without lsst.resources.

    Raises
    ------
    RubinprofError
        Raised when a library is missing, or nothing answers.
    """

    def __init__(self, url: str):
        import fsspec  # here, since every question of a campaign asks is_url, and few go to a server

        self.url = url.rstrip("/")
        scheme, _, rest = self.url.partition("://")
        self._lsst, self._fs, self._root = None, None, self.url
        self._reader: tuple[Any, str] | None = None
        try:
            if scheme in OF_LSST:
                from lsst.resources import ResourcePath

                self._lsst = ResourcePath
            elif scheme in OF_WEBDAV4:
                host, _, self._root = rest.partition("/")
                self._fs = fsspec.filesystem("webdav", base_url=f"{OF_WEBDAV4[scheme]}://{host}")
                self._reader = fsspec.filesystem("http"), f"{OF_WEBDAV4[scheme]}://{rest}"  # webdav4 cannot read from the middle of a file
            else:
                self._fs, self._root = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            needed = "lsst.resources" if scheme in OF_LSST else "webdav4" if scheme in OF_WEBDAV4 else str(error)
            raise RubinprofError(f"cannot open {url}: {needed} is needed, which is not installed") from None
        except ValueError as error:
            raise RubinprofError(f"cannot open {url}: {error}") from None

    def open(self, name: str = "") -> IO[bytes]:
        """Open a file below, or the file itself, for reading; it can be sought in."""
        with _told(self.url, name):
            if self._lsst is not None:
                return io.BufferedReader(_Held(self._lsst(self._below(name)).open("rb")), READ_BYTES)
            fs, root = self._reader or (self._fs, self._root)
            return fs.open(f"{root}/{name}" if name else root, "rb")

    def changed_s(self) -> float | None:
        """When the file last changed, in seconds since 1970; None where the server does not say."""
        if self._lsst is not None:
            return None
        with _told(self.url, ""):
            return _seconds(self._fs.info(self._root))

    def read(self, name: str = "") -> bytes:
        """All bytes of a file.

        Raises
        ------
        FileNotFoundError
            Raised when there is none.
        """
        with _told(self.url, name):
            if self._lsst is not None:
                return self._lsst(self._below(name)).read()
            return self._fs.cat_file(self._below(name))

    def write(self, name: str, data: bytes) -> None:
        """Write a file, or replace it."""
        with _told(self.url, name):
            if self._lsst is not None:
                path = self._lsst(self._below(name))
                path.dirname().mkdir()
                path.write(data)
                return
            path = self._below(name)
            if self._fs.protocol not in (("http", "https"), "http"):
                self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(path, data)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with _told(self.url, name):
            if self._lsst is not None:
                self._lsst(self._below(name)).remove()
            else:
                self._fs.rm_file(self._below(name))

    def find(self, suffix: str) -> Iterator[Found]:
        """Files below whose names end so, in the order of their names; the file itself where this is one."""
        if self.url.endswith(suffix):
            yield Found(self.url, None)
            return
        with _told(self.url, ""):
            if self._lsst is not None:
                paths = self._lsst.findFileResources([self._lsst(self.url, forceDirectory=True)], rf".*{suffix}$")
                found = [Found(str(path), path.size()) for path in paths]
            else:
                scheme = self.url.partition("://")[0]
                base = f"{scheme}://{self.url.partition('://')[2].partition('/')[0]}/" if scheme in OF_WEBDAV4 else ""
                listed = self._fs.find(self._root, detail=True)
                found = [Found(base + name.lstrip("/") if base else self._fs.unstrip_protocol(name), about.get("size")) for name, about in listed.items() if name.endswith(suffix)]
        yield from sorted(found)

    def _below(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root


class _Held(io.RawIOBase):
    """A file that lsst.resources opens in a with statement, open for as long as this object."""

    def __init__(self, opening: contextlib.AbstractContextManager[Any]):
        self._opening = opening
        self._file = opening.__enter__()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if not self.closed:
            self._opening.__exit__(None, None, None)
        super().close()


class _told:
    """Errors of any library as one sentence; a file that is not there stays FileNotFoundError."""

    def __init__(self, url: str, name: str):
        self._what = f"{url}/{name}" if name else url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, traceback):
        if kind is None or not issubclass(kind, Exception) or issubclass(kind, RubinprofError):
            return False
        if issubclass(kind, FileNotFoundError) or "404" in str(error) or "NotFound" in kind.__name__:
            raise FileNotFoundError(2, "no such file", self._what) from error
        raise RubinprofError(f"cannot open {self._what}: {' '.join(str(error).split())[:200] or kind.__name__}") from error


def _seconds(about: dict[str, Any]) -> float | None:
    changed = about.get("modified") or about.get("LastModified") or about.get("mtime")
    return changed.timestamp() if isinstance(changed, datetime.datetime) else changed if isinstance(changed, int | float) else None
