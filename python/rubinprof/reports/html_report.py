"""The report: one self-contained HTML page with all parts, made of the sources in ``web/`` and the analyzer's columns."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rubinprof.reports import source_file, webpage
from rubinprof.reports.output import replaced

if TYPE_CHECKING:
    from rubinprof.trace import Trace

STYLES = ["flame.css", "report.css"]
SCRIPTS = [
    "data.js", "tree.js", "canvas.js", "sunburst.js", "head.js", "flame.js", "when.js", "grid.js", "chart.js", "code.js",
    "findings.js", "parts.js", "report.js",
]  # fmt: skip
SOURCE_FILES_MAX = 60
PAGE_BYTES_MAX = 3_000_000
SIZES = [(0, 40_000), (80_000, 20_000), (50_000, 10_000), (25_000, 5_000), (10_000, 2_000)]
"""Nodes of the call tree (0: as many as are drawn smoothly) and lines of source: the first that makes a page small enough to send."""
REGIONS_MAX = 20_000


def write(
    trace: "Trace",
    output: str,
    *,
    metric: str = "cpu",
    region: str | None = None,
    keep_dispatch: bool = False,
    with_source: bool = True,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write the report of a trace.

    Parameters
    ----------
    trace : `Trace`
        The trace.
    output : `str`
        File to write. It is replaced as a whole, when the page is ready.
    metric : `str`, optional
        What the call tree shows first.
    region : `str`, optional
        Only what happened in this region.
    keep_dispatch : `bool`, optional
        Whether the interpreter's own frames are kept.
    with_source : `bool`, optional
        Whether the text of source files that matter, where they can be read here, goes into the page.
    progress : `~collections.abc.Callable`, optional
        Called with bytes done and bytes to do while the trace is read.
    """
    text = ""
    for nodes, lines in SIZES:
        # First: the others are answered from what is kept of it.
        page = trace.report("page", metric=metric, region=region, keep_dispatch=keep_dispatch, full_names=True, n=nodes, progress=progress)
        assert page is not None
        regions = trace.regions()
        carried = {
            "stats": {**trace.stats(), "quanta": webpage.quanta(regions)},
            "regions": _longest(regions),
            "defaults": {"metric": metric, "inverted": False},
            "sources": sources_of(json.loads(page), lines) if with_source else [],
        }
        text = render(page, carried, trace.table(metric=metric, n=webpage.TABLE_ROWS, region=region), region)
        if len(text) <= PAGE_BYTES_MAX:
            break
    with replaced(output) as file:
        file.write(text.encode())


def render(page: bytes, carried: dict[str, Any], rows: list[dict[str, Any]], region: str | None = None) -> str:
    """Return the page of a "page" report; ``carried`` is what else it shows, ``rows`` the table for readers without scripts."""
    title = webpage.title_of(carried["stats"], region)
    carried = {**carried, "stats": {**carried["stats"], "command": title}}
    return webpage.render(
        "report.html", STYLES, SCRIPTS, title=title, rows=rows, page=page, carried=json.dumps(carried).encode()
    )


def sources_of(page: dict[str, Any], lines_max: int) -> list[dict[str, str]]:
    """Text of the files whose lines did most, heaviest first, as far as they can be read here."""
    lines, frames, strings = page["lines"], page["frames"], page["strings"]
    whole = {metric: sum(page["nodes"][metric]) or 1 for metric in ("cpu", "allocated", "peak", "leaked")}
    weight: dict[str, float] = {}
    for i, frame in enumerate(lines["frame"]):
        file = strings[frames["file"][frame]]
        if file:
            weight[file] = weight.get(file, 0) + max(lines["own"][metric][i] / whole[metric] for metric in whole)
    found, lines_left = [], lines_max
    for file in sorted(weight, key=weight.__getitem__, reverse=True):
        if len(found) == SOURCE_FILES_MAX or weight[file] < 0.001:
            break
        text = source_file.read(file)
        count = text.count("\n") + 1
        if text and count <= lines_left:
            lines_left -= count
            found.append({"file": file, "text": text})
    return found


def _longest(regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All regions, or the longest of very many, in their order."""
    if len(regions) <= REGIONS_MAX:
        return regions
    kept = sorted(sorted(regions, key=lambda r: -r["wall_s"])[:REGIONS_MAX], key=lambda r: r["index"])
    return kept
