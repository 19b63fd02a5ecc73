/* The report: its parts share one selection, a stretch of the run and a function, kept here.
 *
 * select() takes a stretch; the figures of it are summed once, and each part shows them when it is in sight. */

const PARTS = ["overview", "tree", "timeline", "order", "table", "source", "memory", "regions"];
const LINE_WALL_PARTS = 10;

class Report extends TabbedPage {
  constructor(data, carried, order) {
    super(PARTS);
    this.stats = carried.stats;
    setSamples(this.stats);
    this.sources = carried.sources;
    this.frames = new Frames(data.strings, data.frames);
    const tree = CallTree.fromColumns(data.nodes, this.frames);
    this.lines = new Lines(data.lines);
    this.functions = data.functions;
    this.processes = data.processes;
    this.timeline = new Timeline(data, tree, this.frames, this.lines);
    this.regionColumns = carried.regionColumns ?? [];
    this.regions = this.placeRegions(carried.regions);
    this.varianceKeys = METRICS.map((m) => varianceKey(m.key)).filter((key) => tree.self[key]);
    this.whole = { from: 0, to: this.timeline.bins, seconds: this.stats.wall_s || this.timeline.length, tree, lines: { own: this.lines.own, total: this.lines.total },
      peakBytes: this.stats.peak_bytes ?? 0, highest: this.binOfPeak(), threads: null };
    this.addGrowth();
    this.find("key-rss").hidden = !this.timeline.rss.some((v) => v > 0);
    this.find("key-gil").hidden = !this.timeline.lanes.some((lane) => lane.gil.some((v) => v > 0));
    this.now = this.whole;
    this.chosen = -1;
    this.carrier = this.frames.matching((t) => IMPORT_SYSTEM.test(t) || FRAMEWORK.test(t), ["file"]);
    for (let f = 0; f < this.frames.count; f++) if (this.frames.kind[f] === KIND_PYTHON && !this.frames.text(this.frames.file[f])) this.carrier[f] = 1;

    fillTitle(this.find, this.stats);
    fillNotices(this.find, this.stats);
    const words = new URLSearchParams(location.hash.slice(1));
    this.panel = new FlamePanel(this.frames, tree, carried.defaults, words, { changed: (isTyped) => this.writeAddress(isTyped), chosen: () => {}, report: this });
    this.strip = new TimeChart(this.find("strip"), this.timeline, this.regions, isCpuOff ? ["memory"] : ["memory", "cpu"], this);
    this.chart = new TimeChart(this.find("chart"), this.timeline, this.regions, isCpuOff ? ["memory", "regions"] : ["memory", "cpu", "threads", "regions"], this);
    this.parts = { overview: new OverviewPart(this), tree: { show: () => this.showTree() }, timeline: { show: () => this.chart.draw() }, order: new OrderPart(this, order), table: new TablePart(this),
      source: new SourcePart(this), memory: new MemoryPart(this), regions: new RegionsPart(this) };
    this.shown = new Map(); // part: what it was last shown with
    this.rows = {};
    this.address = new PageAddress((w) => {
      this.panel.readWords(w);
      this.panel.update({});
      this.readAddress(w);
      this.writeAddress();
    });
    this.listen();
    fillHelp(this.find, [...this.panel.metrics, ...this.panel.unknown]);
    watchTheme((ratio) => this.redraw(ratio));
    this.readAddress(words);
    this.isReady = true;
    this.writeAddress();
  }

  placeRegions(rows) {
    const regions = rows.map((r, index) => {
      const at = r.start_s;
      const from = Math.min(this.timeline.bins - 1, Math.floor((at / this.timeline.length) * this.timeline.bins));
      const to = Math.max(from + 1, Math.min(this.timeline.bins, Math.ceil(((at + r.wall_s) / this.timeline.length) * this.timeline.bins)));
      return { ...r, index, at, bins: { from: Math.max(0, from), to } };
    });
    markOutliers(regions);
    this.longestRegion = Math.max(1e-9, ...regions.slice(0, 100000).map((r) => r.wall_s));
    return regions;
  }

  binOfPeak() {
    let best = 0;
    for (let bin = 0; bin < this.timeline.bins; bin++) if (this.timeline.heapMax[bin] > this.timeline.heapMax[best]) best = bin;
    return best;
  }

  /* Over the whole run what has grown is what leaked. */
  addGrowth() {
    this.whole.tree.self.growth = this.whole.tree.self.leaked;
    this.lines.own.growth = this.lines.own.leaked;
    this.lines.total.growth = this.lines.total.leaked;
  }

