/* Columns of figures for tables of the report, by the metrics that the trace has. */

/* Time: with all that was called, and CPU time of its own; all else: of its own. */
const figureChoices = () => METRICS.flatMap((m) => {
  const own = { key: m.key, from: m.part, title: m.hasTotal && m.unit === "ns" ? `Self ${m.name}` : m.name, what: m.what };
  const total = { ...own, from: "total", title: `Total ${m.name}`, what: `${m.what}, with all that it called` };
  return m.key === "cpu" ? [own, total] : m.unit === "ns" ? [total] : [own];
});

function figureColumns(report, rows, keys = null) {
  return figureChoices().filter((c) => (keys ? keys.includes(c.key) : true) && report.panel.metrics.some((m) => m.key === c.key)).map((c) => {
    const metric = METRICS.find((m) => m.key === c.key);
    const isUnknown = (i) => rows().isUnknown?.(c.from, c.key, i) ?? false;
    const column = (i) => rows()[c.from][c.key][i];
    const doubt = (i) => rows().doubt?.(c.from, c.key, i);
    return {
      key: `${c.from}_${c.key}`, title: c.title, what: c.what, width: figureWidth(c.key),
      value: (i) => (isUnknown(i) ? -1 : column(i)), text: (i) => (isUnknown(i) ? "?" : column(i) ? formatFigure(column(i), metric, false, doubt(i)) : ""),
      share: (i) => (isUnknown(i) || report.panel.partly.includes(metric) ? 0 : column(i) / (report.now.tree.total(c.key)[0] || 1)),
    };
  });
}
