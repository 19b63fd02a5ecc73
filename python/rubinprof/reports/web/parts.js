/* The parts of the report beside the call tree. Each has show(): the selection has changed, or the part came into sight. */

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
    const unit = METRICS.find((m) => m.key === c.key).unit;
    const column = (i) => rows()[c.from][c.key][i];
    return {
      key: `${c.from}_${c.key}`, title: c.title, what: c.what, width: "minmax(84px, 0.6fr)",
      value: column, text: (i) => (column(i) ? formatValue(column(i), unit) : ""),
      share: (i) => column(i) / (report.now.tree.total(c.key)[0] || 1),
    };
  });
}

/* ---- overview ---- */

class OverviewPart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    this.fillAbout();
  }

  show() {
    const { report } = this;
    const cards = this.find("overview-cards");
    cards.replaceChildren();
    const now = report.now;
    const st = report.stats;
    const card = (name, value, note) => {
      const box = add(cards, "div");
      add(box, "dt", name);
      const dd = add(box, "dd", value);
      if (note) add(dd, "small", note);
    };
    const sum = (key) => now.tree.total(key)[0];
    card(report.isWhole() ? "Wall time" : "Stretch of time", formatDuration(now.seconds * 1e9));
    card("CPU time", formatDuration(sum("cpu")));
    card("CPU efficiency", formatShare(sum("cpu"), now.seconds * 1e9), "of one CPU");
    if (sum("gil_wait") > 0) card("GIL wait", formatDuration(sum("gil_wait")));
    if (st.allocations > 0) {
      card("Peak memory", formatBytes(now.peakBytes), `at ${formatDuration(report.timeline.at(now.highest + 0.5) * 1e9)}`);
      card("Never freed", formatBytes(sum("leaked")));
      card("Allocated", formatBytes(sum("allocated")), `in ${formatCount(sum("allocations"))}`);
    }
    if (st.calls === null) card("Python calls", "?", "not counted in sampled mode");
    else if (sum("calls") > 0) card("Python calls", formatCount(sum("calls")));
    if (report.regions.length) card(report.stats.quanta > 0 ? "Quanta" : "Regions", formatCount(report.stats.quanta || report.regions.length));
    this.fillFindings();
  }

  fillFindings() {
    const list = this.find("findings");
    list.replaceChildren();
    const findings = findFindings(this.report);
    for (const finding of findings) {
      const item = add(list, "li");
      add(item, "span", finding.text);
      const show = add(item, "button", "Show");
      show.type = "button";
      show.setAttribute("aria-label", `Show: ${finding.text}`);
      show.addEventListener("click", () => this.report.follow(finding));
    }
    if (!findings.length) add(list, "li", "Nothing stands out in this stretch of the run.");
  }

  fillAbout() {
    const { report } = this;
    const st = report.stats;
    const table = this.find("about-table");
    const row = (name, value) => {
      if (value === null || value === undefined || value === "") return;
      const line = add(table, "tr");
      add(line, "th", name).scope = "row";
      add(line, "td", visible(String(value)));
    };
    const command = Array.isArray(st.command) ? st.command.join(" ") : st.command;
    row("Command", command);
    row("Host", st.host);
    row("Began", st.start_s > 0 ? new Date(st.start_s * 1000).toLocaleString() : null);
    row("Processes", st.processes);
    row("Threads", st.threads);
    row("Python", st.python);
    row("rubinprof", st.rubinprof);
    const meta = st.meta ?? {};
    for (const key of Object.keys(meta).filter((k) => /^(version|package|lsst|system|kernel|cpu|machine|os)\b/.test(k)).sort()) row(key, meta[key]);
    row("Trace", `${formatCount(st.events)} events, ${formatBytes(st.file_bytes)}`);

    const lost = this.find("lost-list");
    const say = (text) => add(lost, "li", visible(text));
    const modes = st.mode ?? {};
    for (const [what, name] of [["cpu", st.calls === null ? "CPU time" : "CPU time and calls"], ["memory", "Memory"]]) {
      if (modes[what] === "sampled" && !(what === "cpu" && st.calls !== null)) say(`${name}: estimated from samples.`);
      else if (modes[what] === "off") say(`${name}: not recorded.`);
      else if (modes[what]) say(`${name}: every event was recorded.`);
    }
    for (const m of report.panel.unknown) say(`${m.name}: ${unknownText(m)}.`);
    if (st.samples > 0 && st.calls !== null) say(`Native functions share the exact CPU time of their Python function by ${formatCount(st.samples)} samples.`);
    if (st.lost_events > 0 || st.lost_bytes > 0) say(`${formatCount(st.lost_events)} events (${formatBytes(st.lost_bytes)} of allocations) were lost while recording.`);
    if (st.lost_blocks > 0 || st.damaged_blocks > 0) say(`${formatCount((st.lost_blocks ?? 0) + (st.damaged_blocks ?? 0))} blocks are missing or damaged in the files.`);
    if (!(st.lost_events > 0) && !(st.lost_blocks > 0) && !(st.damaged_blocks > 0)) say("Nothing was lost.");
    for (const unseen of Array.isArray(st.not_seen) ? st.not_seen : []) {
      say(`Not seen: ${String(unseen.what).replaceAll("_", " ")}${unseen.name ? ` (${unseen.name})` : ""}${unseen.count > 1 ? `, ${formatCount(unseen.count)} times` : ""}.`);
    }
    say(`rubinprof itself took ${formatDuration((st.overhead_s ?? 0) * 1e9)}${st.cpu_s > 0 ? ` (${formatShare(st.overhead_s, st.cpu_s)} of the program's CPU time)` : ""}; ` +
      `it is ${st.calls === null ? "still in" : "taken out of"} all times.`);
    const parts = report.timeline.foldedParts;
    if (parts) say(`There is no room in this page for all that happened: when a stretch of time is chosen, what did less than ${formatShare(1, parts)} of it may stand below its caller as “[smaller frames]”. All sums are exact.`);
    if (report.sources.length) say(`The text of ${report.sources.length} source file${report.sources.length === 1 ? " is" : "s are"} inside this page.`);
  }
}