  isWhole() {
    return this.now.from === 0 && this.now.to === this.timeline.bins;
  }

  /* ---- the selection ---- */

  selection() {
    return this.now;
  }

  /* isLive: while a mouse button is down; figures follow at the next frame, the address at the end. */
  select(from, to, isLive = false) {
    this.wanted = { from, to };
    if (!isLive) {
      this.settle();
      this.writeAddress();
    } else if (!this.isWaiting) {
      this.isWaiting = true;
      requestAnimationFrame(() => {
        this.isWaiting = false;
        if (this.wanted) this.settle();
      });
    }
  }

  settle() {
    const { from, to } = this.wanted;
    this.wanted = null;
    if (from === this.now.from && to === this.now.to) return this.strip.draw();
    this.now = from === 0 && to === this.timeline.bins ? this.whole : this.timeline.interval(from, to);
    this.rows = {};
    this.showStretch();
    this.showParts();
  }

  showStretch() {
    const { timeline, now } = this;
    this.find("from").value = timeline.at(now.from).toFixed(3);
    this.find("to").value = timeline.at(now.to).toFixed(3);
    this.find("from").max = this.find("to").max = timeline.length.toFixed(3);
    this.find("everything").disabled = this.isWhole();
    this.find("stretch").textContent = this.isWhole() ? "the whole run" : `${formatDuration(now.seconds * 1e9)} of ${formatDuration(timeline.length * 1e9)}`;
    this.strip.draw();
    this.chart.draw();
  }

  showParts() {
    this.shown.clear();
    this.open(this.part);
  }

  showTree() {
    if (this.panel.ungrouped !== this.now.tree) this.panel.setTree(this.now.tree);
    else this.panel.view.draw();
  }

  choose(frame, line = -1) {
    this.chosen = frame;
    this.chosenLine = line;
    this.parts.table.fillNeighbours();
  }

  selectRegion(index) {
    const { bins } = this.regions[index];
    this.select(bins.from, bins.to);
  }

  chooseRegion(index) {
    this.selectRegion(index);
  }

  follow(finding) {
    if (finding.region !== undefined) {
      this.selectRegion(finding.region);
      return this.open("regions");
    }
    if (finding.frame >= 0) this.choose(finding.frame);
    this.panel.state.metric = finding.metric;
    Object.assign(this.panel.state, { hideImport: false, hideFramework: false, hideNative: false, hideNameless: false, hideRegex: "", cut: 0, depth: 0, inverted: false });
    if (finding.metric === "leaked" || finding.metric === "peak" || finding.metric === "temporary") {
      this.parts.memory.setView(finding.metric);
      if (finding.line !== undefined) this.choose(finding.frame, this.lines.line[finding.line]);
      return this.open("memory");
    }
    if (finding.frame >= 0) return this.showInTree(finding.frame);
    return this.searchTree(finding.query ?? "");
  }

  showInTree(frame) {
    this.searchTree("^" + this.frames.fullName(frame).replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + "$");
  }

  showInTable(frame) {
    this.choose(frame);
    this.open("table");
    this.parts.table.showFunction(frame);
    this.writeAddress();
  }

  searchTree(query) {
    this.panel.state.group = "function";
    this.panel.state.path = [];
    this.panel.state.query = query;
    this.shown.delete("tree");
    this.open("tree");
    this.panel.update({});
    this.panel.nextMatch(1);
    this.panel.showShare();
  }

  sourceOf(frame) {
    return this.sources.findIndex((s) => s.file === this.frames.text(this.frames.file[frame]));
  }

  showSource(frame, line = -1) {
    this.parts.source.open(this.sourceOf(frame), line >= 0 ? line : this.chosenLine > 0 ? this.chosenLine : this.frames.line[frame]);
    this.shown.set("source", this.now);
    this.open("source");
  }

  metricForNeighbours() {
    return this.panel.state.metric;
  }

  /* ---- figures that several parts ask for ---- */

  rowsBy(by) {
    return (this.rows[by] ??= this.makeRows(by));
  }

