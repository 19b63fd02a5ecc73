/* Which call ran when: a flame chart, a lane a thread, time from left to right. A part: show() means that the selection has changed, or the part came into sight. */

const AXIS_HIGH = 20;
const DRAG_LEAST = 6; // pixels: less is a click

/* Slices as the analyzer tells them (report "slices"), with what a Layout has: `x` and `w` are ns, `depth` is the row on the canvas. */
class Slices {
  constructor(data) {
    const { begin, took, depth, frame, times } = data.slices;
    this.count = begin.length;
    this.least = data.least_s * 1e9;
    this.x = new Float64Array(this.count);
    this.w = Float64Array.from(took);
    this.level = Int32Array.from(depth);
    this.times = Int32Array.from(times);
    for (let i = 0, at = 0; i < this.count; i++) this.x[i] = at += begin[i];
    const strings = data.frames.flatMap(([name, file]) => [name, file]).concat("[several short calls]", "");
    const several = data.frames.length;
    const each = (value) => [...data.frames.map(value), value(["", "", 0], several)];
    this.frames = new Frames(strings, {
      name: each((f, i) => 2 * i), file: each((f, i) => 2 * i + 1), line: each((f) => f[2]), kind: each((f, i) => (i === several ? KIND_OTHER : KIND_PYTHON)), module: each(() => -1),
    });
    this.frame = Int32Array.from(frame, (f) => (f < 0 ? several : f));
    this.several = several;
    this.depth = new Int32Array(this.count);
    this.end = new Int32Array(this.count);
    this.parent = new Int32Array(this.count).fill(-1);
    this.lanes = [];
    let first = 0;
    let row = 0;
    const processes = new Set(data.threads.map((t) => t.pid)).size;
    for (const thread of data.threads) {
      const lane = { pid: thread.pid, name: `${thread.name || `thread ${thread.thread}`}${processes > 1 ? ` · process ${thread.pid}` : ""}`, first, end: first + thread.slices, top: row };
      let deepest = 0;
      const stack = [];
      for (let i = lane.first; i < lane.end; i++) {
        while (stack.length > this.level[i]) this.end[stack.pop()] = i;
        this.parent[i] = stack.length ? stack[stack.length - 1] : -1;
        stack.push(i);
        deepest = Math.max(deepest, this.level[i]);
      }
      while (stack.length) this.end[stack.pop()] = lane.end;
      lane.rows = deepest + 2; // one for its name
      first = lane.end;
      row += lane.rows;
      this.lanes.push(lane);
    }
    // From above in the order in which they began, threads of a process beside one another.
    const began = new Map();
    const of = (lane) => (lane.first < lane.end ? this.x[lane.first] : Infinity);
    for (const lane of this.lanes) began.set(lane.pid, Math.min(began.get(lane.pid) ?? Infinity, of(lane)));
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    this.lanes.sort((a, b) => compare(began.get(a.pid), began.get(b.pid)) || compare(a.pid, b.pid) || compare(of(a), of(b)));
    this.place(this.lanes);
  }

  /* Rows of the lanes that are shown, one below the other. */
  place(lanes) {
    this.shown = lanes;
    this.rows = 0;
    for (const lane of lanes) {
      lane.top = this.rows;
      for (let i = lane.first; i < lane.end; i++) this.depth[i] = lane.top + 1 + this.level[i];
      this.rows += lane.rows;
    }
  }

  /* Does anything of the lane lie between these times? */
  isIn(lane, from, to) {
    for (let i = lane.first; i < lane.end; i = this.end[i]) if (this.x[i] < to && this.x[i] + this.w[i] > from) return true;
    return false;
  }
}

class SliceCanvas extends FlameCanvas {
  constructor(canvas, slices) {
    super(canvas, slices.frames);
    this.layout = slices;
    this.from = 0;
    this.to = 1;
  }

