/* Memory by location: held at the peak, never freed, freed again at once, grown; sizes and allocators. A part: show() means that the selection has changed, or the part came into sight. */

class MemoryPart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    this.view = "peak";
    const { lines, frames } = report;
    const name = { key: "name", title: "Where it was allocated", isText: true, width: "minmax(200px, 2fr)", text: (i) => report.lineText(i) + this.keptText(i) };
    const figure = (key, title, what) => ({ key, title, what, width: figureWidth(key), value: (i) => report.now.lines.own[key][i],
      text: (i) => {
        const own = report.now.lines.own;
        if (frames.isUnknown(lines.frame[i], METRICS.find((m) => m.key === key) ?? GROWTH)) return "?";
        return own[key][i] ? formatFigure(own[key][i], { key, unit: key === "allocations" ? "" : "B" }, false, doubtOf(frames.bits(lines.frame[i]), key, own[varianceKey(key)]?.[i])) : "";
      },
      share: (i) => Math.abs(report.now.lines.own[key][i]) / (Math.abs(report.now.tree.total(key === "growth" ? "allocated" : key)[0]) || 1) });
    const peak = figure("peak", "Peak", "held when the heap was highest");
    const leaked = figure("leaked", "Leaked", "never freed");
    const allocated = figure("allocated", "Allocated", "asked for in all");
    const allocations = figure("allocations", "Allocations", "how often");
    const temporary = figure("temporary", "Temporary", "freed again at once");
    const growth = { ...figure("growth", "Growth", GROWTH.what), text: (i) => signedBytes(report.now.lines.own.growth[i]) };
    const mapped = (key, title, what) => ({ key, title, what, width: "minmax(86px, 0.6fr)", value: (i) => this.mapped(key)[i],
      text: (i) => (this.mapped(key)[i] ? formatBytes(this.mapped(key)[i]) : "") });
    const age = { key: "age", title: "Born when", what: "when what leaked was allocated, over the run: bars at the right are young", width: "minmax(150px, 1fr)",
      text: () => "", value: (i) => this.meanBirth(i), fill: (cell, i) => this.fillAge(cell, i) };
    this.views = {
      peak: { columns: [name, peak, leaked, allocated, allocations], key: "peak" },
      leaked: { columns: [name, leaked, age, peak, allocated], key: "leaked" },
      temporary: { columns: [name, temporary, allocated, allocations], key: "temporary" },
      growth: { columns: [name, growth, allocated, leaked, peak], key: "growth" },
      mapped: { columns: [name, mapped("mapped_file", "Mapped files", "pages of files, when the process had most of them mapped"),
        mapped("shared", "Shared", "memory that other processes may have too, when most was mapped")], key: lines.own.mapped_file ? "mapped_file" : "shared" },
    };
    this.grid = new Grid(this.find("memory-grid"), { label: "Memory by location", columns: this.views.peak.columns, sortBy: "peak",
      choose: (i) => {
        report.choose(lines.frame[i], lines.line[i]);
        this.showChosen();
      }, changed: () => report.writeAddress() });
    for (const button of this.find("memory-views").querySelectorAll("button")) button.addEventListener("click", () => {
      this.setView(button.dataset.view);
      report.writeAddress();
    });
    this.find("memory-views").querySelector("[data-view=mapped]").hidden = !lines.own.mapped_file && !lines.own.shared;
    this.births = new Map();
    this.frames = frames;
  }

  setView(view) {
    this.view = view;
    this.grid.setColumns(this.views[view].columns);
    this.grid.sort(this.views[view].key, false);
    this.show();
  }

  /* Beside a line most of whose leaked bytes are no leak: why. */
  keptText(line) {
    if (!this.keptOf) {
      this.keptOf = new Map(); // line: bytes by reason
      const { timeline } = this.report;
      const why = keptPlaces(this.report);
      const { memory } = timeline;
      for (let i = 0; i < memory.place.length; i++) {
        if (!(memory.leaked[i] > 0)) continue;
        const place = memory.place[i];
        const of = this.keptOf.get(timeline.line[place]) ?? this.keptOf.set(timeline.line[place], { sum: 0 }).get(timeline.line[place]);
        of.sum += memory.leaked[i];
        if (why[place]) of[why[place]] = (of[why[place]] ?? 0) + memory.leaked[i];
      }
    }
    const of = this.keptOf.get(line);
    const reason = of && ["arena", "library", "import"].find((key) => of[key] > 0.5 * of.sum);
    return this.view === "leaked" && reason ? ` · ${{ arena: "small objects' arenas", library: "library's buffer", import: "import" }[reason]}` : "";
  }

  /* The line that was chosen, and where else it is told of. */
  showChosen() {
    const box = this.find("memory-chosen");
    const { frames, report } = this;
    box.replaceChildren();
    if (report.chosen < 0) return;
    add(box, "h2", frames.fullName(report.chosen));
    const place = frames.place(report.chosen, true);
    if (place) add(box, "p", report.chosenLine > 0 ? place.replace(/:\d+$/, `:${report.chosenLine}`) : place);
    fillActions(add(box, "p"), report, report.chosen, frames.fullName(report.chosen));
  }

  writeWords(words) {
    if (this.view !== "peak") words.set("mv", this.view);
    const sort = this.grid.isAscending || this.grid.sortBy !== this.views[this.view].key ? (this.grid.isAscending ? "-" : "") + this.grid.sortBy : null;
    if (sort) words.set("ms", sort);
  }

  readWords(words) {
    const view = this.views[words.get("mv")] ? words.get("mv") : "peak";
    this.view = view;
    this.grid.setColumns(this.views[view].columns);
    this.grid.sortByWord(words.get("ms") ?? this.views[view].key);
  }

  /* By line, over the whole run: nobody keeps it by stretch of time. */
  mapped(key) {
    return this.report.lines.own[key] ?? new Float64Array(this.report.lines.count);
  }

  /* Processes that map the same memory have the largest of one at least, and their sum at most. */
  mostMapped(key) {
    const { [key]: largest, [`${key}_summed`]: summed } = this.report.stats;
    const over = (summed ?? 0) > (largest ?? 0) ? ` (of one process at most; ${formatBytes(summed)} over all, where the same memory may count several times)` : "";
    return formatBytes(largest ?? 0) + over;
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
    const own = view === "mapped" ? this.mapped("mapped_file").map((v, l) => v + this.mapped("shared")[l]) : report.now.lines.own[key];
    const ids = [];
    // Native lines repeat what the Python lines above them have: the Python ones sum to the whole.
    for (let l = 0; l < report.lines.count; l++) if (own[l] && this.frames.kind[report.lines.frame[l]] === KIND_PYTHON) ids.push(l);
    this.grid.setRows(ids);
    this.grid.activate(ids.find((l) => report.lines.frame[l] === report.chosen && report.lines.line[l] === report.chosenLine) ?? -1);
    this.showChosen();
    const now = report.now;
    const heapFrom = now.from ? report.timeline.heapEnd[now.from - 1] : 0;
    const heapTo = report.timeline.heapEnd[now.to - 1];
    this.find("memory-note").textContent = {
      peak: `What each Python line (with the native code it called) held when the heap was highest: ${formatBytes(now.peakBytes)}.`,
      leaked: `Allocated ${report.isWhole() ? "" : "in this stretch "}and not freed when the trace ended: ${formatBytes(now.tree.total("leaked")[0])}.`,
      temporary: `Freed again by the same thread before it allocated anything else: ${report.panel.partly.some((m) => m.key === "temporary") ? "?, counted in some processes only" : formatBytes(now.tree.total("temporary")[0])}.`,
      growth: `From ${formatBytes(heapFrom)} to ${formatBytes(heapTo)}: what each line holds more (+) or less (−) at the end of the stretch than at its begin. Choose the two instants above.`,
      mapped: `In no other figure, at most over the whole run: ${this.mostMapped("mapped_file_bytes")} of files and ${this.mostMapped("shared_bytes")} shared.`,
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
