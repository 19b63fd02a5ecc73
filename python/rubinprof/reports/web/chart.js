/* The run over time: heap and resident memory, CPU and GIL of all threads or of each, regions as bars; a stretch of it can be chosen
 * with the mouse or the keyboard. Two canvases show it: the strip above all parts, and the part "Timeline". */

const GUTTER = 96;
const EDGE = 12;
const LANE = 26;
const BAR = 18;
const BAR_ROWS_MOST = 14;

class TimeChart {
  /* parts: which of memory, cpu, threads, regions. owner: {selection(): {from, to} in bins, select(from, to), chooseRegion(i)} */
  constructor(canvas, timeline, regions, parts, owner) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.timeline = timeline;
    this.regions = regions;
    this.parts = parts;
    this.owner = owner;
    this.font = "11px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', sans-serif";
    this.drag = null;
    this.barRows = parts.includes("regions") ? this.packRegions() : [];
    this.readColours();
    this.arrange();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  readColours() {
    const style = getComputedStyle(this.canvas);
    const read = (name) => style.getPropertyValue(name).trim();
    this.colours = Object.fromEntries(
      ["ground", "panel", "line", "text", "soft", "accent", "native", "warn", "python", "inlined", "match", "on-box", "other", "heap", "used", "region"].map((name) => [name, read("--" + name)]),
    );
  }

  /* Heights of the parts, from above: {name, top, height}. */
  arrange() {
    const { timeline } = this;
    const heights = {
      memory: this.parts.includes("threads") ? 150 : 46,
      cpu: this.parts.includes("threads") ? 90 : 34,
      threads: Math.min(timeline.lanes.length, 64) * LANE,
      regions: Math.min(this.barRows.length, BAR_ROWS_MOST) * BAR,
    };
    let top = 6;
    this.rows = [];
    for (const name of this.parts) {
      if (!heights[name]) continue;
      this.rows.push({ name, top, height: heights[name] });
      top += heights[name] + (this.parts.includes("threads") ? 22 : 8);
    }
    this.height = top + 12;
    this.canvas.style.height = `${this.height}px`;
  }

  /* Bars that overlap in time lie below one another: rows of region numbers. */
  packRegions() {
    const order = this.regions.map((r, i) => i).sort((a, b) => this.regions[a].at - this.regions[b].at || this.regions[b].wall_s - this.regions[a].wall_s);
    const rows = [];
    const ends = [];
    for (const i of order) {
      const r = this.regions[i];
      let row = ends.findIndex((end) => end <= r.at);
      if (row < 0) row = ends.length;
      if (row >= 200) continue;
      (rows[row] ??= []).push(i);
      ends[row] = r.at + r.wall_s;
    }
    return rows;
  }

  x(seconds) {
    return GUTTER + (seconds / this.timeline.length) * (this.canvas.clientWidth - GUTTER - EDGE);
  }

  secondsAt(x) {
    const part = (x - GUTTER) / (this.canvas.clientWidth - GUTTER - EDGE);
    return Math.min(1, Math.max(0, part)) * this.timeline.length;
  }

  draw(ratio = window.devicePixelRatio || 1) {
    const { canvas, context, colours } = this;
    const width = canvas.clientWidth;
    const { height } = this;
    if (width < GUTTER + 40) return;
    beginDrawing(canvas, context, width, height, ratio, colours.ground, this.font);
    for (const row of this.rows) {
      if (row.name === "memory") this.drawMemory(row);
      else if (row.name === "cpu") this.drawCpu(row);
      else if (row.name === "threads") this.drawThreads(row);
      else this.drawRegions(row);
    }
    this.drawAxis();
    this.drawSelection();
  }

  /* ---- parts ---- */

  scaleFor(most, write, row) {
    const { context, colours } = this;
    const right = this.canvas.clientWidth - EDGE;
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.textAlign = "right";
    for (const value of row.height > 60 ? [0, most / 2, most] : [0, most]) {
      const y = Math.round(row.top + row.height - (value / most) * row.height) + 0.5;
      context.beginPath();
      context.moveTo(GUTTER, y);
      context.lineTo(right, y);
      context.stroke();
      context.fillStyle = colours.soft;
      if (value > 0) context.fillText(write(value), GUTTER - 6, Math.max(y, row.top + 5));
    }
    context.textAlign = "left";
  }

