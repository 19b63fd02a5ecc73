"""Columns of the analyzer's report "units", as arrays: one replay of a trace gives all that a campaign keeps of it beside its rows of regions.

Reports of many traces are read together. An array of its own for each column of each would take as long as the replays of small traces.
"""

import struct

import numpy as np
import pyarrow as pa

__all__ = ["REPORT", "read"]

MAGIC = b"RPUNITS1"
REPORT = "report"
"""The column that `read` adds to each table: which report a row is of, from 0."""
_HEAD = struct.Struct("<32sQQQ")
_UNKNOWN = -(2**63)
_TEXT = 1


def read(*reports: bytes) -> dict[str, dict[str, pa.Array]]:
    """Read the columns of reports, those of one behind those of the other.

    Parameters
    ----------
    *reports : `bytes`
        At least one; csrc/report/report_units.c says what is in it.

    Returns
    -------
    tables : `dict` [`str`, `dict` [`str`, `pyarrow.Array`]]
        Arrays by table and column, `REPORT` among them. Null stands where nobody knows a figure.
    """
    parts: dict[str, list[np.ndarray]] = {}
    texts: dict[str, list[np.ndarray]] = {}  # bytes, by the name of the column; `parts` has their lengths
    for data in reports:
        _split(data, parts, texts)
    tables: dict[str, dict[str, pa.Array]] = {}
    for name, numbers in parts.items():
        table, _, column = name.partition(".")
        made = _texts(numbers, texts[name]) if name in texts else _integers(numbers)
        if table not in tables:
            rows = [len(one) for one in numbers]
            tables[table] = {REPORT: pa.array(np.repeat(np.arange(len(rows)), rows))}
        tables[table][column] = made
    return tables


def _split(data: bytes, parts: dict[str, list[np.ndarray]], texts: dict[str, list[np.ndarray]]) -> None:
    """Note the columns of one report, which are views of it."""
    if not data.startswith(MAGIC):
        raise ValueError("this is no report of units")
    place = len(MAGIC)
    while place < len(data):
        raw, kind, rows, size = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        name = raw.rstrip(b"\0").decode()
        if kind == _TEXT:
            offsets = np.frombuffer(data, np.uint32, rows + 1, place)
            parts.setdefault(name, []).append(np.diff(offsets))
            texts.setdefault(name, []).append(np.frombuffer(data, np.uint8, size - 4 * (rows + 1), place + 4 * (rows + 1)))
        else:
            parts.setdefault(name, []).append(np.frombuffer(data, np.int64, rows, place))
        place += (size + 7) // 8 * 8


def _integers(parts: list[np.ndarray]) -> pa.Array:
    values = np.concatenate(parts)
    unknown = values == _UNKNOWN
    return pa.array(values, mask=unknown if unknown.any() else None)


def _texts(lengths: list[np.ndarray], parts: list[np.ndarray]) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(np.concatenate(parts))])
