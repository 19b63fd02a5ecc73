"""The flame graph: one self-contained HTML page, made of the sources in ``web/`` and the analyzer's columns."""

import base64
import functools
import gzip
import hashlib
import html
import importlib.metadata
import json
import os
import re
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, Any

from rubinprof.reports.output import replaced

if TYPE_CHECKING:
    from rubinprof.trace import Trace

SCRIPTS = ["data.js", "tree.js", "canvas.js", "sunburst.js", "head.js", "flame.js", "page.js"]
TABLE_ROWS = 20
TABLE_COLUMNS = [
    ("function", "Function"),
    ("self_cpu_s", "Self CPU, s"),
    ("total_cpu_s", "Total CPU, s"),
    ("allocated_bytes", "Allocated, bytes"),
    ("peak_bytes", "Held at peak, bytes"),
]


def write(
    trace: "Trace",
    output: str,
    *,
    metric: str = "cpu",
    inverted: bool = False,
    region: str | None = None,
    keep_dispatch: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write the page of a trace.

    Parameters
    ----------
    trace : `Trace`
        The trace.
    output : `str`
        File to write. It is replaced as a whole, when the page is ready.
    metric : `str`, optional
        What the page shows first.
    inverted : `bool`, optional
        Whether the page begins with who calls the functions that do the work.
    region : `str`, optional
        Only what happened in this region.
    keep_dispatch : `bool`, optional
        Whether the interpreter's own frames are kept.
    progress : `~collections.abc.Callable`, optional
        Called with bytes done and bytes to do while the trace is read.
    """
    # Names whole: the page shortens what it draws, and shows all of it beside.
    flame = trace.report("flame", region=region, keep_dispatch=keep_dispatch, full_names=True, progress=progress)
    assert flame is not None
    page = render(
        flame,
        stats={**trace.stats(), "quanta": _quanta(trace.regions())},
        rows=trace.table(metric=metric, n=TABLE_ROWS, region=region),
        metric=metric,
        inverted=inverted,
        region=region,
    )
    with replaced(output) as file:
        file.write(page.encode())


def render(
    flame: bytes,
    *,
    stats: dict[str, Any],
    rows: list[dict[str, Any]],
    metric: str = "cpu",
    inverted: bool = False,
    region: str | None = None,
) -> str:
    """Return the page of a "flame" report; ``stats`` and ``rows`` are the figures around it."""
    title = _title(stats, region)
    script, style = _script(), _source("flame.css")
    values = {
        # Hashes, not 'unsafe-inline': whatever a name in the trace may look like, it is not what was hashed.
        "csp": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "version": html.escape(_version()),
        "title": html.escape(title),
        "style": style,
        "script": script,
        "table": _table(rows),
        "flame": _packed(flame),
        "stats": _packed(
            json.dumps({"stats": {**stats, "command": title}, "defaults": {"metric": metric, "inverted": inverted}}).encode()
        ),
    }
    # One pass: what a value holds is never taken for a place to fill.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], _source("flame.html"))


def _quanta(regions: list[dict[str, Any]]) -> int:
    """How many regions are quanta of a pipeline: the task factory labels them so."""
    return sum({"task", "data_id"} <= (region.get("labels") or {}).keys() for region in regions)


def _title(stats: dict[str, Any], region: str | None) -> str:
    command = stats.get("command") or "trace"
    if isinstance(command, list):
        command = " ".join(map(str, command))
    return f"{command} (region {region})" if region is not None else str(command)


@functools.cache
def _source(name: str) -> str:
    return (resources.files("rubinprof.reports") / "web" / name).read_text("utf-8")


def _script() -> str:
    return '(() => {\n"use strict";\n' + "\n".join(map(_source, SCRIPTS)) + "})();\n"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _packed(data: bytes) -> str:
    # mtime=0: the same trace makes the same page.
    return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


def _table(rows: list[dict[str, Any]]) -> str:
    """The table that a reader without scripts gets."""
    head = "".join(f"<th>{title}</th>" for _, title in TABLE_COLUMNS)
    body = ""
    for row in rows[:TABLE_ROWS]:
        cells = "".join(f"<td>{html.escape(_cell(row, key))}</td>" for key, _ in TABLE_COLUMNS)
        body += f"<tr>{cells}</tr>\n"
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _cell(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if key == "function":
        place = f"  {os.path.basename(row['file'])}:{row.get('line')}" if row.get("file") else ""
        return f"{value}{place}"
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else str(value)


def _version() -> str:
    try:
        return importlib.metadata.version("rubinprof")
    except importlib.metadata.PackageNotFoundError:  # used from a source tree
        return ""
