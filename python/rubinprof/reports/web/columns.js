/* Columns of figures for tables of the report, by the metrics that the trace has. */

const FIGURE_COLUMNS = [
  { key: "cpu", from: "self", title: "Self CPU", what: "CPU time of its own" },
  { key: "cpu", from: "total", title: "Total CPU", what: "CPU time with all that it called" },
  { key: "wall", from: "total", title: "Total wall", what: "time from call to return" },
  { key: "gil_wait", from: "total", title: "GIL wait", what: "waiting for the interpreter lock" },
  { key: "calls", from: "self", title: "Calls", what: "Python calls" },
  { key: "allocated", from: "own", title: "Allocated", what: "bytes asked for" },
  { key: "allocations", from: "own", title: "Allocations", what: "requests to the allocator" },
  { key: "peak", from: "own", title: "At peak", what: "bytes held when the heap was highest" },
  { key: "leaked", from: "own", title: "Leaked", what: "bytes never freed" },
  { key: "temporary", from: "own", title: "Temporary", what: "bytes freed again at once" },
];

function figureColumns(report, rows, keys = null) {
  return FIGURE_COLUMNS.filter((c) => (keys ? keys.includes(c.key) : true) && report.panel.metrics.some((m) => m.key === c.key)).map((c) => {
    const metric = METRICS.find((m) => m.key === c.key);
    const isUnknown = (i) => rows().isUnknown?.(c.from, c.key, i) ?? false;
    const column = (i) => rows()[c.from][c.key][i];
    return {
      key: `${c.from}_${c.key}`, title: c.title, what: c.what, width: figureWidth(c.key),
      value: (i) => (isUnknown(i) ? -1 : column(i)), text: (i) => (isUnknown(i) ? "?" : column(i) ? formatFigure(column(i), metric) : ""),
      share: (i) => (isUnknown(i) ? 0 : column(i) / (report.now.tree.total(c.key)[0] || 1)),
    };
  });
}
