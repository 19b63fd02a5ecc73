/* The text of files that matter, with the figures of each line. A part: show() means that the selection has changed, or the part came into sight. */

const SOURCE_ROW = 19;

/* Each column is as wide in all rows: beside an estimate stands its doubt. */
function figureClass(key) {
  return hasDoubt(key) ? "figure doubtful" : "figure";
}

class SourcePart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    this.file = report.sources.length ? 0 : -1;
    this.marked = -1;
    const list = this.find("source-files");
    list.addEventListener("change", () => {
      this.open(Number(list.value));
      report.writeAddress();
    });
    this.scroller = this.find("source-lines");
    this.scroller.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    for (const [event, isPrinting] of [["beforeprint", true], ["afterprint", false]]) {
      window.addEventListener(event, () => {
        this.isPrinting = isPrinting;
        this.draw();
      });
    }
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

  writeWords(words) {
    if (this.file > 0) words.set("sf", this.report.sources[this.file].file);
    if (this.marked > 0) words.set("sl", String(this.marked));
  }

  readWords(words) {
    const named = this.report.sources.findIndex((s) => s.file === words.get("sf"));
    this.file = named >= 0 ? named : this.report.sources.length ? 0 : -1;
    this.marked = Number(words.get("sl")) || -1;
    this.isScrolled = false;
  }

  /* A line is chosen: beside the name of the file stands whose it is. */
  mark(line) {
    this.marked = line;
    this.draw();
    this.showMarked();
    this.report.writeAddress();
  }

  showMarked() {
    const box = this.find("source-marked");
    const { lines, frames } = this.report;
    box.replaceChildren();
    const of = (this.byFile.get(this.report.sources[this.file].file) ?? []).filter((l) => lines.line[l] === this.marked);
    if (!of.length) return;
    const frame = lines.frame[of[0]];
    add(box, "span", `${frames.label(frame)} `);
    fillActions(box, this.report, frame, frames.fullName(frame));
  }

  columns() {
    return [["cpu", "total", "CPU"], ["cpu", "own", "Own CPU"], ["calls", "", "Calls"], ["allocated", "own", "Allocated"], ["peak", "own", "Peak"], ["leaked", "own", "Leaked"]]
      .filter(([key]) => this.report.panel.metrics.some((m) => m.key === key));
  }

  show() {
    const { report } = this;
    const list = this.find("source-files");
    const fileSum = (file, key) => (this.byFile.get(file) ?? []).reduce((sum, l) => sum + report.now.lines.own[key][l], 0);
    const all = report.now.tree.total("cpu")[0];
    const isFirst = list.options.length === 0;
    const isOwn = (source) => source.own !== false;
    const groups = {};
    for (const [own, label] of [[true, "Your code"], [false, "Libraries"]]) {
      if (!isFirst || !report.sources.some((source) => isOwn(source) === own)) continue;
      groups[own] = add(list, "optgroup");
      groups[own].label = label;
    }
    report.sources.forEach((source, i) => {
      const option = isFirst ? add(groups[isOwn(source)], "option") : [...list.options].find((o) => Number(o.value) === i);
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
        const variance = report.now.lines[from]?.[varianceKey(key)];
        if (variance) (row.variances ??= {})[name] = (row.variances[name] ?? 0) + variance[l];
      }
      row.bits = bothBits(row.bits, report.frames.bits(report.lines.frame[l]));
      row.shared = bothShares(row.shared, report.shareOfLine(l));
      this.figures.set(at, row);
    }
    const unknown = this.figures.get(0)?.cpu_own ?? 0;
    if (unknown > 0) this.find("source-name").textContent += ` ([line unknown]: ${formatDuration(unknown)} of CPU time)`;
    this.figures.delete(0);
    this.most = {};
    for (const { variances, bits, shared: _, ...row } of this.figures.values()) for (const [name, value] of Object.entries(row)) this.most[name] = Math.max(this.most[name] ?? 0, value);
    this.drawHead();
    this.showMarked();
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
    for (const [key, , title] of this.columns()) add(head, "span", title).className = figureClass(key);
    add(head, "span", "Line").className = "line-number";
    add(head, "span", "Source");
  }

  draw() {
    if (this.file < 0 || !this.text) return;
    const box = this.find("source-body");
    const from = Math.max(0, Math.floor(this.scroller.scrollTop / SOURCE_ROW) - 3);
    const to = Math.min(this.text.length, from + Math.ceil(this.scroller.clientHeight / SOURCE_ROW) + 6);
    box.replaceChildren();
    box.style.height = `${(this.isPrinting ? to - from : this.text.length) * SOURCE_ROW}px`;
    for (let i = from; i < to; i++) {
      const row = add(box, "div");
      row.className = i + 1 === this.marked ? "source-row marked" : "source-row";
      row.style.top = `${(this.isPrinting ? i - from : i) * SOURCE_ROW}px`;
      row.addEventListener("click", () => {
        if (!String(getSelection())) this.mark(i + 1);
      });
      const figures = this.figures.get(i + 1) ?? {};
      for (const [key, from_] of this.columns()) {
        const value = figures[`${key}_${from_}`] ?? 0;
        const metric = METRICS.find((m) => m.key === key);
        const isUnknown = Boolean(figures.bits & metric.unknownIf);
        const text = value > 0 ? formatFigure(value, metric, false, (isTime(key) && figures.shared) || withShare(doubtOf(figures.bits, key, figures.variances?.[`${key}_${from_}`]), isTime(key))) : "";
        const cell = add(row, "span", isUnknown ? "?" : text);
        cell.className = figureClass(key);
        if (value > 0 && !isUnknown) cell.style.setProperty("--share", `${((100 * value) / (this.most[`${key}_${from_}`] || 1)).toFixed(1)}%`);
      }
      add(row, "span", String(i + 1)).className = "line-number";
      const code = add(row, "code");
      fillCode(code, this.text[i], this.pieces[i]);
    }
  }
}