  makeRows(by) {
    const { frames, now } = this;
    const keys = METRICS.map((m) => m.key);
    if (by === "line") {
      const { lines } = this;
      const rows = { count: lines.count, frame: lines.frame, line: lines.line, self: now.lines.own, own: now.lines.own, total: now.lines.total,
        label: (i) => frames.label(lines.frame[i]), title: (i) => `${frames.fullName(lines.frame[i])}\n${this.lineText(i)}`, place: (i) => this.lineText(i, true) };
      const isWallUnknown = this.unknownOfLines();
      const known = knownOf(rows, (i) => frames.bits(lines.frame[i]));
      const share = (from, key, i, kind) => (kind === KIND_PYTHON ? isTime(key) && this.shareOfLine(i) : shareOfRow(rows, kind, frames.bits(lines.frame[i]), from, key, i));
      const doubt = (from, key, i, kind = frames.kind[lines.frame[i]]) => share(from, key, i, kind) || withShare(known.doubt(from, key, i), isTime(key) && kind === KIND_PYTHON);
      return { ...rows, ...known, doubt, isUnknown: (from, key, i) => isWallUnknown(from, key, i) || known.isUnknown(from, key, i) };
    }
    if (by === "thread") return this.threadRows(keys);
    if (by === "region") return this.regionRows(keys);
    const name = by === "function" ? (f) => f : (f) => `${frames.kind[f] === KIND_PYTHON ? 0 : 1} ${this.groupText(f, by)}`;
    const all = [...keys, ...this.varianceKeys, SAMPLES].filter((key) => now.tree.self[key]);
    const rows = flatRows(now.tree, frames, all, name);
    if (by === "function" && now === this.whole && this.functions) this.putFunctions(rows, all);
    const label = by === "function" ? (i) => frames.label(rows.frame[i]) : (i) => this.groupText(rows.frame[i], by);
    const bitsOf = this.bitsOfRows(rows.rowOf);
    const known = knownOf(rows, bitsOf);
    const isLess = (from, i) => from === "self" && rows.own.cpu[i] > rows.self.cpu[i];
    const doubt = (from, key, i) => shareOfRow(rows, frames.kind[rows.frame[i]], bitsOf(i), from, key, i) || withShare(known.doubt(from, key, i), isTime(key) && isLess(from, i));
    return { ...rows, label, title: by === "function" ? (i) => `${frames.fullName(rows.frame[i])}\n${frames.place(rows.frame[i], true)}` : label, place: (i) => frames.place(rows.frame[i]), ...known, doubt };
  }

  /* As doubtOf, of a line of Python where calls were seen: samples tell which line of the function had the time. Nothing for others. */
  shareOfLine(l) {
    const { frames, lines, now } = this;
    if (!shared || frames.kind[lines.frame[l]] !== KIND_PYTHON || frames.bits(lines.frame[l]) & sampledBit("cpu")) return undefined;
    const { cpu, samples: of } = now.lines.own;
    if (now.ownOfFrames === undefined) {
      now.ownOfFrames = { cpu: new Float64Array(frames.count), samples: new Float64Array(frames.count) };
      for (let i = 0; i < lines.count; i++) {
        now.ownOfFrames.cpu[lines.frame[i]] += cpu[i];
        now.ownOfFrames.samples[lines.frame[i]] += of?.[i] ?? 0;
      }
    }
    const f = lines.frame[l];
    return { isShared: true, part: cpu[l], samples: of?.[l] ?? 0, whole: now.ownOfFrames.cpu[f], wholeSamples: now.ownOfFrames.samples[f] };
  }

  /* By row of frames: their `sampled`. */
  bitsOfRows(rowOf) {
    const { frames } = this;
    const bits = [];
    if (frames.sampled) for (let f = 0; f < frames.count; f++) bits[rowOf[f]] = bothBits(bits[rowOf[f]], frames.sampled[f]);
    return (i) => bits[i];
  }

  /* The wall time of a line has what it ran and what it called. All that its function waited could have been there: where that is more than a part of
   * the figure, the figure is unknown (as in rows.c). */
  unknownOfLines() {
    const { frames, lines, now } = this;
    const waited = new Float64Array(frames.count);
    for (let l = 0; l < lines.count; l++) if (lines.line[l] === 0 && frames.kind[lines.frame[l]] === KIND_PYTHON) waited[lines.frame[l]] = now.lines.own.wall[l];
    return (from, key, l) => key === "wall" && lines.line[l] > 0 && waited[lines.frame[l]] > now.lines[from].wall[l] / LINE_WALL_PARTS;
  }

  /* Where the tree of the page is folded it has not all figures of functions: these are the analyzer's own. What is left belongs to those that
   * were folded. */
  putFunctions(rows, keys) {
    const { frame } = this.functions;
    const isKnown = new Uint8Array(rows.count);
    for (const f of frame) isKnown[rows.rowOf[f]] = 1;
    for (const part of ["self", "own", "total"]) {
      for (const key of keys) {
        const column = rows[part][key];
        const exact = this.functions[part][key];
        if (!exact) continue;
        let more = 0;
        for (let i = 0; i < frame.length; i++) {
          if (exact[i] === null) continue;
          const row = rows.rowOf[frame[i]];
          more += exact[i] - column[row];
          column[row] = exact[i];
        }
        if (part === "total") continue;
        for (let row = 0; row < rows.count && more > 0; row++) {
          if (isKnown[row]) continue;
          const less = Math.min(column[row], more);
          column[row] -= less;
          more -= less;
        }
      }
    }
  }

