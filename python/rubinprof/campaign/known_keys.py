"""Which of some traces a store holds, at 8 bytes for each that it holds: a hash of each in memory, and its file where one agrees."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rubinprof.campaign.schema import KINDS

if TYPE_CHECKING:
    from rubinprof.campaign.store import Commit, Store

__all__ = ["KnownKeys"]

ASKED_AT_ONCE = 100_000
HASH = "hash({})"
"""DuckDB's, of 64 bits: nothing of it is kept on disk."""


class KnownKeys:
    """Keys of the commits of a store: uuids of traces, or what commits of another kind are named after.

    Commits never change, so each is read once.

    Parameters
    ----------
    store : `Store`
        The store.
    """

    def __init__(self, store: "Store"):
        self._store = store
        self._db = store.connect()
        self._hashes: dict[str, dict[str, np.ndarray]] = {}  # by kind and commit: sorted, 64 bits each

    def among(self, keys: Iterable[str], kind: str) -> set[str]:
        """Those of some keys that the store holds now."""
        commits = [commit for commit in self._store.commits() if commit.kind == kind]
        before = self._hashes.get(kind, {})
        self._hashes[kind] = {commit.id: before[commit.id] if commit.id in before else self._read(commit) for commit in commits}
        keys, found = list(keys), set()
        for begin in range(0, len(keys), ASKED_AT_ONCE):
            found |= self._among(keys[begin : begin + ASKED_AT_ONCE], commits)
        return found

    def _read(self, commit: "Commit") -> np.ndarray:
        hashes = self._db.execute(f"SELECT {HASH.format(KINDS[commit.kind].key)} AS h FROM read_parquet(?)", [self._file(commit)]).fetchnumpy()["h"]
        return np.sort(np.ma.getdata(hashes))

    def _among(self, keys: Sequence[str], commits: "Sequence[Commit]") -> set[str]:
        wanted = np.ma.getdata(self._db.execute(f"SELECT {HASH.format('key')} AS h FROM (SELECT unnest(?::VARCHAR[]) AS key)", [keys]).fetchnumpy()["h"])
        files, agree = [], np.zeros(len(keys), bool)
        for commit in commits:
            known = self._hashes[commit.kind][commit.id]
            if len(known):
                hits = known[np.minimum(np.searchsorted(known, wanted), len(known) - 1)] == wanted
                if hits.any():
                    files.append(self._file(commit))
                    agree |= hits
        if not files:
            return set()
        # Two keys may have one hash.
        key, likely = KINDS[commits[0].kind].key, [keys[i] for i in np.flatnonzero(agree)]
        return {row[0] for row in self._db.execute(f"SELECT {key} FROM read_parquet(?) WHERE {key} IN (SELECT unnest(?::VARCHAR[]))", [files, likely]).fetchall()}

    def _file(self, commit: "Commit") -> str:
        file = commit.file(KINDS[commit.kind].named_in)
        assert file is not None  # a commit has the table that it is named in
        return self._store.url(file["path"])
