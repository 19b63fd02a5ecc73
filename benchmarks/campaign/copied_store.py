"""A store as many times as large as another one: each commit again and again, with other ids.

    python benchmarks/campaign/synthetic_store.py 1000000 /tmp/million
    python benchmarks/campaign/copied_store.py /tmp/million 58 /tmp/store

For questions to tens of millions of quanta, which take hours to make one by one. The ids lie in the files as they are, not packed, so a copy is another file with a few of their digits replaced: some tenths
of a second for a million quanta. The rest of the rows is equal, and packed as in any store. The store is whole: it verifies, and has its `attempts.parquet`.
"""

import hashlib
import itertools
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rubinprof.campaign import attempts
from rubinprof.campaign.rows import ROW_GROUP_ROWS, parquet_bytes
from rubinprof.campaign.store import Commit, Store, commit_id

IDS = {"quanta": ("trace", "quantum_id"), "processes": ("trace",)}
DIGITS = 2
"""Of each id, that are replaced: 256 copies."""
LENGTH = (32).to_bytes(4, "little")
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


class Template:
    """The file of a table, with the places of its ids."""

    def __init__(self, path, ids, room):
        rows, plain = pq.read_table(path), room / "template.parquet"
        columns = leaves(path)
        packed = {name: "NONE" if name in ids else "zstd" for name in columns}
        pq.write_table(rows, plain, row_group_size=ROW_GROUP_ROWS, compression=packed, write_statistics=[name for name in columns if name not in ids])
        self.data = np.fromfile(plain, np.uint8)
        at = np.concatenate([places(self.data, chunk) for chunk in chunks(plain, ids)])
        self.at = at[:, None] + np.arange(DIGITS)
        self.values = np.searchsorted(HEX, self.data[self.at])
        plain.unlink()

    def copy(self, number):
        """Its bytes with other ids."""
        made = self.data.copy()
        made[self.at] = HEX[self.values ^ nibbles(number)]
        return made


def nibbles(number):
    return np.array([number >> 4 * place & 15 for place in range(DIGITS)])


def leaves(path):
    schema = pq.ParquetFile(path).schema
    return [schema.column(i).path for i in range(len(schema))]


def chunks(path, ids):
    """Begin and end of each stretch of the file that holds ids."""
    about = pq.read_metadata(path)
    for group, column in itertools.product(range(about.num_row_groups), range(about.num_columns)):
        one = about.row_group(group).column(column)
        if one.path_in_schema in ids:
            begin = one.dictionary_page_offset or one.data_page_offset
            yield begin, begin + one.total_compressed_size


def places(data, chunk):
    """Where the ids of a stretch begin: 32 digits behind their length."""
    begin, end = chunk
    found = np.flatnonzero(np.all([data[begin + i : end - 35 + i] == byte for i, byte in enumerate(LENGTH)], axis=0)) + begin + 4
    is_id = np.isin(data[found[:, None] + np.arange(32)], HEX).all(axis=1)
    return found[is_id]


def other_ids(ids, number):
    """What `Template.copy` makes of ids."""
    return ["".join(f"{int(digit, 16) ^ nibble:x}" for digit, nibble in zip(one, nibbles(number), strict=False)) + one[DIGITS:] for one in ids]


def copies(source, commit, times, made):
    """Put a commit so many times into a store; gives the name of each copy."""
    templates = {name: Template(source.path / commit.file(name)["path"], ids, made.path) for name, ids in IDS.items()}
    traces = pq.read_table(source.path / commit.file("processes")["path"], columns=["trace"])["trace"].to_pylist()
    for number in range(times):
        name, files = commit_id(other_ids(traces, number)), []
        for file in commit.files:
            table = file["path"].split("/")[0]
            data = templates[table].copy(number) if table in IDS else np.fromfile(source.path / file["path"], np.uint8)
            path = f"{table}/{name}.parquet"
            data.tofile(made.path / path)
            files.append({"path": path, "rows": file["rows"], "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        made.write(f"commits/{name}.json", Commit(name, commit.kind, files).as_json())
        yield name


def main(source, times, made):
    attempts.keep(source)
    retried, found = attempts.find(source), []
    for commit in source.commits():
        rows = retried.filter(pc.equal(retried["commit"], commit.id))
        for name in copies(source, commit, times, made):
            found.append(rows.set_column(0, "commit", pa.array([name] * rows.num_rows, pa.string())))
            print(name, file=sys.stderr)
    names = json.dumps(sorted(commit.id for commit in made.commits()))
    rows = pa.concat_tables(found).sort_by([("commit", "ascending"), ("row", "ascending")])
    made.write(attempts.NAME, parquet_bytes(rows.replace_schema_metadata({"commits": names})))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python benchmarks/campaign/copied_store.py STORE TIMES NEW_STORE")
    main(Store.open(sys.argv[1]), int(sys.argv[2]), Store.create(sys.argv[3]))