  groupText(f, by) {
    const { frames } = this;
    const file = frames.text(frames.file[f]);
    const module = frames.text(frames.module[f]);
    return (by === "file" ? file || module : module) || frames.fullName(f);
  }

  threadRows(keys) {
    const threads = (this.now.threads ??= this.timeline.interval(0, this.timeline.bins).threads);
    const columns = Object.fromEntries(keys.map((key) => [key, Float64Array.from(threads, (t) => t[key])]));
    const label = (i) => threadName(this.timeline.threads[i]);
    const rows = { count: threads.length, self: columns, own: columns, total: columns, label, title: label, place: () => "" };
    return { ...rows, ...knownOf(rows, (i) => this.processes[this.timeline.threads[i].process].sampled) };
  }

  regionRows(keys) {
    const { regions, now } = this;
    const known = new Set(this.regionColumns.map((c) => c.key));
    const field = (key) => (key === "cpu" ? "process_cpu_s" : METRICS.find((m) => m.key === key).row);
    const scale = (key) => (METRICS.find((m) => m.key === key).unit === "ns" ? 1e9 : 1);
    const inside = (r) => r.bins.to > now.from && r.bins.from < now.to;
    const columns = Object.fromEntries(keys.map((key) => [key, Float64Array.from(regions, (r) => (inside(r) ? (r[field(key)] ?? 0) * scale(key) : 0))]));
    const label = (i) => regionLabel(regions[i]);
    return { count: regions.length, keys: keys.filter((key) => known.has(field(key))), self: columns, own: columns, total: columns, label, title: label, place: () => "",
      isUnknown: (from, key, i) => regions[i][field(key)] === null,
      doubt: (from, key, i) => (key === "cpu" || regions[i][`${field(key)}_error`] === 0 ? true : undefined) };
  }

  /* "measure.py:88 (MeasureTask.run)". */
  lineText(l, isShort = false) {
    const { frames, lines } = this;
    const frame = lines.frame[l];
    const file = frames.text(frames.file[frame]) || frames.text(frames.module[frame]);
    const place = file ? `${baseName(file)}${lines.line[l] > 0 ? `:${lines.line[l]}` : " [line unknown]"}` : "";
    return isShort ? place : place ? `${place} (${frames.label(frame)})` : frames.label(frame);
  }

  /* The Python line with most of a metric, of one function or (-1) of all but the import system's and frameworks': {id, frame, value, text}, or null. */
  heaviestLine(frame, key, from) {
    const { lines, frames } = this;
    const column = this.now.lines[from][key];
    let best = -1;
    for (let l = 0; l < lines.count; l++) {
      if (!(column[l] > 0) || (frame >= 0 ? lines.frame[l] !== frame : frames.kind[lines.frame[l]] !== KIND_PYTHON || this.carrier[lines.frame[l]])) continue;
      if (best < 0 || column[l] > column[best]) best = l;
    }
    return best < 0 ? null : { id: best, frame: lines.frame[best], value: column[best], text: this.lineText(best) };
  }

  heaviestFrame(key, from) {
    const rows = this.rowsBy("function");
    let best = -1;
    for (let r = 0; r < rows.count; r++) if (rows[from][key][r] > 0 && (best < 0 || rows[from][key][r] > rows[from][key][best])) best = r;
    return best < 0 ? -1 : rows.frame[best];
  }

  /* ---- parts, keyboard, address ---- */

  open(part) {
    this.find("strip").parentNode.hidden = part === "timeline"; // it has the same, larger
    this.find("legend").hidden = !["tree", "order", "table"].includes(part); // elsewhere colours mean something else
    this.showTab(part);
    if (this.shown.get(part) !== this.now) {
      this.shown.set(part, this.now);
      this.parts[part].show();
    }
    if (this.isReady) this.writeAddress();
  }

