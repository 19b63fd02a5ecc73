"""Rows of a store as Parquet: the same rows give the same bytes, and files are merged without reading any of them whole."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rubinprof.campaign.schema import SORTED_BY, SUMMED, TABLES

__all__ = ["Hashed", "in_order", "merged", "parquet_bytes", "summed", "write"]

ROW_GROUP_ROWS = 256 * 1024
BATCH_ROWS = 16 * 1024
"""Read of each file at a time while files are merged."""
SUMMED_ROWS = 2_000_000
"""Rows of tables with one row for all traces that are held before those of the same are made one."""


class Hashed:
    """A file that is written, with the number of its bytes and their SHA-256."""

    def __init__(self, file: IO[bytes]):
        self._file, self._sum, self.bytes = file, hashlib.sha256(), 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Write, as a file does."""
        self._sum.update(data)
        self.bytes += memoryview(data).nbytes
        return self._file.write(data)

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        """The file is closed by whoever opened it."""

    def sha256(self) -> str:
        """Of what was written so far, in hexadecimal digits."""
        return self._sum.hexdigest()


def write(sink: Any, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write rows in their order; how they come in pieces changes no byte. Gives their number."""
    rows, held, held_rows = 0, [], 0
    with pq.ParquetWriter(sink, schema, compression="zstd", compression_level=3) as writer:
        for table in tables:
            held.append(table)
            held_rows += table.num_rows
            rows += table.num_rows
            while held_rows >= ROW_GROUP_ROWS:
                whole = pa.concat_tables(held)
                writer.write_table(whole.slice(0, ROW_GROUP_ROWS).combine_chunks(), row_group_size=ROW_GROUP_ROWS)
                held, held_rows = [whole.slice(ROW_GROUP_ROWS)], held_rows - ROW_GROUP_ROWS
        if held_rows:
            writer.write_table(pa.concat_tables(held).combine_chunks(), row_group_size=ROW_GROUP_ROWS)
    return rows


def parquet_bytes(rows: pa.Table) -> bytes:
    """Rows as a Parquet file."""
    sink = io.BytesIO()
    write(sink, rows.schema, [rows])
    return sink.getvalue()


def in_order(table: str, rows: pa.Table) -> pa.Table:
    """Rows of a table of the store as its files have them: those of the same as one, sorted."""
    return summed(table, rows).cast(TABLES[table]).sort_by(SORTED_BY[table])


def summed(table: str, rows: pa.Table) -> pa.Table:
    """Make one row of all that are of the same, where the table has no row a trace."""
    if table not in SUMMED:
        return rows
    keys, how = SUMMED[table]
    options = pc.ScalarAggregateOptions(min_count=1)  # nobody measured any of them: null
    made = rows.group_by(list(keys)).aggregate([(name, word, options) for name, word in how.items()])
    return made.rename_columns([name.removesuffix(f"_{how[name.rpartition('_')[0]]}") if name not in keys else name for name in made.column_names])


def merged(table: str, paths: Sequence[Path]) -> Iterator[pa.Table]:
    """Rows of several files of one table, in order. Each file is sorted, and no key of the first column is in two of them, but for `SUMMED`."""
    return _merged_sums(table, paths) if table in SUMMED else _merged_runs(paths, TABLES[table], SORTED_BY[table][0][0])


def _merged_sums(table: str, paths: Sequence[Path]) -> Iterator[pa.Table]:
    held, rows = [TABLES[table].empty_table()], 0
    for path in paths:
        one = pq.read_table(path, schema=TABLES[table])
        held.append(one)
        rows += one.num_rows
        if rows > SUMMED_ROWS:
            held, rows = [summed(table, pa.concat_tables(held)).cast(TABLES[table])], 0
    yield in_order(table, pa.concat_tables(held))


def _merged_runs(paths: Sequence[Path], schema: pa.Schema, key: str) -> Iterator[pa.Table]:
    sources = [_Source(path, schema, key) for path in paths]
    while sources:
        for source in sources:
            source.fill()
        # What a source has left to read begins with the last key that it holds, or behind it.
        bound = min((source.last() for source in sources if not source.is_over), default=None)
        parts = [source.below(bound) for source in sources]
        yield _sorted_runs(pa.concat_tables(parts), key)
        for source in sources:
            if source.last() == bound and not source.is_over:
                source.more()
        sources = [source for source in sources if source.rows.num_rows or not source.is_over]


class _Source:
    """A sorted file that is read in pieces."""

    def __init__(self, path: Path, schema: pa.Schema, key: str):
        self._batches = pq.ParquetFile(path, memory_map=True).iter_batches(BATCH_ROWS, use_threads=False)
        self._schema, self._key = schema, key
        self.rows, self.is_over = schema.empty_table(), False

    def fill(self) -> None:
        while not self.rows.num_rows and not self.is_over:
            self.more()

    def more(self) -> None:
        batch = next(self._batches, None)
        if batch is None:
            self.is_over = True
            return
        table = pa.Table.from_batches([batch])
        for field in self._schema:  # the file is older than a column
            if field.name not in table.column_names:
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        self.rows = pa.concat_tables([self.rows, table.select(self._schema.names).cast(self._schema)])

    def last(self) -> str | None:
        return self.rows[self._key][-1].as_py() if self.rows.num_rows else None

    def below(self, bound: str | None) -> pa.Table:
        """Hand out the rows whose key is less."""
        count = self.rows.num_rows
        if bound is not None and count:
            count = pc.sum(pc.less(self.rows[self._key], bound)).as_py() or 0
        found, self.rows = self.rows.slice(0, count), self.rows.slice(count)
        return found


def _sorted_runs(rows: pa.Table, key: str) -> pa.Table:
    """Rows in which equal keys stand together, in the order of the keys."""
    if not rows.num_rows:
        return rows
    runs = pc.run_end_encode(rows[key].combine_chunks())
    ends = np.asarray(runs.run_ends).astype(np.int64)
    begins = np.concatenate([[0], ends[:-1]])
    order = np.asarray(pc.sort_indices(runs.values))
    lengths = (ends - begins)[order]
    places = np.repeat(begins[order] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(rows.num_rows)
    return rows.take(pa.array(places))
