"""Quanta that were tried again: which attempt each of their rows is.

Attempts at a quantum may lie in any commit, and finding them needs a look at every quantum. So `add` keeps what it found in ``attempts.parquet``, with the names of the commits it looked at;
afterwards only new commits are looked at in full, and the others for quanta of those. A file that is missing or of other commits costs time, nothing else: what is missing is found again.
"""

import contextlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from rubinprof.campaign.rows import parquet_bytes
from rubinprof.campaign.store import Commit, Store

__all__ = ["NAME", "find", "is_kept", "keep"]

NAME = "attempts.parquet"
SCHEMA = pa.schema([
    ("commit", pa.string()),
    ("row", pa.int64()),
    ("attempt", pa.int32()),
    ("attempts", pa.int32()),
])  # fmt: skip
PASS_QUANTA = 4_000_000
"""So many quanta of new commits are counted at a time: 150 MB."""

# What the attempts at a quantum have in common, as in csrc/aggregate/attempts.c: the middleware's id, or what makes a quantum. Null: the unit is no quantum.
IDENTITY = "coalesce(quantum_id, CASE WHEN cardinality(data_id) > 0 THEN concat_ws(' ', task, run, data_id::VARCHAR) END)"
IDENTITY_OF_IDS = "quantum_id"  # where each row has one: a data ID takes longer to read than all the rest


class Kept(NamedTuple):
    """Rows of quanta with several attempts, and the commits they were looked for in."""

    rows: pa.Table
    commits: frozenset[str]


def is_kept(store: Store, commits: Iterable[str]) -> bool:
    """Whether the store's own file is of just these commits, so that it can be read in the place of `find`."""
    try:
        about = pq.ParquetFile(store.source(NAME)).schema_arrow.metadata or {}
        return set(json.loads(about[b"commits"])) == set(commits)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return False


def find(store: Store) -> pa.Table:
    """Rows of quanta with several attempts, of all commits that the store has now: columns of `SCHEMA`, sorted by commit and row."""
    commits = [commit for commit in store.commits() if commit.kind == "traces"]
    kept, names = _kept(store), {commit.id for commit in commits}
    if kept.commits == names:
        return kept.rows
    fresh = [commit for commit in commits if commit.id not in kept.commits]
    old = [commit for commit in commits if commit.id in kept.commits]
    with contextlib.closing(store.connect()) as db:
        db.from_arrow(kept.rows).create_view("kept")
        db.execute("CREATE TABLE touched (commit VARCHAR, row BIGINT, number UBIGINT, trace VARCHAR, unit INT, start TIMESTAMPTZ, identity VARCHAR)")
        passes = -(-sum(commit.file("quanta")["rows"] for commit in fresh) // PASS_QUANTA)
        for one in range(passes):
            _touch(db, _quanta(store, fresh), _quanta(store, old), f"number % {passes} = {one}")
        left = f"commit IN ({_texts([commit.id for commit in old])})" if old else "false"
        return db.sql(f"""
            SELECT commit, row, (row_number() OVER one)::INT AS attempt, (count(*) OVER (PARTITION BY number, identity))::INT AS attempts
            FROM touched WINDOW one AS (PARTITION BY number, identity ORDER BY start, trace, unit) QUALIFY attempts > 1
            UNION ALL SELECT * FROM kept ANTI JOIN touched USING (commit, row) WHERE {left} ORDER BY commit, row""").to_arrow_table().cast(SCHEMA)  # fmt: skip


def keep(store: Store) -> None:
    """Note what `find` finds, in the store. What is known already is not written again."""
    with store.locked():
        names = sorted(commit.id for commit in store.commits() if commit.kind == "traces")
        if names and _kept(store).commits != set(names):
            store.write(NAME, parquet_bytes(find(store).replace_schema_metadata({"commits": json.dumps(names)})))


def _kept(store: Store) -> Kept:
    """What the store has; nothing where it has none, or one that cannot be read."""
    try:
        rows = pq.ParquetFile(store.source(NAME)).read(use_threads=False)  # read_table brings in half of pyarrow
        return Kept(rows.cast(SCHEMA), frozenset(json.loads(rows.schema.metadata[b"commits"])))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return Kept(SCHEMA.empty_table(), frozenset())


def _touch(db: duckdb.DuckDBPyConnection, fresh: str, old: str | None, chosen: str) -> None:
    """Put into ``touched`` the rows of fresh quanta that are there several times, and those of old commits at the same quanta."""
    db.execute(f"CREATE OR REPLACE TABLE numbers AS SELECT number, count(*) > 1 AS is_often FROM ({fresh}) WHERE {chosen} AND number IS NOT NULL GROUP BY number")
    if old:
        db.execute(f"INSERT INTO touched SELECT * FROM ({old}) of SEMI JOIN numbers ON of.number = numbers.number")
        db.execute("UPDATE numbers SET is_often = true WHERE number IN (SELECT number FROM touched)")
    db.execute("DELETE FROM numbers WHERE NOT is_often")
    db.execute(f"INSERT INTO touched SELECT * FROM ({fresh}) of SEMI JOIN numbers ON of.number = numbers.number")


def _quanta(store: Store, commits: list[Commit]) -> str | None:
    """SQL for the quanta of commits, with their numbers: equal for attempts at one quantum, and by chance for others."""
    parts = []
    for identity in (IDENTITY_OF_IDS, IDENTITY):
        names = [commit.file("quanta")["path"] for commit in commits]
        paths = [store.url(name) for name in names if _has_all_ids(store.source(name)) == (identity == IDENTITY_OF_IDS)]
        if paths:
            parts.append(f"""SELECT parse_filename(filename, true) AS commit, file_row_number AS row, hash({identity}) AS number, trace, unit, start, {identity} AS identity
                FROM read_parquet([{_texts(paths)}], filename = true, file_row_number = true) WHERE {identity} IS NOT NULL""")
    return " UNION ALL ".join(parts) or None


def _has_all_ids(file: Any) -> bool:
    about = pq.read_metadata(file)
    place = about.schema.names.index("quantum_id")
    groups = (about.row_group(i).column(place).statistics for i in range(about.num_row_groups))
    return all(group is not None and group.has_null_count and group.null_count == 0 for group in groups)


def _texts(words: list[str]) -> str:
    return ", ".join("'" + word.replace("'", "''") + "'" for word in words)
