"""Stores of quanta that are written down."""

import pyarrow as pa

from rubinprof import campaign
from rubinprof.campaign.schema import TABLES


def make(path, quanta, processes=None, functions=()):
    """A store of quanta, processes and functions, each a dict; what they lack is null. Gives its path."""
    store = campaign.Store.create(path)
    rows = [{"trace": f"{i:032x}", "unit": 0, "status": "done", "data_id": {}, "labels": {}} | quantum for i, quantum in enumerate(quanta)]
    if processes is None:
        processes = [{"trace": row["trace"], "quanta": 1} for row in rows]
    made = {"quanta": rows, "processes": processes, "functions": list(functions)}
    store.commit({name: pa.Table.from_pylist(made[name], schema=TABLES[name]) for name in made})
    return store.path
