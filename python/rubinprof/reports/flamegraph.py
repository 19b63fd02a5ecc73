"""The flame graph: one self-contained HTML page, made of the sources in ``web/`` and the analyzer's columns."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rubinprof.reports import webpage
from rubinprof.reports.output import replaced

if TYPE_CHECKING:
    from rubinprof.trace import Trace

STYLES = ["flame.css"]
SCRIPTS = ["data.js", "drawing.js", "tree.js", "canvas.js", "sunburst.js", "head.js", "flame.js", "page.js"]


def write(
    trace: "Trace",
    output: str,
    *,
    metric: str | None = None,
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
    rows = trace.table(metric=metric, n=webpage.TABLE_ROWS, region=region)  # before figures of the whole run: what was read of the region answers it
    page = render(
        flame,
        stats={**trace.stats(), "quanta": webpage.quanta(trace.regions())},
        rows=rows,
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
    metric: str | None = None,
    inverted: bool = False,
    region: str | None = None,
) -> str:
    """Return the page of a "flame" report; ``stats`` and ``rows`` are the figures around it."""
    title = webpage.title_of(stats, region)
    carried = {"stats": {**stats, "command": title}, "defaults": {"metric": metric or "cpu", "inverted": inverted}}
    return webpage.render(
        "flame.html", STYLES, SCRIPTS, title=title, what="The flame graph", rows=rows, flame=flame, stats=json.dumps(carried).encode()
    )
