/* The page of a difference: totals, both call trees as one, and a table. More in B is orange with a plus sign, less is blue with a minus. */

const BEFORE = "before:";
const AFTER = "after:";
const DIFF_PARTS = ["totals", "tree", "table"];
const DIFF_UNITS = { cpu: 1e9, wall: 1e9, gil_wait: 1e9 }; // the document has seconds

class DiffPanel extends FlamePanel {
  fillFigures(table, i) {
    const head = add(add(table, "thead"), "tr");
    for (const title of ["Total", "A", "B", "Change"]) add(head, "th", title).scope = "col";
    const body = add(table, "tbody");
    for (const m of this.metrics) {
      const a = this.layout.figures(i, BEFORE + m.key).total;
      const b = this.layout.figures(i, AFTER + m.key).total;
      const row = add(body, "tr");
      row.dataset.metric = m.key;
      if (m.key === this.state.metric) row.className = "chosen";
      add(row, "td", m.name).title = m.what;
      add(row, "td", formatValue(a, m.unit));
      add(row, "td", formatValue(b, m.unit));
      const cell = add(row, "td");
      fillChange(cell, b - a, m.unit);
      if (a > 0 && b !== a) add(cell, "small", signedShare(a, b));
    }
    this.fillUnknown(body, 3);
  }
}

class DiffPage extends TabbedPage {
  constructor(data, difference) {
    super(DIFF_PARTS);
    this.difference = difference;
    this.frames = new Frames(data.strings, data.frames);
    this.data = data;
    this.width = "b";
    this.trees = { a: this.treeOf("a"), b: this.treeOf("b") };
    document.title = "A to B – rubinprof";
    const name = (side) => visible(side.command || "trace");
    this.find("title").textContent = name(difference.a) === name(difference.b) ? name(difference.b) : `${name(difference.a)} → ${name(difference.b)}`;
    this.find("about").textContent = `${plural(difference.noise.runs[0], "run", "runs")} of A against ${plural(difference.noise.runs[1], "run", "runs")} of B`;
    const words = new URLSearchParams(location.hash.slice(1));
    this.panel = new DiffPanel(this.frames, this.trees.b, { metric: difference.metric, inverted: false }, words, { changed: () => this.writeAddress(), chosen: () => {} });
    for (const view of Object.values(this.panel.styles)) {
      view.tint = (i) => this.tint(view, i);
      view.note = (i) => this.note(i);
    }
    this.fillTotals();
    this.makeTable();
    this.listen();
    watchTheme((ratio) => this.panel.redraw(ratio));
    this.open(this.partOf(words));
  }

  /* The merged tree; boxes are as wide as one side's figures, both sides' figures go along. */
  treeOf(side) {
    const { parent, frame, a, b } = this.data.nodes;
    const tree = CallTree.fromColumns({ parent, frame, ...this.data.nodes[side] }, this.frames);
    const shift = tree.count - parent.length;
    tree.unknown = METRICS.filter(({ key }) => a[key] === null || b[key] === null);
    for (const { key } of METRICS) {
      for (const [prefix, columns] of [[BEFORE, a], [AFTER, b]]) {
        tree.self[prefix + key] = new Float64Array(tree.count);
        for (let i = 0; i < parent.length; i++) tree.self[prefix + key][i + shift] = columns[key]?.[i] ?? 0;
      }
    }
    return tree;
  }

  both(i) {
    const { layout, state } = this.panel;
    return { a: layout.figures(i, BEFORE + state.metric).total, b: layout.figures(i, AFTER + state.metric).total };
  }

  tint(view, i) {
    const { a, b } = this.both(i);
    const part = Math.max(a, b) > 0 ? (b - a) / Math.max(a, b) : 0;
    const other = view.colours.kinds[KIND_OTHER];
    if (Math.abs(part) < 0.005) return other;
    // The two colours are those of C++ and Python boxes: their text is readable in both themes.
    return blend(view.colours.kinds[part > 0 ? KIND_NATIVE : KIND_PYTHON], other, Math.min(1, 0.25 + Math.abs(part) * 1.5));
  }