  measure() {
    const { width, height } = this.size();
    this.contentHeight = AXIS_HIGH + this.layout.rows * ROW;
    this.scroll = Math.min(this.scrollMax(), Math.max(0, this.scroll));
    return { width, height };
  }

  rowTop(row) {
    return AXIS_HIGH + row * ROW - this.scroll;
  }

  xOf(ns) {
    return ((ns - this.from) / (this.to - this.from)) * this.size().width;
  }

  nsAt(x) {
    return this.from + (x / this.size().width) * (this.to - this.from);
  }

  boxOf(i) {
    const { layout } = this;
    const x = Math.max(0, this.xOf(layout.x[i]));
    const right = Math.min(this.size().width, this.xOf(layout.x[i] + layout.w[i]));
    return right < 0 || x > this.size().width ? null : { x, y: this.rowTop(layout.depth[i]), width: Math.max(1, right - x), height: ROW - 1 };
  }

  scrollTo(i) {
    const top = this.rowTop(this.layout.depth[i]) - AXIS_HIGH;
    const sight = this.size().height - AXIS_HIGH;
    if (top < 0) this.scroll += top;
    else if (top + ROW > sight) this.scroll += top + ROW - sight;
  }

  /* The slice under a point; a narrow one is hit from two pixels beside it. */
  at(x, y) {
    const { layout } = this;
    if (y < AXIS_HIGH) return -1;
    const row = Math.floor((y - AXIS_HIGH + this.scroll) / ROW);
    const lane = layout.shown.find((l) => row > l.top && row < l.top + l.rows);
    if (!lane) return -1;
    const near = this.nsAt(x + 2) - this.nsAt(x);
    const ns = this.nsAt(x);
    let best = -1;
    let gap = near;
    for (let i = lane.first; i < lane.end; ) {
      if (layout.x[i] - near > ns) break;
      const away = ns < layout.x[i] ? layout.x[i] - ns : Math.max(0, ns - layout.x[i] - layout.w[i]);
      if (away > near || layout.depth[i] > row) {
        i = layout.end[i];
        continue;
      }
      if (layout.depth[i] === row && away <= gap) [best, gap] = [i, away];
      i++;
    }
    return best;
  }

  draw(ratio = window.devicePixelRatio || 1) {
    const { layout, context, colours } = this;
    const { width, height } = this.measure();
    if (width < 1 || height < 1) return;
    beginDrawing(this.canvas, context, width, height, ratio, colours.ground, this.font);
    this.drawn = 0;
    this.drawn_to = new Float64Array(layout.rows + 1).fill(-1);
    for (const lane of layout.shown) if (this.rowTop(lane.top + lane.rows) > AXIS_HIGH && this.rowTop(lane.top) < height) this.drawLane(lane, width, height, ratio);
    this.drawOutline(this.hover, 1);
    this.drawOutline(this.selected, 2);
    this.drawAxis(width);
  }

  drawLane(lane, width, height, ratio) {
    const { layout, context, colours } = this;
    for (let i = lane.first; i < lane.end; ) {
      if (layout.x[i] >= this.to) break;
      const top = this.rowTop(layout.depth[i]);
      if (layout.x[i] + layout.w[i] <= this.from || top > height) {
        i = layout.end[i];
        continue;
      }
      const left = Math.max(0, this.xOf(layout.x[i]));
      const right = Math.min(width, this.xOf(layout.x[i] + layout.w[i]));
      const pixel = Math.floor(left * ratio);
      if ((right - left) * ratio < 2 && pixel <= this.drawn_to[layout.depth[i]]) {
        i = layout.end[i];
        continue;
      }
      if (top + ROW > AXIS_HIGH) this.drawBox(i, left, Math.max(1 / ratio, right - left), false);
      this.drawn_to[layout.depth[i]] = Math.max(pixel, Math.floor(right * ratio) - 1);
      i++;
    }
    context.fillStyle = colours.text;
    this.drawText(lane.name, 2, this.rowTop(lane.top), width, 1);
  }

