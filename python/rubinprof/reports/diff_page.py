"""The page of a difference: totals, both call trees as one, and a table."""

import json
import os
from typing import Any

from rubinprof.reports import webpage
from rubinprof.reports.output import replaced

STYLES = ["flame.css", "report.css"]
SCRIPTS = ["data.js", "drawing.js", "tree.js", "canvas.js", "sunburst.js", "head.js", "flame.js", "grid.js", "tabs.js", "diff.js"]
ROWS_MAX = 20_000


def write(flame: dict[str, Any], difference: dict[str, Any], output: str | os.PathLike[str]) -> None:
    """Write the page.

    Parameters
    ----------
    flame : `dict`
        What `rubinprof.compare.diff_flame` returns.
    difference : `dict`
        What `rubinprof.compare.compare_runs` returns.
    output : path
        File to write. It is replaced as a whole, when the page is ready.
    """
    text = render(flame, difference)
    with replaced(output) as file:
        file.write(text.encode())


def render(flame: dict[str, Any], difference: dict[str, Any]) -> str:
    """Return the page."""
    shown = {**difference, "rows": difference["rows"][:ROWS_MAX]}
    rows = [{**row, **row["b"]} for row in difference["rows"][: webpage.TABLE_ROWS] if row.get("b")]
    title = f"{difference['a'].get('command') or 'A'} to {difference['b'].get('command') or 'B'}"
    return webpage.render(
        "diff.html",
        STYLES,
        SCRIPTS,
        title=title,
        what="The difference",
        rows=rows,
        rows_are="What changed most:",
        flame=json.dumps(flame).encode(),
        difference=json.dumps(shown).encode(),
    )