  area(column, most, row, fill, line, isDashed) {
    const { context, timeline } = this;
    const y = (v) => row.top + row.height - Math.min(1, v / most) * row.height;
    context.beginPath();
    for (let bin = 0; bin < timeline.bins; bin++) {
      const left = this.x(timeline.at(bin));
      const right = this.x(timeline.at(bin + 1));
      if (bin === 0) context.moveTo(left, y(column[bin]));
      context.lineTo(left, y(column[bin]));
      context.lineTo(right, y(column[bin]));
    }
    if (line) {
      context.strokeStyle = line;
      context.lineWidth = 1.4;
      context.setLineDash(isDashed ? [4, 3] : []);
      context.stroke();
      context.setLineDash([]);
    }
    if (!fill) return;
    context.lineTo(this.x(timeline.length), y(0));
    context.lineTo(this.x(0), y(0));
    context.closePath();
    context.globalAlpha = 0.28;
    context.fillStyle = fill;
    context.fill();
    context.globalAlpha = 1;
  }

  title(text, row) {
    this.context.fillStyle = this.colours.text;
    this.context.fillText(text, 8, row.top + (row.height > 60 ? row.height * 0.27 : row.height / 2 + 4));
  }

  drawMemory(row) {
    const { timeline, colours } = this;
    let most = 1;
    for (let bin = 0; bin < timeline.bins; bin++) most = Math.max(most, timeline.heapMax[bin], timeline.rss[bin]);
    this.scaleFor(most, formatBytes, row);
    this.area(timeline.heapMax, most, row, colours.heap, colours.heap);
    if (timeline.rss.some((v) => v > 0)) this.area(timeline.rss, most, row, null, colours.text, true);
    this.title("Memory", row);
  }

  drawCpu(row) {
    const { timeline, colours } = this;
    const ns = (timeline.length / timeline.bins) * 1e9;
    const cpu = new Float64Array(timeline.bins);
    const gil = new Float64Array(timeline.bins);
    for (const lane of timeline.lanes) {
      for (let bin = 0; bin < timeline.bins; bin++) {
        cpu[bin] += Math.max(0, lane.cpu[bin]) / ns;
        gil[bin] += Math.max(0, lane.gil[bin]) / ns;
      }
    }
    const most = Math.max(1, Math.ceil(Math.max(...cpu, ...gil) - 0.05));
    this.scaleFor(most, (v) => `${+v.toFixed(1)} CPU`, row);
    this.area(cpu, most, row, colours.used, colours.used);
    if (gil.some((v) => v > 0.001)) this.area(gil, most, row, null, colours.warn, true);
    this.title("CPU", row);
  }

  drawThreads(row) {
    const { context, timeline, colours } = this;
    const ns = (timeline.length / timeline.bins) * 1e9;
    timeline.lanes.slice(0, row.height / LANE).forEach((lane, k) => {
      const top = row.top + k * LANE;
      const bottom = top + LANE - 5;
      context.fillStyle = colours.panel;
      context.fillRect(GUTTER, top, this.canvas.clientWidth - GUTTER - EDGE, LANE - 5);
      for (let bin = 0; bin < timeline.bins; bin++) {
        const left = this.x(timeline.at(bin));
        const width = this.x(timeline.at(bin + 1)) - left + 0.3;
        const used = Math.min(1, Math.max(0, lane.cpu[bin] / ns)) * (LANE - 5);
        const waited = Math.min(1, Math.max(0, lane.gil[bin] / ns)) * (LANE - 5);
        context.fillStyle = colours.used;
        context.fillRect(left, bottom - used, width, used);
        if (waited > 0.4) {
          context.fillStyle = colours.warn; // above what was used, so that both are seen
          context.fillRect(left, Math.max(top, bottom - used - waited), width, Math.min(waited, LANE - 5 - used));
        }
      }
      context.fillStyle = colours.text;
      const name = threadName(lane.thread);
      context.fillText(clip(context, name, GUTTER - 12), 8, top + (LANE - 5) / 2);
    });
    context.fillStyle = colours.soft;
    if (timeline.lanes.length * LANE > row.height) context.fillText(`and ${timeline.lanes.length - row.height / LANE} more threads`, GUTTER, row.top + row.height + 6);
  }

  drawRegions(row) {
    const { context, colours, regions } = this;
    const tints = ["python", "native", "inlined", "match", "other"].map((name) => colours[name]);
    const names = new Map();
    for (const r of regions) if (!names.has(r.name)) names.set(r.name, names.size);
    this.barRows.slice(0, BAR_ROWS_MOST).forEach((bars, k) => {
      const top = row.top + k * BAR;
      let drawn = -1;
      for (const i of bars) {
        const r = regions[i];
        const left = this.x(r.at);
        const right = Math.max(left + 1, this.x(r.at + r.wall_s) - 0.5);
        if (right < drawn + 0.5) continue;
        drawn = right;
        context.fillStyle = tints[names.get(r.name) % tints.length];
        context.fillRect(left, top, right - left, BAR - 3);
        if (r.isOutlier) {
          context.fillStyle = colours.text; // a mark that needs no colour
          context.fillRect(left, top, Math.min(right - left, 3), BAR - 3);
        }
        if (right - left > 30) {
          context.fillStyle = colours["on-box"];
          context.fillText(clip(context, regionLabel(r), right - left - 10), left + 6, top + (BAR - 3) / 2 + 0.5);
        }
      }
    });
    context.fillStyle = colours.text;
    context.fillText("Regions", 8, row.top + 8);
  }

