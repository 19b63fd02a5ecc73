"""Stores of quanta that are written down."""

import pyarrow as pa

from rubinprof import campaign
from rubinprof.campaign.schema import TABLES


def make(path, quanta, processes=None, functions=()):
    """A store of quanta, processes and functions (of the first process), each a dict; what they lack is null. Gives its path."""
    store = campaign.Store.create(path)
    rows = [{"trace": f"{i:032x}", "unit": 0, "status": "done", "data_id": {}, "labels": {}} | quantum for i, quantum in enumerate(quanta)]
    if processes is None:
        processes = [{"trace": row["trace"], "quanta": 1} for row in rows]
    named = [dict(one) for one in functions]
    frames = [{"frame": i, "release": i, "build": "", **{key: one.pop(key) for key in ("function", "file", "line", "module", "kind", "inlined")}} for i, one in enumerate(named)]
    made = {"quanta": rows, "processes": processes, "functions": [{"frame": i, "processes": 1} | one for i, one in enumerate(named)], "frames": frames}
    tables = {name: pa.Table.from_pylist(made[name], schema=TABLES[name]) for name in made}
    for name in ("functions", "frames"):
        tables[name] = tables[name].append_column("trace", pa.array([processes[0]["trace"]] * len(named), pa.string()))
    store.commit(tables)
    return store.path