  drawAxis(width) {
    const { context, colours } = this;
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, width, AXIS_HIGH);
    const span = this.to - this.from;
    const step = niceStep(span / Math.max(2, Math.floor(width / 130)));
    context.fillStyle = colours.text;
    for (let at = Math.ceil(this.from / step) * step; at < this.to; at += step) {
      const x = this.xOf(at);
      context.fillRect(x, AXIS_HIGH - 5, 1, 5);
      context.fillText(formatInstant(at / 1e9, step / 1e9), x + 3, 8);
    }
  }
}

/* 1, 2 or 5 times a power of ten. */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].find((n) => n * power >= least) * power;
}

class OrderPart {
  constructor(report, data) {
    this.report = report;
    this.find = report.find;
    this.slices = data && data.threads.length ? new Slices(data) : null;
    this.find("order-none").hidden = Boolean(this.slices);
    this.find("order-view").hidden = !this.slices;
    if (!this.slices) return;
    this.view = new SliceCanvas(this.find("order-canvas"), this.slices);
    this.zoom = null; // {from, to} in ns; null: the stretch
    this.listen();
  }

  show() {
    if (!this.slices) return;
    const { report } = this;
    if (this.stretch !== report.now) {
      this.zoom = this.wanted ?? null;
      this.stretch = report.now;
    }
    this.wanted = null;
    const at = (bin) => report.timeline.at(bin) * 1e9;
    const whole = { from: at(report.now.from), to: at(report.now.to) };
    Object.assign(this.view, this.zoom ?? whole);
    this.slices.place(this.slices.lanes.filter((lane) => this.slices.isIn(lane, whole.from, whole.to)));
    this.find("order-reset").disabled = !this.zoom;
    this.find("order-note").textContent = `Python calls${this.slices.least > 1000 ? `; those below ${formatDuration(this.slices.least)} are put together or left out` : ""}`;
    this.search(this.find("order-search").value);
    this.view.draw();
    this.showDetails(this.view.selected);
  }

  zoomTo(from, to) {
    const least = 1000; // ns
    const middle = (from + to) / 2;
    this.zoom = { from: Math.min(from, middle - least / 2), to: Math.max(to, middle + least / 2) };
    this.show();
    this.report.writeAddress();
  }

  reset() {
    this.zoom = null;
    this.show();
    this.report.writeAddress();
  }

  choose(i) {
    this.view.selected = i;
    this.view.scrollTo(i);
    this.showDetails(i);
    this.view.draw();
  }

  /* ---- details ---- */

  showDetails(i) {
    const { slices, report } = this;
    const box = this.find("order-details");
    box.replaceChildren();
    if (i < 0) {
      add(box, "p", "A click zooms to a call, dragging to a stretch of time, Esc goes back. Ctrl and the wheel zoom too, shift and the wheel move.").className = "soft";
      return;
    }
    const frame = slices.frame[i];
    add(box, "h2", slices.frames.fullName(frame));
    const place = slices.frames.place(frame, true);
    if (place) add(box, "p", place);
    const table = add(add(box, "table"), "tbody");
    const row = (name, value) => {
      const line = add(table, "tr");
      add(line, "td", name);
      add(line, "td", value);
    };
    row(slices.times[i] > 1 ? "From the first to the last" : "Took", formatDuration(slices.w[i]));
    if (slices.times[i] > 1) row("Calls, put together", formatCount(slices.times[i]));
    row("Began at", formatInstant(slices.x[i] / 1e9, 1e-6));
    row("Thread", slices.lanes.find((lane) => i >= lane.first && i < lane.end).name);
    if (slices.parent[i] >= 0) row("Called by", slices.frames.label(slices.frame[slices.parent[i]]));
    fillActions(add(box, "p"), report, this.frameOfPage(frame), slices.frames.fullName(frame));
    const item = this.find("order-item");
    item.textContent = `${slices.frames.label(frame)}, ${slices.frames.place(frame)}, ${formatDuration(slices.w[i])} from ${formatInstant(slices.x[i] / 1e9, 1e-6)} on`;
    item.setAttribute("aria-level", String(slices.level[i] + 1));
  }

