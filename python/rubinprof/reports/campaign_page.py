"""The page of a campaign: one self-contained file, made of the sources in ``web/`` and of `rubinprof.campaign.summary`."""

import json
import os
from typing import Any

from rubinprof.reports import webpage
from rubinprof.reports.output import replaced

STYLES = ["flame.css", "report.css", "campaign.css"]
SCRIPTS = [
    "data.js", "drawing.js", "tree.js", "canvas.js", "sunburst.js", "head.js", "flame.js", "grid.js", "tabs.js", "campaign_charts.js", "campaign_tables.js", "campaign_parts.js", "campaign.js",
]  # fmt: skip
PAGE_BYTES_MAX = 3_000_000
LISTS = ("outliers", "functions", "hosts", "libraries")
"""What gives way when a page becomes too large, by halves."""


def write(document: dict[str, Any], output: str | os.PathLike[str], flame: dict[str, Any] | None = None) -> int:
    """Write the page.

    Parameters
    ----------
    document : `dict`
        What `rubinprof.campaign.summary` gives.
    output : path
        File to write. It is replaced as a whole, when the page is ready.
    flame : `dict`, optional
        ``strings`` and ``frames`` of the "flame" report, and ``trees``: its ``nodes`` by task, "" for the whole campaign.

    Returns
    -------
    size : `int`
        Bytes of the page.
    """
    text = render(document, flame)
    while len(text) > PAGE_BYTES_MAX and any(len(document[name]) > 20 for name in LISTS):
        document = document | {name: document[name][: max(20, len(document[name]) // 2)] for name in LISTS}
        text = render(document, flame)
    with replaced(output) as file:
        return file.write(text.encode())


def render(document: dict[str, Any], flame: dict[str, Any] | None = None) -> str:
    """Return the page."""
    return webpage.render(
        "campaign.html",
        STYLES,
        SCRIPTS,
        title=f"{document['store']}: campaign",
        what="The page of the campaign",
        rows=[row | {"total_cpu_s": None} for row in document["functions"][: webpage.TABLE_ROWS]],
        campaign=json.dumps(document, default=str, separators=(",", ":")).encode(),
        flame=json.dumps(flame, separators=(",", ":")).encode(),
    )