/* ---- table ---- */

class TablePart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    this.by = "function";
    this.grid = new Grid(this.find("table-grid"), { label: "Figures", columns: [], choose: (i) => this.choose(i), sortBy: "self_cpu" });
    this.find("table-by").addEventListener("change", (e) => {
      this.by = e.target.value;
      this.isShaped = false;
      this.grid.active = -1;
      this.show();
    });
    this.find("table-filter").addEventListener("input", () => this.filter());
  }

  show() {
    this.rows = this.report.rowsBy(this.by);
    if (!this.isShaped) {
      this.isShaped = true;
      const name = { key: "name", title: { thread: "Thread", region: "Region" }[this.by] ?? "Name", isText: true, width: "minmax(220px, 2.4fr)",
        text: (i) => this.rows.label(i), fill: (cell, i) => this.fillName(cell, i) };
      const place = { key: "place", title: "Where", isText: true, width: "minmax(140px, 1fr)", text: (i) => this.rows.place(i) };
      this.grid.setColumns([name, ...(["function", "line"].includes(this.by) ? [place] : []), ...figureColumns(this.report, () => this.rows)]);
    }
    this.filter();
    this.fillNeighbours();
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
    if (frame < 0) {
      add(box, "p", "Choose a row to see who calls it and what it calls.").className = "soft";
      return;
    }
    const { frames } = report;
    add(box, "h2", frames.fullName(frame));
    const place = frames.place(frame, true);
    if (place) add(box, "p", place).className = "soft";
    const actions = add(box, "p");
    const action = (text, run) => {
      const button = add(actions, "button", text);
      button.type = "button";
      button.addEventListener("click", run);
    };
    action("In the call tree", () => report.showInTree(frame));
    if (report.sourceOf(frame) >= 0) action("Source", () => report.showSource(frame));
    const metric = report.panel.metric(report.metricForNeighbours());
    for (const [title, rows] of Object.entries(neighboursOf(report.now.tree, frames, frame, metric.key))) {
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
        add(line, "td", formatValue(row.value, metric.unit));
      }
      if (rows.length > 14) add(box, "p", `and ${rows.length - 14} more`).className = "soft";
      if (!rows.length) add(box, "p", "none").className = "soft";
    }
  }
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

/* ---- source ---- */

const SOURCE_ROW = 19;

