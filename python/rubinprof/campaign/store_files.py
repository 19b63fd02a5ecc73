"""The files of a store on a server, as DuckDB opens them."""

import datetime
from typing import IO, Any

import fsspec

from rubinprof.campaign.place import Place

__all__ = ["StoreFiles"]


class StoreFiles(fsspec.AbstractFileSystem):
    """The files of a store for DuckDB, as ``campaign://NAME``; it reads what it needs of each.

    Parameters
    ----------
    place : `Place`
        The store.
    sizes : `dict` [`str`, `int`]
        Bytes by name, as the commits have them: no server is asked.
    """

    protocol = "campaign"
    cachable = False

    def __init__(self, place: Place, sizes: dict[str, int]):
        super().__init__()
        self._place, self._sizes = place, sizes

    def open(self, path: str, mode: str = "rb", **options: Any) -> IO[bytes]:
        """Open a file of the store."""
        return self._place.open(self._strip_protocol(path))

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """What is known of a file."""
        name = self._strip_protocol(path)
        return {"name": name, "size": self._sizes.get(name), "type": "file"}

    def glob(self, path: str, maxdepth: int | None = None, **options: Any) -> list[str]:
        """The file itself: names of a store have no stars."""
        return [self._strip_protocol(path)]

    def exists(self, path: str, **options: Any) -> bool:
        """Whether the store names it."""
        return self._strip_protocol(path) in self._sizes

    def modified(self, path: str) -> datetime.datetime:
        """Never: files of a store do not change."""
        return datetime.datetime.fromtimestamp(0, datetime.UTC)