  /* The same function among those of the other parts, or -1. */
  frameOfPage(frame) {
    const { frames } = this.report;
    const key = (f, i) => `${f.fullName(i)}\n${f.text(f.file[i])}\n${f.line[i]}`;
    if (!this.known) {
      this.known = new Map();
      for (let f = 0; f < frames.count; f++) if (frames.kind[f] === KIND_PYTHON) this.known.set(key(frames, f), f);
    }
    return this.known.get(key(this.slices.frames, frame)) ?? -1;
  }

  /* ---- search ---- */

  search(text) {
    const input = this.find("order-search");
    const regex = this.report.panel.regexOf(text, input);
    this.view.matched = regex ? this.slices.frames.matching((t) => regex.test(t), ["name", "file"]) : null;
    this.showMatches();
  }

  /* Matches in sight, in the order in which they began. */
  matches() {
    const { slices, view } = this;
    const found = [];
    for (const lane of slices.shown) for (let i = lane.first; i < lane.end; i++) if (view.matched[slices.frame[i]] && slices.x[i] < view.to && slices.x[i] + slices.w[i] > view.from) found.push(i);
    return found;
  }

  showMatches() {
    const { view } = this;
    const found = view.matched ? this.matches() : [];
    this.find("order-share").textContent = this.find("order-search").classList.contains("wrong") ? "not a regular expression" : view.matched ? countOf(found, view.selected) : "";
  }

  nextMatch(step) {
    if (!this.view.matched) return;
    const next = stepOf(this.matches(), this.view.selected, step);
    if (next >= 0) this.choose(next);
    this.showMatches();
  }

  /* ---- what a person does ---- */

  listen() {
    const host = this.find("order");
    const input = this.find("order-search");
    input.addEventListener("input", () => {
      this.search(input.value);
      this.view.draw();
      this.report.writeAddress(true);
    });
    input.addEventListener("keydown", (e) => {
      if (e.key === "Enter") this.nextMatch(e.shiftKey ? -1 : 1);
    });
    this.find("order-reset").addEventListener("click", () => this.reset());
    const local = (e) => {
      const box = host.getBoundingClientRect();
      return { x: e.clientX - box.left, y: e.clientY - box.top };
    };
    host.addEventListener("pointerdown", (e) => {
      if (e.button === 0) this.drag = { from: local(e).x, to: local(e).x };
    });
    host.addEventListener("pointermove", (e) => {
      const { x, y } = local(e);
      if (this.drag) this.drag.to = x;
      const i = this.view.at(x, y);
      this.showTip(i, e);
      if (i !== this.view.hover || this.drag) {
        this.view.hover = i;
        this.view.draw();
        if (this.drag) this.drawDrag();
      }
    });
    host.addEventListener("pointerleave", () => {
      this.drag = null;
      this.view.hover = -1;
      this.report.panel.showTip(-1);
      this.view.draw();
    });
    host.addEventListener("pointerup", (e) => {
      const drag = this.drag;
      this.drag = null;
      if (!drag) return;
      if (Math.abs(drag.to - drag.from) >= DRAG_LEAST) return this.zoomTo(this.view.nsAt(Math.min(drag.from, drag.to)), this.view.nsAt(Math.max(drag.from, drag.to)));
      const { x, y } = local(e);
      const i = this.view.at(x, y);
      if (i < 0) return;
      this.view.selected = i;
      this.zoomTo(this.slices.x[i], this.slices.x[i] + this.slices.w[i]);
    });
    host.addEventListener("wheel", (e) => this.onWheel(e, local(e).x), { passive: false });
    host.addEventListener("keydown", (e) => this.onKey(e));
    new ResizeObserver(() => this.view.draw()).observe(this.find("order-canvas"));
  }