class SourcePart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    this.file = report.sources.length ? 0 : -1;
    this.marked = -1;
    const list = this.find("source-files");
    list.addEventListener("change", () => this.open(Number(list.value)));
    this.scroller = this.find("source-lines");
    this.scroller.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    this.byFile = new Map();
    const { lines, frames } = report;
    for (let l = 0; l < lines.count; l++) {
      const file = frames.text(frames.file[lines.frame[l]]);
      if (!this.byFile.has(file)) this.byFile.set(file, []);
      this.byFile.get(file).push(l);
    }
  }

  open(file, line = -1) {
    this.file = file;
    this.marked = line;
    this.isScrolled = false;
    this.show();
  }

  columns() {
    return [["cpu", "total", "CPU"], ["cpu", "own", "Own CPU"], ["calls", "", "Calls"], ["allocated", "own", "Allocated"], ["peak", "own", "At peak"], ["leaked", "own", "Leaked"]]
      .filter(([key]) => this.report.panel.metrics.some((m) => m.key === key));
  }

  show() {
    const { report } = this;
    const list = this.find("source-files");
    const fileSum = (file, key) => (this.byFile.get(file) ?? []).reduce((sum, l) => sum + report.now.lines.own[key][l], 0);
    const all = report.now.tree.total("cpu")[0];
    const isFirst = list.options.length === 0;
    report.sources.forEach((source, i) => {
      const option = isFirst ? add(list, "option") : list.options[i];
      option.value = i;
      option.textContent = `${formatShare(fileSum(source.file, "cpu"), all)}  ${visible(baseName(source.file))}`;
      option.title = visible(source.file);
    });
    this.find("source-none").hidden = this.file >= 0;
    this.find("source-view").hidden = this.file < 0;
    if (this.file < 0) return;
    list.value = this.file;
    const source = report.sources[this.file];
    this.find("source-name").textContent = visible(source.file) + (source.note ? ` (${source.note})` : "");
    this.text = (source.lines ??= source.text.split("\n"));
    this.pieces = (source.pieces ??= colourSource(this.text, /\.pyi?$/.test(source.file)));
    this.figures = new Map();
    for (const l of this.byFile.get(source.file) ?? []) {
      const at = report.lines.line[l];
      const row = this.figures.get(at) ?? {};
      for (const [key, from] of this.columns()) {
        const name = `${key}_${from}`;
        // "Calls" of a line: those made from it, or of the function that begins there.
        const value = key === "calls" ? report.now.lines.own.calls[l] + (report.isWhole() ? report.lines.callsOut[l] : 0) : report.now.lines[from][key][l];
        row[name] = (row[name] ?? 0) + value;
      }
      this.figures.set(at, row);
    }
    this.most = {};
    for (const row of this.figures.values()) for (const [name, value] of Object.entries(row)) this.most[name] = Math.max(this.most[name] ?? 0, value);
    this.drawHead();
    this.find("source-body").style.height = `${this.text.length * SOURCE_ROW}px`; // before scrolling: there is no place to scroll to else
    if (!this.isScrolled) {
      this.isScrolled = true;
      let target = this.marked;
      if (target < 0) {
        let best = 0;
        for (const [line, row] of this.figures) if ((row.cpu_own ?? 0) > best) [best, target] = [row.cpu_own, line];
      }
      this.scroller.scrollTop = Math.max(0, (target - 8) * SOURCE_ROW);
    }
    this.draw();
  }

  drawHead() {
    const head = this.find("source-head");
    head.replaceChildren();
    for (const [, , title] of this.columns()) add(head, "span", title).className = "figure";
    add(head, "span", "Line").className = "line-number";
    add(head, "span", "Source");
  }

  draw() {
    if (this.file < 0 || !this.text) return;
    const box = this.find("source-body");
    const from = Math.max(0, Math.floor(this.scroller.scrollTop / SOURCE_ROW) - 3);
    const to = Math.min(this.text.length, from + Math.ceil(this.scroller.clientHeight / SOURCE_ROW) + 6);
    box.replaceChildren();
    for (let i = from; i < to; i++) {
      const row = add(box, "div");
      row.className = i + 1 === this.marked ? "source-row marked" : "source-row";
      row.style.top = `${i * SOURCE_ROW}px`;
      const figures = this.figures.get(i + 1) ?? {};
      for (const [key, from_] of this.columns()) {
        const value = figures[`${key}_${from_}`] ?? 0;
        const cell = add(row, "span", value > 0 ? formatValue(value, METRICS.find((m) => m.key === key).unit) : "");
        cell.className = "figure";
        if (value > 0) cell.style.setProperty("--share", `${((100 * value) / (this.most[`${key}_${from_}`] || 1)).toFixed(1)}%`);
      }
      add(row, "span", String(i + 1)).className = "line-number";
      const code = add(row, "code");
      fillCode(code, this.text[i], this.pieces[i]);
    }
  }
}

