"""What the pages have in common: sources of ``web/`` put into one self-contained file."""

import base64
import functools
import gzip
import hashlib
import html
import os
import re
from importlib import resources
from typing import Any

from rubinprof import _analyze
from rubinprof.version import VERSION

TABLE_ROWS = 20
TABLE_COLUMNS = [
    ("function", "Function"),
    ("self_cpu_s", "Self CPU, s"),
    ("total_cpu_s", "Total CPU, s"),
    ("allocated_bytes", "Allocated, bytes"),
    ("peak_bytes", "Peak, bytes"),
]


def render(
    template: str,
    styles: list[str],
    scripts: list[str],
    *,
    title: str,
    what: str,
    rows: list[dict[str, Any]],
    rows_are: str = "The heaviest functions, by time of their own:",
    **blocks: "bytes | Packed",
) -> str:
    """Return a page: the shell that all pages share around a template.

    Parameters
    ----------
    template : `str`
        Source of what is between the head and the scripts.
    styles, scripts : `list` [`str`]
        Sources in their order; they become one style and one script.
    title, what : `str`
        Of the window; and what the page is, as the begin of a sentence.
    rows, rows_are
        The table for readers without scripts, and what stands in it.
    **blocks : `bytes` or `Packed`
        Data for the script, by the names under which it asks for them.
    """
    script = '(() => {\n"use strict";\n' + "\n".join(map(_source, scripts)) + "})();\n"
    style = "".join(map(_source, styles))
    values = {
        # Hashes, not 'unsafe-inline': whatever a name in the trace may look like, it is not what was hashed.
        "csp": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "version": html.escape(VERSION),
        "title": html.escape(title),
        "what": what,
        "rows_are": rows_are,
        "style": style,
        "script": script,
        "table": _table(rows),
        "content": _fill(template, {"tree": _source("tree.html"), "legend": _source("legend.html"), "help": _source("help.html")}),
        "blocks": "".join(_block(name, data) for name, data in {"metrics": _analyze.METRICS.encode(), **blocks}.items()),
    }
    return _fill("shell.html", values)


def _fill(name: str, values: dict[str, str]) -> str:
    # One pass: what a value holds is never taken for a place to fill.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], _source(name))


class Packed(str):
    """Data as it stands in a page, for who wants to know how long that is before the page is made."""

    @classmethod
    def of(cls, data: bytes) -> "Packed":
        # mtime=0: the same trace makes the same page.
        return cls(base64.b64encode(gzip.compress(data, 6, mtime=0)).decode())


def _block(name: str, data: bytes | Packed) -> str:
    packed = data if isinstance(data, Packed) else Packed.of(data)
    return f'<script type="application/octet-stream" id="rp-data-{name}">{packed}</script>\n'


def quanta(regions: list[dict[str, Any]]) -> int:
    """How many regions are quanta of a pipeline: the task factory labels them so."""
    return sum({"task", "data_id"} <= (region.get("labels") or {}).keys() for region in regions)


def title_of(stats: dict[str, Any], region: str | None) -> str:
    command = stats.get("command") or "trace"
    if isinstance(command, list):
        command = " ".join(map(str, command))
    return f"{command} (region {region})" if region is not None else str(command)


@functools.cache
def _source(name: str) -> str:
    return (resources.files("rubinprof.reports") / "web" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


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