  drawDrag() {
    const { context } = this.view;
    context.globalAlpha = 0.25;
    context.fillStyle = this.view.colours.text;
    context.fillRect(Math.min(this.drag.from, this.drag.to), 0, Math.abs(this.drag.to - this.drag.from), this.view.size().height);
    context.globalAlpha = 1;
  }

  onWheel(e, x) {
    const { view } = this;
    const span = view.to - view.from;
    if (e.ctrlKey) {
      e.preventDefault();
      const at = view.nsAt(x);
      const part = Math.exp((e.deltaMode === 1 ? 20 : 1) * e.deltaY * 0.002);
      this.zoomTo(at - (at - view.from) * part, at + (view.to - at) * part);
    } else if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      e.preventDefault();
      const by = ((e.deltaX || e.deltaY) / view.size().width) * span;
      this.zoomTo(view.from + by, view.to + by);
    } else if (view.scrollBy(e.deltaMode === 1 ? e.deltaY * ROW : e.deltaY)) e.preventDefault();
  }

  showTip(i, event) {
    const { slices } = this;
    this.report.panel.putTip(i < 0 ? null : [
      slices.frames.fullName(slices.frame[i]), slices.frames.place(slices.frame[i], true),
      `${formatDuration(slices.w[i])}${slices.times[i] > 1 ? `, ${formatCount(slices.times[i])} calls` : ""}, from ${formatInstant(slices.x[i] / 1e9, 1e-6)} on`,
    ], event);
  }

  onKey(e) {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const { slices, view } = this;
    const at = view.selected;
    const span = view.to - view.from;
    const beside = (step) => {
      const lane = slices.shown.find((l) => at >= l.first && at < l.end);
      for (let i = at + step; lane && i >= lane.first && i < lane.end; i += step) if (slices.depth[i] === slices.depth[at]) return i;
      return at;
    };
    const moves = {
      ArrowDown: () => (at < 0 ? slices.shown[0]?.first ?? -1 : at + 1 < slices.end[at] ? at + 1 : at), ArrowUp: () => (at < 0 || slices.parent[at] < 0 ? at : slices.parent[at]),
      ArrowRight: () => (at < 0 ? -1 : beside(1)), ArrowLeft: () => (at < 0 ? -1 : beside(-1)),
    };
    if (moves[e.key]) {
      const to = moves[e.key]();
      if (to >= 0) this.choose(to);
    } else if (e.key === "Enter" && at >= 0) this.zoomTo(slices.x[at], slices.x[at] + slices.w[at]);
    else if (e.key === "+" || e.key === "-") this.zoomTo(view.from + span * (e.key === "+" ? 0.25 : -0.5), view.to - span * (e.key === "+" ? 0.25 : -0.5));
    else return;
    e.preventDefault();
  }

  /* Keys that work wherever the focus is. */
  onPageKey(e) {
    if (!this.slices) return;
    if (e.key === "Escape" && this.zoom) this.reset();
    else if (!isTyping(e) && e.key === "n") this.nextMatch(1);
    else if (!isTyping(e) && e.key === "N") this.nextMatch(-1);
  }

  redraw(ratio) {
    if (!this.slices) return;
    this.view.readColours();
    this.view.draw(ratio);
  }

  /* ---- the address ---- */

  writeWords(words) {
    if (!this.slices) return;
    if (this.zoom) words.set("o", `${Math.round(this.zoom.from)}-${Math.round(this.zoom.to)}`);
    if (this.find("order-search").value) words.set("oq", this.find("order-search").value);
  }

  readWords(words) {
    if (!this.slices) return;
    const told = /^(-?\d{1,15})-(-?\d{1,15})$/.exec(words.get("o") ?? "");
    this.wanted = told && Number(told[2]) > Number(told[1]) ? { from: Number(told[1]), to: Number(told[2]) } : null;
    this.stretch = undefined;
    this.find("order-search").value = words.get("oq") ?? "";
  }
}
