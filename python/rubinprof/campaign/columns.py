"""Columns of the analyzer's report "units", as arrays: one replay of a trace gives all that a campaign keeps of it beside its rows of regions."""

import struct

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["read"]

MAGIC = b"RPUNITS1"
_HEAD = struct.Struct("<32sQQQ")
# Not a scalar of pyarrow: making one imports pandas, which takes longer than most questions.
_UNKNOWN = -(2**63)


def read(data: bytes) -> dict[str, dict[str, pa.Array]]:
    """Read the columns.

    Parameters
    ----------
    data : `bytes`
        The report; csrc/report/report_units.c says what is in it. The arrays lie in it.

    Returns
    -------
    tables : `dict` [`str`, `dict` [`str`, `pyarrow.Array`]]
        Arrays by table and column. Null stands where nobody knows a figure.
    """
    if not data.startswith(MAGIC):
        raise ValueError("this is no report of units")
    whole, place, tables = pa.py_buffer(data), len(MAGIC), {}
    while place < len(data):
        name, kind, rows, size = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        table, _, column = name.rstrip(b"\0").decode().partition(".")
        if kind == 1:
            offsets = (rows + 1) * 4
            parts = [None, whole.slice(place, offsets), whole.slice(place + offsets, size - offsets)]
            array = pa.Array.from_buffers(pa.string(), rows, parts)
        else:
            array = pa.Array.from_buffers(pa.int64(), rows, [None, whole.slice(place, size)])
            if rows and pc.min(array).as_py() == _UNKNOWN:
                array = pc.if_else(pc.equal(array, _UNKNOWN), pa.scalar(None, pa.int64()), array)
        tables.setdefault(table, {})[column] = array
        place += (size + 7) // 8 * 8
    return tables