  drawAxis() {
    const { context, colours, timeline } = this;
    const y = this.height - 8;
    context.fillStyle = colours.soft;
    const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400];
    const wanted = timeline.length / Math.max(2, Math.floor((this.canvas.clientWidth - GUTTER) / 90));
    const step = steps.find((s) => s >= wanted) ?? Math.ceil(wanted / 3600) * 3600;
    context.textAlign = "center";
    for (let t = 0; t <= timeline.length; t += step) {
      const x = this.x(t);
      if (x < this.canvas.clientWidth - 26) context.fillText(formatInstant(t, step), x, y);
    }
    context.textAlign = "left";
  }

  drawSelection() {
    const { context, colours, timeline } = this;
    const { from, to } = this.drag ?? this.owner.selection();
    if (from === 0 && to === timeline.bins) return;
    const left = this.x(timeline.at(from));
    const right = this.x(timeline.at(to));
    context.fillStyle = colours.ground;
    context.globalAlpha = 0.66;
    context.fillRect(GUTTER, 0, left - GUTTER, this.height - 14);
    context.fillRect(right, 0, this.canvas.clientWidth - EDGE - right, this.height - 14);
    context.globalAlpha = 1;
    context.strokeStyle = colours.text;
    context.lineWidth = 1.5;
    context.strokeRect(left, 1, Math.max(1, right - left), this.height - 16);
  }

  /* ---- choosing a stretch ---- */

  listen() {
    const { canvas } = this;
    const binAt = (e) => this.timeline.binOf(this.secondsAt(e.clientX - canvas.getBoundingClientRect().left));
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      canvas.setPointerCapture(e.pointerId);
      this.start = { bin: binAt(e), x: e.clientX, y: e.clientY };
    });
    canvas.addEventListener("pointermove", (e) => {
      if (!this.start) return;
      if (!this.drag && Math.abs(e.clientX - this.start.x) < 4) return;
      const bin = binAt(e);
      this.drag = { from: Math.min(bin, this.start.bin), to: Math.max(bin, this.start.bin) };
      if (this.drag.to === this.drag.from) this.drag.to = Math.min(this.timeline.bins, this.drag.from + 1);
      if (this.drag.to === this.drag.from) this.drag.from--;
      this.owner.select(this.drag.from, this.drag.to, true);
    });
    const end = (e) => {
      const { start, drag } = this;
      this.start = this.drag = null;
      if (drag) this.owner.select(drag.from, drag.to);
      else if (start) this.onClick(e);
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("dblclick", () => this.owner.select(0, this.timeline.bins));
    canvas.addEventListener("keydown", (e) => this.onKey(e));
  }

  onClick(e) {
    const box = this.canvas.getBoundingClientRect();
    const row = this.rows.find((r) => r.name === "regions");
    const y = e.clientY - box.top;
    const seconds = this.secondsAt(e.clientX - box.left);
    if (!row || y < row.top || y >= row.top + row.height) return;
    const bars = this.barRows[Math.floor((y - row.top) / BAR)] ?? [];
    const found = bars.find((i) => this.regions[i].at <= seconds && seconds < this.regions[i].at + this.regions[i].wall_s);
    if (found !== undefined) this.owner.chooseRegion(found);
  }

  /* Arrows move the stretch, with shift they move its end; a quarter of the run to begin with. */
  onKey(e) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!step || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    const { bins } = this.timeline;
    let { from, to } = this.owner.selection();
    if (from === 0 && to === bins) to = Math.round(bins / 4);
    else if (e.shiftKey) to = Math.min(bins, Math.max(from + 1, to + step * Math.max(1, Math.round(bins / 128))));
    else {
      const width = to - from;
      from = Math.min(bins - width, Math.max(0, from + step * Math.max(1, Math.round(bins / 64))));
      to = from + width;
    }
    this.owner.select(from, to);
  }
}

function threadName(thread) {
  const name = visible(thread.name || "") || `thread ${thread.id}`;
  return thread.threads > 1 ? `${thread.threads} further threads` : name;
}

function regionLabel(r) {
  const labels = Object.values(r.labels ?? {}).map((v) => visible(String(v)));
  return [visible(r.name), ...labels].join(" ");
}

function clip(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let letters = Math.max(0, Math.floor((text.length * room) / context.measureText(text).width) - 1);
  while (letters > 0 && context.measureText(text.slice(0, letters) + "…").width > room) letters--;
  return letters > 0 ? text.slice(0, letters) + "…" : "";
}