  note(i) {
    const { a, b } = this.both(i);
    return a === b ? "" : `${signedValue(b - a, this.panel.metric().unit)}${a > 0 ? ` (${signedShare(a, b)})` : ", in B alone"}`;
  }

  fillTotals() {
    const { totals, noise, a, b } = this.difference;
    const table = this.find("totals");
    const head = add(add(table, "thead"), "tr");
    for (const title of ["Figure", "A", "B", "Change", "Relative", ...(noise.method ? [`${Math.round(noise.confidence * 100)} % interval`] : [])]) add(head, "th", title);
    const body = add(table, "tbody");
    for (const m of METRICS) {
      const t = totals[m.key];
      if (!t || t.a === 0 && t.b === 0) continue;
      const scale = DIFF_UNITS[m.key] ?? 1;
      const row = add(body, "tr");
      row.dataset.metric = m.key;
      add(row, "th", m.name).scope = "row";
      for (const value of [t.a, t.b]) add(row, "td", value === null ? unknownText(m) : formatValue(value * scale, m.unit));
      if (t.change === null) add(row, "td", "not known");
      else fillChange(add(row, "td"), t.change * scale, m.unit);
      add(row, "td", t.a > 0 && t.b !== null ? signedShare(t.a, t.b) : "");
      if (noise.method) add(row, "td", t.interval ? `${signedValue(t.interval[0] * scale, m.unit)} to ${signedValue(t.interval[1] * scale, m.unit)}${t.certain ? "" : ": may be noise"}` : "");
    }
    const list = this.find("noise");
    const say = (text) => add(list, "li", visible(text));
    if (noise.method) say(`Each change has an interval in which it lies with ${Math.round(noise.confidence * 100)} % confidence (${noise.method}). One that contains 0 may be noise.`);
    else say("One run on each side: how much runs differ by themselves is not known. Several runs of each (--a RUN… --b RUN…) would tell.");
    if (noise.assumed) say(String(noise.assumed));
    for (const [name, side] of [["A", a], ["B", b]]) {
      for (const run of side.runs) {
        if (run.complete === false) say(`${name}: ${run.paths.join(", ")} ${run.damaged_files > 0 ? "is damaged or cut short" : run.ended?.killed > 0 ? "has a process that ended without a stop" : "is incomplete"}.`);
        if (run.lost_events > 0) say(`${name}: ${formatCount(run.lost_events)} events were lost in ${run.paths.join(", ")}.`);
      }
    }
    const sides = this.find("sides");
    for (const [name, side] of [["A", a], ["B", b]]) {
      const row = add(sides, "tr");
      add(row, "th", name).scope = "row";
      add(row, "td", visible(`${side.command || "trace"} · ${side.host ?? ""} · Python ${side.python ?? "?"} · ${side.runs.map((r) => r.paths.join(" ")).join(", ")}`));
    }
  }

  makeTable() {
    const select = this.find("table-metric");
    for (const m of this.panel.metrics) add(select, "option", m.name).value = m.key;
    select.value = this.panel.metrics.some((m) => m.key === this.difference.metric) ? this.difference.metric : this.panel.metrics[0]?.key;
    select.addEventListener("change", () => this.showTable());
    this.find("table-filter").addEventListener("input", () => this.showTable());
    this.find("table-certain").addEventListener("change", () => this.showTable());
    this.find("table-certain").parentNode.hidden = !this.difference.rows.some((row) => row.certain);
    this.grid = new Grid(this.find("table-grid"), { label: "Changes", columns: [], sortBy: "size" });
  }