  listen() {
    this.listenToTabs();
    this.find("everything").addEventListener("click", () => this.select(0, this.timeline.bins));
    for (const id of ["from", "to"]) {
      this.find(id).addEventListener("change", () => {
        const from = this.timeline.binOf(Number(this.find("from").value) || 0);
        const to = this.timeline.binOf(Number(this.find("to").value) || this.timeline.length);
        this.select(Math.min(from, this.timeline.bins - 1), Math.max(to, Math.min(from, this.timeline.bins - 1) + 1));
        this.showStretch();
      });
    }
    document.addEventListener("keydown", (e) => this.onKey(e));
    this.find("help-open").addEventListener("click", () => this.find("help").showModal());
  }

  onKey(e) {
    if (!isTyping(e) && !e.altKey && !e.ctrlKey && !e.metaKey) {
      const number = Number(e.key);
      if (number >= 1 && number <= PARTS.length) {
        e.preventDefault();
        return this.open(PARTS[number - 1]);
      }
      if (e.key === "?") {
        e.preventDefault();
        return this.find("help").open ? this.find("help").close() : this.find("help").showModal();
      }
      if (e.key === "0") return this.select(0, this.timeline.bins);
      if (e.key === "/" && this.part !== "tree") {
        const field = { table: "table-filter", regions: "region-filter", order: "order-search" }[this.part];
        if (field) {
          e.preventDefault();
          return this.find(field).focus();
        }
        this.open("tree");
      }
    }
    if (this.part === "tree") this.panel.onPageKey(e);
    if (this.part === "order") this.parts.order.onPageKey(e);
  }

  writeAddress(isTyped = false) {
    if (!this.isReady || this.address.isReading) return;
    const words = this.addressOfTab();
    if (!this.isWhole()) words.set("t", `${this.now.from}-${this.now.to}`);
    this.panel.writeWords(words);
    for (const part of Object.values(this.parts)) part.writeWords?.(words);
    if (this.chosen >= 0) words.set("f", `${this.chosen.toString(36)}${this.chosenLine > 0 ? `.${this.chosenLine}` : ""}`);
    this.address.put(words, isTyped);
  }

  readAddress(words) {
    const stretch = /^(\d+)-(\d+)$/.exec(words.get("t") ?? "");
    const { bins } = this.timeline;
    const from = stretch ? Math.min(bins - 1, Number(stretch[1])) : 0;
    const to = stretch ? Math.min(bins, Math.max(from + 1, Number(stretch[2]))) : bins;
    this.part = this.partOf(words);
    const [frame, line] = (words.get("f") ?? "").split(".");
    this.chosen = parseInt(frame, 36) < this.frames.count ? parseInt(frame, 36) : -1;
    this.chosenLine = this.chosen >= 0 && Number(line) > 0 ? Number(line) : -1;
    for (const part of Object.values(this.parts)) part.readWords?.(words);
    this.wanted = { from, to };
    if (from === this.now.from && to === this.now.to) {
      this.wanted = null;
      this.showStretch();
      this.showParts();
    } else this.settle();
  }

  redraw(ratio) {
    this.panel.redraw(ratio);
    for (const chart of [this.strip, this.chart]) {
      chart.readColours();
      chart.draw(ratio);
    }
    this.parts.regions.draw(ratio);
    this.parts.order.redraw(ratio);
  }
}

/* As doubtOf, of native code that shares exact time, and of the self time of a Python function that native code took a part of. Nothing for others. */
function shareOfRow(rows, kind, bits, from, key, i) {
  if (!shared || !isTime(key) || bits & sampledBit("cpu")) return undefined;
  const of = (part) => rows[part][SAMPLES]?.[i] ?? 0;
  if (kind !== KIND_PYTHON) return { isShared: true, part: rows[from].cpu[i], samples: of(from) };
  if (from !== "self" || !(rows.own.cpu[i] > rows.self.cpu[i])) return undefined;
  return { isShared: true, part: rows.self.cpu[i], samples: of("self"), whole: rows.own.cpu[i], wholeSamples: of("own") };
}

/* What is an estimate in sampled processes: the exact ones share it out, too. */
function withShare(doubt, isSo) {
  return isSo && doubt?.isBoth ? { ...doubt, hasShare: true } : doubt;
}

/* What is not known of rows, and how far off what is an estimate may be. bitsOf(i): `sampled` of a row. */
function knownOf(rows, bitsOf) {
  const metrics = new Map(METRICS.map((m) => [m.key, m]));
  return {
    isUnknown: (from, key, i) => Boolean(bitsOf(i) & metrics.get(key)?.unknownIf),
    doubt: (from, key, i) => doubtOf(bitsOf(i), key, rows[from][varianceKey(key)]?.[i]),
  };
}

startPage(["page", "carried", "order"], (data, carried, order) => new Report(data, carried, order));
