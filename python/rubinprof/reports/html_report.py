"""The report: one self-contained HTML page with all parts, made of the sources in ``web/`` and the analyzer's columns."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rubinprof.reports import webpage
from rubinprof.reports.output import replaced
from rubinprof.reports.source_file import SourceTexts
from rubinprof.reports.source_path import is_own_code

if TYPE_CHECKING:
    from rubinprof.trace import Trace

STYLES = ["flame.css", "report.css"]
SCRIPTS = [
    "data.js", "drawing.js", "tree.js", "canvas.js", "sunburst.js", "head.js", "flame.js", "when.js", "grid.js", "chart.js", "code.js", "findings.js",
    "order.js", "columns.js", "overview.js", "table.js", "source.js", "memory.js", "regions.js", "tabs.js", "report.js",
]  # fmt: skip
PAGE_BYTES_MAX = 3_000_000
NODES_MAX = 120_000  # of the call tree, and as many rows of the timeline: what is drawn and summed smoothly
SOURCE_FILES_MAX = 60
SOURCE_LINES_MAX = 40_000
SOURCE_WEIGHT_MIN = 0.001  # of the whole, by any metric
REGIONS_MAX = 20_000
SLICES_MAX = 20_000  # of the flame chart
SHARE_MIN = 0.01  # of these numbers: less than that would show nothing


def write(
    trace: "Trace",
    output: str,
    *,
    metric: str | None = None,
    region: str | None = None,
    keep_dispatch: bool = False,
    with_source: bool = True,
    progress: Callable[[int, int], object] | None = None,
) -> int:
    """Write the report of a trace.

    A page that would be larger than `PAGE_BYTES_MAX` carries fewer nodes, rows and lines of source instead: what is left out stands with
    its caller, and the page says from which size on.

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
        Whether the text of source files that matter, from inside the trace or from here, goes into the page.
    progress : `~collections.abc.Callable`, optional
        Called with bytes done and bytes to do while the trace is read.

    Returns
    -------
    size : `int`
        Bytes of the page: more than `PAGE_BYTES_MAX` only where its names alone are that long.
    """
    # What needs most first: the others are answered from what is kept of it. Of a region the figures of the whole run are read once more, for stats.
    page = _page(trace, NODES_MAX, metric=metric, region=region, keep_dispatch=keep_dispatch, progress=progress)
    stats = trace.stats()
    of_regions = trace._json("regions")
    regions = of_regions["rows"]
    stats["quanta"] = webpage.quanta(regions)
    rows = trace.table(metric=metric, n=webpage.TABLE_ROWS, region=region)
    sources = _heaviest_sources(trace, region) if with_source else []
    share = 1.0
    while True:
        carried = {
            "stats": stats,
            "regionColumns": of_regions["columns"],
            "regions": _longest(regions, int(REGIONS_MAX * share)),
            "defaults": {"metric": metric or "cpu", "inverted": False},
            "sources": _that_fit(sources, int(SOURCE_LINES_MAX * share)),
        }
        packed, order = webpage.Packed.of(page), webpage.Packed()
        text = render(packed, carried, rows, region).encode()
        if len(text) <= PAGE_BYTES_MAX or share <= SHARE_MIN:
            # Last: calls in their order of time are read from the trace each time.
            order = webpage.Packed.of(_order(trace, int(SLICES_MAX * share), region))
            text = render(packed, carried, rows, region, order=order).encode()
        if len(text) <= PAGE_BYTES_MAX or share <= SHARE_MIN:
            break
        lines = sum(_lines(source) for source in carried["sources"])
        share = _share_that_fits(share, len(text), [
            (len(packed), NODES_MAX * share, NODES_MAX),
            (len(order), SLICES_MAX * share, SLICES_MAX),
            (_packed_bytes(carried["regions"]), len(carried["regions"]), REGIONS_MAX),
            (_packed_bytes(carried["sources"]), lines, SOURCE_LINES_MAX),
        ])  # fmt: skip
        page = _page(trace, int(NODES_MAX * share), metric=metric, region=region, keep_dispatch=keep_dispatch)
    with replaced(output) as file:
        return file.write(text)


def _packed_bytes(part: list[dict[str, Any]]) -> int:
    return len(webpage.Packed.of(json.dumps(part).encode()))


def _share_that_fits(share: float, size: int, parts: list[tuple[int, float, int]]) -> float:
    """Return the share with which a page of ``size`` bytes is likely to fit.

    ``parts`` are what shrinks: bytes now, of how many things, and how many there may be at a share of 1. Each shrinks by proportion
    from where the share leaves it fewer than it has; the rest (scripts, figures) stays.
    """
    # A second time: a part had fewer things than it might, and did not shrink.
    share *= 0.95 if share == 1 else 0.8
    while share > SHARE_MIN:
        left_out = sum(taken * max(0.0, 1 - most * share / n) for taken, n, most in parts if n)
        if size - left_out <= 0.97 * PAGE_BYTES_MAX:
            return share
        share *= 0.95
    return SHARE_MIN


def _order(trace: "Trace", n: int, region: str | None) -> bytes:
    """Calls in their order of time; of a region nobody has picked them out."""
    if region is not None:
        return b"null"
    order = trace.report("slices", n=n)
    assert order is not None
    return order


def _page(trace: "Trace", n: int, **options: Any) -> bytes:
    page = trace.report("page", full_names=True, n=n, **options)
    assert page is not None
    return page


def render(page: bytes | webpage.Packed, carried: dict[str, Any], rows: list[dict[str, Any]], region: str | None = None, order: bytes | webpage.Packed = b"null") -> str:
    """Return the page of a "page" report; ``carried`` is what else it shows, ``rows`` the table for readers without scripts, ``order`` the report "slices"."""
    title = webpage.title_of(carried["stats"], region)
    carried = {**carried, "stats": {**carried["stats"], "command": title}}
    return webpage.render(
        "report.html", STYLES, SCRIPTS, title=title, what="The report", rows=rows, page=page, carried=json.dumps(carried).encode(), order=order,
    )


def _heaviest_sources(trace: "Trace", region: str | None) -> list[dict[str, Any]]:
    """Text of the files whose code did most by any metric, heaviest first, as far as it can be had."""
    rows = trace.table("file", n=-1, region=region)
    keys = ("self_cpu_s", "allocated_bytes", "peak_bytes", "leaked_bytes")
    whole = {key: sum(row[key] or 0 for row in rows) or 1 for key in keys}
    weight = {row["file"]: max((row[key] or 0) / whole[key] for key in keys) for row in rows if row["file"]}
    texts = SourceTexts(trace)
    found: list[dict[str, Any]] = []
    # Own code first, however light: it is what a reader can change.
    own = {file: is_own_code(file) for file in weight}
    wanted = [file for file in weight if own[file] or weight[file] >= SOURCE_WEIGHT_MIN]
    for file in sorted(wanted, key=lambda file: (not own[file], -weight[file])):
        source = texts.read(file)
        if source.text:
            found.append({"file": file, "text": source.text, "note": source.note, "own": own[file]})
        if len(found) == SOURCE_FILES_MAX:
            break
    return found


def _lines(source: dict[str, Any]) -> int:
    return source["text"].count("\n") + 1


def _that_fit(sources: list[dict[str, Any]], lines: int) -> list[dict[str, Any]]:
    found = []
    for source in sources:
        count = _lines(source)
        if count <= lines:
            lines -= count
            found.append(source)
    return found


def _longest(regions: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """All regions, or the longest of very many, in their order."""
    if len(regions) <= most:
        return regions
    return sorted(sorted(regions, key=lambda r: -r["wall_s"])[:most], key=lambda r: r["index"])