  showTable() {
    const { rows } = this.difference;
    const metric = this.panel.metric(this.find("table-metric").value);
    const key = (metric.hasTotal && metric.part === "self" ? "self_" : "") + metric.row;
    const scale = DIFF_UNITS[metric.key] ?? 1;
    const of = (i, side) => (rows[i][side]?.[key] ?? 0) * scale;
    const change = (i) => (rows[i].change?.[key] ?? 0) * scale;
    const most = rows.reduce((sum, _, i) => Math.max(sum, Math.abs(change(i))), 0) || 1;
    const absent = (i) => (rows[i].certain?.[key] === false ? "not seen" : "not there"); // by samples
    const figure = (name, title, value, text) => ({ key: name, title, width: "minmax(100px, 0.6fr)", value, text });
    this.grid.setColumns([
      { key: "name", title: "Name", isText: true, width: "minmax(240px, 2.4fr)", text: (i) => visible(rows[i].function) },
      { key: "place", title: "Where", isText: true, width: "minmax(140px, 1fr)", text: (i) => visible(`${baseName(rows[i].file || rows[i].module || "")}${rows[i].line > 0 ? `:${rows[i].line}` : ""}`) },
      figure("a", "A", (i) => of(i, "a"), (i) => (rows[i].in === "b" ? absent(i) : formatValue(of(i, "a"), metric.unit))),
      figure("b", "B", (i) => of(i, "b"), (i) => (rows[i].in === "a" ? absent(i) : formatValue(of(i, "b"), metric.unit))),
      { ...figure("size", "Change", (i) => Math.abs(change(i)), (i) => signedValue(change(i), metric.unit)), share: (i) => Math.abs(change(i)) / most,
        fill: (cell, i) => fillChange(cell, change(i), metric.unit) },
      figure("part", "Relative", (i) => (of(i, "a") > 0 ? change(i) / of(i, "a") : Infinity), (i) => (of(i, "a") > 0 ? signedShare(of(i, "a"), of(i, "b")) : "")),
      { key: "interval", title: "Interval", isText: true, width: "minmax(230px, 1.2fr)", text: (i) => this.intervalText(rows[i], key, scale, metric.unit) },
    ]);
    const input = this.find("table-filter");
    const regex = this.panel.regexOf(input.value, input);
    const isCertain = this.find("table-certain").checked;
    const ids = rows.map((_, i) => i).filter((i) => change(i) !== 0 && (!regex || regex.test(`${rows[i].function}\n${rows[i].file}`)) && (!isCertain || rows[i].certain?.[key]));
    this.grid.setRows(ids);
    this.find("table-count").textContent = `${formatCount(ids.length)} of ${formatCount(this.difference.rows_total)} rows`;
  }

  intervalText(row, key, scale, unit) {
    const interval = row.interval?.[key];
    if (!interval) return "";
    return `${signedValue(interval[0] * scale, unit)} to ${signedValue(interval[1] * scale, unit)}${row.certain?.[key] ? "" : ": may be noise"}`;
  }

  open(part) {
    this.showTab(part);
    for (const side of ["a", "b"]) {
      this.find(`width-${side}`).setAttribute("aria-pressed", String(side === this.width));
      this.find(`width-${side}`).hidden = part !== "tree";
    }
    if (part === "table") this.showTable();
    if (part === "tree") this.panel.update({});
    this.writeAddress();
  }

  listen() {
    this.listenToTabs();
    for (const side of ["a", "b"]) {
      this.find(`width-${side}`).addEventListener("click", () => {
        this.width = side;
        this.panel.setTree(this.trees[side]);
        this.open("tree");
      });
    }
    document.addEventListener("keydown", (e) => {
      const number = Number(e.key);
      if (!isTyping(e) && number >= 1 && number <= DIFF_PARTS.length && !e.altKey && !e.ctrlKey && !e.metaKey) this.open(DIFF_PARTS[number - 1]);
      else if (this.part === "tree") this.panel.onPageKey(e);
    });
  }

  writeAddress() {
    if (!this.part) return;
    const words = this.addressOfTab();
    this.panel.writeWords(words);
    putAddress(words);
  }
}

function signedValue(value, unit) {
  return value === 0 ? "0" : (value > 0 ? "+" : "−") + formatValue(Math.abs(value), unit);
}

function signedShare(a, b) {
  const percent = (100 * (b - a)) / a;
  if (!isFinite(percent)) return "";
  const size = Math.abs(percent);
  return `${percent > 0 ? "+" : percent < 0 ? "−" : ""}${size >= 100 ? size.toFixed(0) : size.toFixed(1)} %`;
}

function fillChange(cell, change, unit) {
  cell.append(signedValue(change, unit));
  cell.classList.add(change > 0 ? "sign-more" : change < 0 ? "sign-less" : "same");
}

startPage(["flame", "difference"], (data, difference) => new DiffPage(data, difference));
