/* Rows by function, line, file, module, thread or region, and who calls the chosen one. A part: show() means that the selection has changed, or the part came into sight. */

class TablePart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    this.by = "function";
    this.grid = new Grid(this.find("table-grid"), { label: "Figures", columns: [], choose: (i) => this.choose(i), sortBy: "self_cpu", changed: () => report.writeAddress() });
    this.find("table-by").addEventListener("change", (e) => {
      this.by = e.target.value;
      this.isShaped = false;
      this.grid.active = -1;
      this.show();
      report.writeAddress();
    });
    this.find("table-filter").addEventListener("input", () => {
      this.filter();
      report.writeAddress(true);
    });
  }

  show() {
    this.rows = this.report.rowsBy(this.by);
    if (!this.isShaped) {
      this.isShaped = true;
      const name = { key: "name", title: { thread: "Thread", region: "Region" }[this.by] ?? "Name", isText: true, width: "minmax(220px, 2.4fr)",
        text: (i) => this.rows.label(i), fill: (cell, i) => this.fillName(cell, i) };
      const place = { key: "place", title: "Where", isText: true, width: "minmax(140px, 1fr)", text: (i) => this.rows.place(i) };
      this.grid.setColumns([name, ...(["function", "line"].includes(this.by) ? [place] : []), ...figureColumns(this.report, () => this.rows, this.rows.keys)]);
    }
    this.filter();
    this.activateChosen();
    this.fillNeighbours();
  }

  activateChosen() {
    const { chosen, chosenLine } = this.report;
    if (chosen < 0 || !["function", "line"].includes(this.by)) return;
    for (let i = 0; i < this.rows.count; i++) if (this.by === "function" ? this.rows.rowOf[chosen] === i : this.rows.frame[i] === chosen && this.rows.line[i] === chosenLine) return this.grid.activate(i);
  }

  fillName(cell, i) {
    const frame = this.rows.frame?.[i] ?? -1;
    if (frame >= 0 && ["function", "line"].includes(this.by)) add(cell, "i").className = `swatch small k${this.report.frames.kind[frame]}`;
    cell.append(this.rows.label(i));
    cell.title = this.rows.title(i);
  }

  filter() {
    const input = this.find("table-filter");
    const regex = this.report.panel.regexOf(input.value, input);
    const ids = [];
    const keys = this.report.panel.metrics.map((m) => m.key);
    for (let i = 0; i < this.rows.count; i++) {
      if (!keys.some((key) => this.rows.total[key]?.[i] || this.rows.own[key]?.[i])) continue;
      if (!regex || regex.test(this.rows.title(i))) ids.push(i);
    }
    this.grid.setRows(ids);
    this.find("table-count").textContent = `${formatCount(ids.length)} rows`;
  }

  writeWords(words) {
    if (this.by !== "function") words.set("tb", this.by);
    if (this.find("table-filter").value) words.set("tf", this.find("table-filter").value);
    if (this.grid.sortWord()) words.set("ts", this.grid.sortWord());
  }

  readWords(words) {
    const choice = this.find("table-by");
    choice.value = words.get("tb") ?? "function";
    this.by = choice.value = choice.value || "function";
    this.find("table-filter").value = words.get("tf") ?? "";
    this.isShaped = false;
    this.grid.sortByWord(words.get("ts"));
  }

  /* The row of a function, among all of them. */
  showFunction(frame) {
    this.by = this.find("table-by").value = "function";
    this.find("table-filter").value = "";
    this.isShaped = false;
    this.show();
    this.grid.activate(this.rows.rowOf[frame]);
  }

  choose(i) {
    this.chosen = i;
    if (this.by === "region") return this.report.selectRegion(i);
    const frame = this.rows.frame?.[i] ?? -1;
    if (frame >= 0) this.report.choose(frame, this.by === "line" ? this.rows.line[i] : -1);
  }

  /* Callers and callees of the chosen function. */
  fillNeighbours() {
    const { report } = this;
    const box = this.find("neighbours");
    box.replaceChildren();
    const frame = report.chosen;
    box.hidden = frame < 0;
    this.find("table-hint").hidden = frame >= 0;
    if (frame < 0) return;
    const { frames } = report;
    add(box, "h2", frames.fullName(frame));
    const place = frames.place(frame, true);
    if (place) add(box, "p", place).className = "soft";
    fillActions(add(box, "p"), report, frame, frames.fullName(frame));
    const metric = report.panel.metric(report.metricForNeighbours());
    const variances = report.now.tree.self[varianceKey(metric.key)] ? neighboursOf(report.now.tree, frames, frame, varianceKey(metric.key)) : {};
    for (const [title, rows] of Object.entries(neighboursOf(report.now.tree, frames, frame, metric.key))) {
      const varianceOf = new Map(variances[title]?.map((row) => [row.frame, row.value]));
      add(box, "h3", `${title}, by ${metric.name}`);
      const table = add(box, "table");
      for (const row of rows.slice(0, 14)) {
        const line = add(table, "tr");
        const link = add(add(line, "td"), "button", row.frame < 0 ? "(the outermost)" : frames.label(row.frame));
        link.type = "button";
        link.className = "link";
        link.title = row.frame < 0 ? "" : `${frames.fullName(row.frame)}\n${frames.place(row.frame, true)}`;
        link.disabled = row.frame < 0;
        link.addEventListener("click", () => report.choose(row.frame));
        add(line, "td", formatFigure(row.value, metric, false, doubtOf(frames.sampled ? bitsBetween(frames.bits(frame), frames.bits(row.frame)) : undefined, metric.key, varianceOf.get(row.frame) ?? 0)));
      }
      if (rows.length > 14) add(box, "p", `and ${rows.length - 14} more`).className = "soft";
      if (!rows.length) add(box, "p", "none").className = "soft";
    }
  }
}

/* Of what two frames have together: native code that one of them is had a share of it. */
function bitsBetween(a, b) {
  return (a & b) | ((a | b) & SHARED_BIT);
}

/* Frames above and below a frame, with what passed between. Recursion counts once. */
function neighboursOf(tree, frames, frame, key) {
  const one = new Uint8Array(frames.count);
  one[frame] = 1;
  const total = tree.total(key);
  const callers = new Map();
  for (const i of tree.topmost(one)) {
    const f = tree.frame[tree.parent[i]];
    callers.set(f, (callers.get(f) ?? 0) + total[i]);
  }
  const callees = new Map();
  for (let i = 1; i < tree.count; i++) {
    if (tree.frame[tree.parent[i]] !== frame || tree.frame[i] === frame) continue;
    callees.set(tree.frame[i], (callees.get(tree.frame[i]) ?? 0) + total[i]);
  }
  const sorted = (map) => [...map].map(([f, value]) => ({ frame: f, value })).filter((r) => r.value > 0).sort((a, b) => b.value - a.value);
  return { Callers: sorted(callers), Callees: sorted(callees) };
}