/* ---- memory ---- */

class MemoryPart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    this.view = "peak";
    const { lines, frames } = report;
    const name = { key: "name", title: "Where it was allocated", isText: true, width: "minmax(200px, 2fr)", text: (i) => report.lineText(i), };
    const figure = (key, title, what) => ({ key, title, what, width: "minmax(86px, 0.6fr)", value: (i) => report.now.lines.own[key][i],
      text: (i) => (report.now.lines.own[key][i] ? formatValue(report.now.lines.own[key][i], key === "allocations" ? "" : "B") : ""),
      share: (i) => Math.abs(report.now.lines.own[key][i]) / (Math.abs(report.now.tree.total(key === "growth" ? "allocated" : key)[0]) || 1) });
    const peak = figure("peak", "At peak", "held when the heap was highest");
    const leaked = figure("leaked", "Leaked", "never freed");
    const allocated = figure("allocated", "Allocated", "asked for in all");
    const allocations = figure("allocations", "Allocations", "how often");
    const temporary = figure("temporary", "Temporary", "freed again at once");
    const growth = { ...figure("growth", "Growth", GROWTH.what), text: (i) => signedBytes(report.now.lines.own.growth[i]) };
    const age = { key: "age", title: "Born when", what: "when what leaked was allocated, over the run: bars at the right are young", width: "minmax(150px, 1fr)",
      text: () => "", value: (i) => this.meanBirth(i), fill: (cell, i) => this.fillAge(cell, i) };
    this.views = {
      peak: { columns: [name, peak, leaked, allocated, allocations], key: "peak" },
      leaked: { columns: [name, leaked, age, peak, allocated], key: "leaked" },
      temporary: { columns: [name, temporary, allocated, allocations], key: "temporary" },
      growth: { columns: [name, growth, allocated, leaked, peak], key: "growth" },
    };
    this.grid = new Grid(this.find("memory-grid"), { label: "Memory by location", columns: this.views.peak.columns, sortBy: "peak",
      choose: (i) => report.choose(lines.frame[i], lines.line[i]) });
    for (const button of this.find("memory-views").querySelectorAll("button")) button.addEventListener("click", () => this.setView(button.dataset.view));
    this.births = new Map();
    this.frames = frames;
  }

  setView(view) {
    this.view = view;
    this.grid.setColumns(this.views[view].columns);
    this.grid.sort(this.views[view].key, false);
    this.show();
  }

  /* Bytes leaked by a line in 32 stretches of the run. */
  birthsOf(line) {
    if (!this.allBirths) {
      const { timeline } = this.report;
      this.allBirths = new Map();
      const { memory } = timeline;
      for (let bin = 0; bin < timeline.bins; bin++) {
        const slot = Math.floor((bin * 32) / timeline.bins);
        for (let i = memory.first[bin]; i < memory.first[bin + 1]; i++) {
          if (!(memory.leaked[i] > 0)) continue;
          const place = memory.place[i];
          for (const l of [timeline.line[place], timeline.nativeLine[place]]) {
            if (l < 0) continue;
            if (!this.allBirths.has(l)) this.allBirths.set(l, new Float64Array(32));
            this.allBirths.get(l)[slot] += memory.leaked[i];
          }
        }
      }
    }
    return this.allBirths.get(line);
  }

  meanBirth(line) {
    const births = this.birthsOf(line);
    if (!births) return 0;
    let sum = 0;
    let moment = 0;
    births.forEach((v, k) => {
      sum += v;
      moment += v * k;
    });
    return sum ? moment / sum : 0;
  }

  fillAge(cell, line) {
    const births = this.birthsOf(line);
    if (!births) return;
    const box = add(cell, "span");
    box.className = "spark";
    const most = Math.max(...births);
    for (const v of births) add(box, "i").style.height = v > 0 ? `${Math.max(12, (100 * v) / most)}%` : "0";
    const last = births.findLastIndex((v) => v > 0);
    box.title = `from ${formatDuration((births.findIndex((v) => v > 0) / 32) * this.report.timeline.length * 1e9)} to ${formatDuration(((last + 1) / 32) * this.report.timeline.length * 1e9)} into the run`;
  }

  show() {
    const { report, view } = this;
    for (const button of this.find("memory-views").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
    const key = this.views[view].key;
    const own = report.now.lines.own[key];
    const ids = [];
    // Native lines repeat what the Python lines above them have: the Python ones sum to the whole.
    for (let l = 0; l < report.lines.count; l++) if (own[l] && this.frames.kind[report.lines.frame[l]] === KIND_PYTHON) ids.push(l);
    this.grid.setRows(ids);
    const now = report.now;
    const heapFrom = now.from ? report.timeline.heapEnd[now.from - 1] : 0;
    const heapTo = report.timeline.heapEnd[now.to - 1];
    this.find("memory-note").textContent = {
      peak: `What each Python line (with the native code it called) held when the heap was highest: ${formatBytes(now.peakBytes)}.`,
      leaked: `Allocated ${report.isWhole() ? "" : "in this stretch "}and not freed when the trace ended: ${formatBytes(now.tree.total("leaked")[0])}.`,
      temporary: `Freed again by the same thread before it allocated anything else: ${formatBytes(now.tree.total("temporary")[0])}.`,
      growth: `From ${formatBytes(heapFrom)} to ${formatBytes(heapTo)}: what each line holds more (+) or less (−) at the end of the stretch than at its begin. Choose the two instants above.`,
    }[view];
    this.fillBars(this.find("size-bars"), report.timeline.counts(report.timeline.sizes, now.from, now.to).map(({ name, count }) => ({ name: `from ${formatBytes(2 ** Number(name)).replace(/\.0+ /, " ")}`, count })));
    this.fillBars(this.find("allocator-bars"), report.timeline.counts(report.timeline.allocators, now.from, now.to).sort((a, b) => b.count - a.count));
  }

  fillBars(table, rows) {
    table.replaceChildren();
    const most = Math.max(1, ...rows.map((r) => r.count));
    for (const { name, count } of rows) {
      const line = add(table, "tr");
      add(line, "th", visible(name)).scope = "row";
      const bar = add(add(line, "td"), "i");
      bar.className = "bar";
      bar.style.width = `${(100 * count) / most}%`;
      add(line, "td", formatCount(count));
    }
  }
}

function signedBytes(value) {
  return value === 0 ? "" : (value > 0 ? "+" : "−") + formatBytes(Math.abs(value));
}

/* ---- regions ---- */

/* Marks regions that took much longer than others of their name: beyond the upper quartile by three times the middle half. */
function markOutliers(regions) {
  const groups = new Map();
  regions.forEach((r) => (groups.get(r.name) ?? groups.set(r.name, []).get(r.name)).push(r));
  for (const group of groups.values()) {
    const sorted = group.map((r) => r.wall_s).sort((a, b) => a - b);
    const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
    const middle = at(0.5);
    const most = at(0.75) + 3 * (at(0.75) - at(0.25));
    for (const r of group) {
      r.times = middle > 0 ? r.wall_s / middle : 1;
      r.isOutlier = group.length >= 5 && r.wall_s > most && r.times > 1.5;
    }
  }
}

class RegionsPart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    const { regions } = report;
    const number = (key, title, unit, scale = 1) => ({ key, title, width: "minmax(84px, 0.6fr)", value: (i) => (regions[i][key] ?? 0) * scale,
      text: (i) => (regions[i][key] ? formatValue(regions[i][key] * scale, unit) : "") });
    this.labelKeys = [...new Set(regions.flatMap((r) => Object.keys(r.labels ?? {})))].slice(0, 6);
    const labels = this.labelKeys.map((key) => ({ key: `label_${key}`, title: visible(key), isText: true, width: "minmax(90px, 0.9fr)", text: (i) => visible(String(regions[i].labels?.[key] ?? "")) }));
    const name = { key: "name", title: "Region", isText: true, width: "minmax(130px, 1.2fr)", text: (i) => visible(regions[i].name) + (regions[i].unfinished ? " (unfinished)" : ""),
      fill: (cell, i) => {
        cell.textContent = visible(regions[i].name) + (regions[i].unfinished ? " (unfinished)" : "");
        if (regions[i].isOutlier) add(cell, "b", ` ${regions[i].times.toFixed(1)}×`).title = "much longer than others of its name: so many times their median";
      } };
    const wall = { ...number("wall_s", "Wall", "ns", 1e9), share: (i) => regions[i].wall_s / report.longestRegion };
    this.grid = new Grid(this.find("region-grid"), { label: "Regions", sortBy: "at", isAscending: true, choose: (i) => report.selectRegion(i),
      columns: [name, ...labels, number("at", "Began", "ns", 1e9), wall, number("cpu_s", "CPU", "ns", 1e9), number("process_cpu_s", "All threads", "ns", 1e9),
        number("gil_wait_s", "GIL wait", "ns", 1e9), number("calls", "Calls", ""), number("allocated_bytes", "Allocated", "B"),
        number("peak_bytes", "Peak", "B"), number("peak_above_start_bytes", "Above begin", "B"), number("leaked_bytes", "Leaked", "B")] });
    const by = this.find("region-by");
    for (const key of ["name", ...this.labelKeys]) add(by, "option", visible(key)).value = key;
    by.addEventListener("change", () => this.draw());
    this.find("region-filter").addEventListener("input", () => this.show());
    this.canvas = this.find("region-canvas");
    this.canvas.addEventListener("click", (e) => this.onClick(e));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show() {
    const { regions, now } = this.report;
    this.find("region-none").hidden = regions.length > 0;
    this.find("region-view").hidden = regions.length === 0;
    if (!regions.length) return;
    const input = this.find("region-filter");
    const regex = this.report.panel.regexOf(input.value, input);
    const ids = [];
    regions.forEach((r, i) => {
      if (r.bins.to > now.from && r.bins.from < now.to && (!regex || regex.test(regionLabel(r)))) ids.push(i);
    });
    this.shown = ids;
    this.grid.setRows(ids);
    this.draw();
  }

  /* Left: each group's times as dots with quartiles. Right: each region's time over its begin, with the trend. */
  draw(ratio = window.devicePixelRatio || 1) {
    const { canvas } = this;
    const { regions } = this.report;
    if (!this.shown || canvas.clientWidth < 200) return;
    const context = canvas.getContext("2d", { alpha: false });
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue("--" + name).trim();
    const key = this.find("region-by").value || "name";
    const groups = new Map();
    for (const i of this.shown) {
      const value = key === "name" ? regions[i].name : String(regions[i].labels?.[key] ?? "–");
      (groups.get(value) ?? groups.set(value, []).get(value)).push(i);
    }
    const names = [...groups.keys()].sort((a, b) => groups.get(b).length - groups.get(a).length).slice(0, 12);
    const width = canvas.clientWidth;
    const height = Math.max(150, names.length * 22 + 46);
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colour("ground");
    context.fillRect(0, 0, width, height);
    context.font = "11.5px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";
    this.dots = [];
    const longest = Math.max(1e-9, ...this.shown.map((i) => regions[i].wall_s));
    this.drawDistribution(context, colour, names, groups, width * 0.5, longest);
    this.drawTrend(context, colour, width * 0.5 + 30, width - 14, height, longest);
  }

  drawDistribution(context, colour, names, groups, right, longest) {
    const { regions } = this.report;
    const left = 150;
    const x = (seconds) => left + (seconds / longest) * (right - left - 20);
    context.fillStyle = colour("soft");
    context.fillText("Wall time of each", 8, 10);
    names.forEach((name, row) => {
      const y = 34 + row * 22;
      const times = groups.get(name).map((i) => regions[i].wall_s).sort((a, b) => a - b);
      const at = (part) => times[Math.min(times.length - 1, Math.floor(part * times.length))];
      context.fillStyle = colour("text");
      context.fillText(clip(context, `${visible(name)} (${times.length})`, left - 16), 8, y);
      context.fillStyle = colour("line");
      context.fillRect(left, y, right - left - 20, 1);
      context.fillRect(x(at(0.25)), y - 6, Math.max(2, x(at(0.75)) - x(at(0.25))), 12);
      context.fillStyle = colour("text");
      context.fillRect(x(at(0.5)) - 1, y - 8, 2, 16);
      for (const i of groups.get(name)) this.dot(context, colour, i, x(regions[i].wall_s), y + ((i * 7) % 9) - 4);
    });
    this.ticks(context, colour, x, longest, 34 + names.length * 22 + 2);
  }

  drawTrend(context, colour, left, right, height, longest) {
    const { regions, timeline } = this.report;
    const top = 22;
    const bottom = height - 26;
    const x = (seconds) => left + (seconds / timeline.length) * (right - left);
    const y = (seconds) => bottom - (seconds / longest) * (bottom - top);
    const slope = trendOf(this.shown.map((i) => [regions[i].at, regions[i].wall_s]), timeline.length);
    context.fillStyle = colour("soft");
    context.fillText(`Wall time over the run${slope ? `: ${slope.change >= 0 ? "+" : "−"}${formatDuration(Math.abs(slope.change) * 1e9)} from begin to end` : ""}`, left, 10);
    context.strokeStyle = colour("line");
    context.strokeRect(left + 0.5, top + 0.5, right - left, bottom - top);
    for (const i of this.shown) this.dot(context, colour, i, x(regions[i].at), y(regions[i].wall_s));
    if (slope) {
      context.strokeStyle = colour("text");
      context.lineWidth = 1.5;
      context.setLineDash([5, 4]);
      context.beginPath();
      context.moveTo(x(0), y(slope.at(0)));
      context.lineTo(x(timeline.length), y(slope.at(timeline.length)));
      context.stroke();
      context.setLineDash([]);
    }
    context.fillStyle = colour("soft");
    context.fillText(formatDuration(longest * 1e9), left + 4, top + 8);
    context.fillText("0 s", left, bottom + 12);
    context.textAlign = "right";
    context.fillText(formatDuration(timeline.length * 1e9), right, bottom + 12);
    context.textAlign = "left";
  }

  dot(context, colour, i, x, y) {
    const { isOutlier } = this.report.regions[i];
    context.fillStyle = colour(isOutlier ? "native" : "python");
    context.globalAlpha = isOutlier ? 1 : 0.55;
    context.beginPath();
    // Outliers are diamonds, others discs.
    if (isOutlier) {
      for (const [dx, dy] of [[0, -5], [5, 0], [0, 5], [-5, 0]]) context.lineTo(x + dx, y + dy);
      context.closePath();
    } else context.arc(x, y, 2.6, 0, 2 * Math.PI);
    context.fill();
    context.globalAlpha = 1;
    this.dots.push([x, y, i]);
  }

  ticks(context, colour, x, longest, y) {
    context.fillStyle = colour("soft");
    context.textAlign = "center";
    for (const part of [0, 0.5, 1]) context.fillText(formatDuration(part * longest * 1e9), x(part * longest), y);
    context.textAlign = "left";
  }

  onClick(e) {
    const box = this.canvas.getBoundingClientRect();
    let best = -1;
    let nearest = 8;
    for (const [x, y, i] of this.dots) {
      const distance = Math.hypot(x - (e.clientX - box.left), y - (e.clientY - box.top));
      if (distance < nearest) [nearest, best] = [distance, i];
    }
    if (best >= 0) this.report.selectRegion(best);
  }
}

/* The median of all slopes (Theil and Sen): one slow region does not tilt it. Null below eight points. */
function trendOf(points, length) {
  if (points.length < 8) return null;
  const step = Math.max(1, Math.floor(points.length / 300));
  const some = points.filter((_, i) => i % step === 0);
  const slopes = [];
  for (let a = 0; a < some.length; a++) for (let b = a + 1; b < some.length; b++) if (some[b][0] !== some[a][0]) slopes.push((some[b][1] - some[a][1]) / (some[b][0] - some[a][0]));
  if (!slopes.length) return null;
  const middle = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const slope = middle(slopes);
  const offset = middle(some.map(([x, y]) => y - slope * x));
  return { change: slope * length, at: (x) => Math.max(0, offset + slope * x) };
}
