/* One row a region; how their times are spread, and how they change over the run. A part: show() means that the selection has changed, or the part came into sight. */

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

/** What stands behind the name of a region that never ended, that failed, or that others may have run in. */
const ending = (region) => (region.unfinished || region.exit_status === "failed" ? ` (${region.exit_status ?? "unfinished"})` : "") + (region.turns_unknown ? " (others may have run in it)" : "");

class RegionsPart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    const { regions } = report;
    const number = (key, title, unit, scale = 1) => ({ key, title, width: figureWidth(`${key}_error` in (regions[0] ?? {}) ? "allocated" : ""), value: (i) => (regions[i][key] ?? 0) * scale,
      fill: (cell, i) => {
        const value = regions[i][key];
        cell.textContent = value === null ? "?" : value || `${key}_error` in regions[i] ? formatValue(value * scale, unit) + formatDoubt(value, regions[i][`${key}_error`]) : "";
        if (value === null) cell.title = unknownText({ unit });
      } });
    this.labelKeys = [...new Set(regions.flatMap((r) => Object.keys(r.labels ?? {})))].slice(0, 24);
    const labels = this.labelKeys.filter((key) => key !== "quantum_id").slice(0, 6).map((key) => ({ key: `label_${key}`, title: visible(key), isText: true, width: "minmax(90px, 0.9fr)", text: (i) => visible(String(regions[i].labels?.[key] ?? "")) }));
    const name = { key: "name", title: "Region", isText: true, width: "minmax(130px, 1.2fr)", text: (i) => visible(regions[i].name) + ending(regions[i]),
      fill: (cell, i) => {
        cell.textContent = visible(regions[i].name) + ending(regions[i]);
        if (regions[i].isOutlier) add(cell, "b", ` ${regions[i].times.toFixed(1)}×`).title = "much longer than others of its name: so many times their median";
      } };
    const wanted = report.regionColumns.filter((c) => c.in_page && (!c.if_any || regions.some((r) => r[c.key] > 0)));
    const figures = wanted.map((c) => ({ ...number(c.key === "start_s" ? "at" : c.key, capital(c.title), UNITS[c.unit].unit, UNITS[c.unit].scale), what: c.what,
      ...(c.key === "wall_s" ? { share: (i) => regions[i].wall_s / report.longestRegion } : {}) }));
    this.grid = new Grid(this.find("region-grid"), { label: "Regions", sortBy: "at", isAscending: true, choose: (i) => report.selectRegion(i), changed: () => report.writeAddress(), columns: [name, ...labels, ...figures] });
    const by = this.find("region-by");
    for (const key of ["name", ...this.labelKeys]) add(by, "option", visible(key)).value = key;
    by.addEventListener("change", () => {
      this.draw();
      report.writeAddress();
    });
    this.find("region-filter").addEventListener("input", () => {
      this.show();
      report.writeAddress(true);
    });
    this.canvas = this.find("region-canvas");
    this.canvas.addEventListener("click", (e) => this.onClick(e));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  writeWords(words) {
    if (this.find("region-by").value !== "name") words.set("rg", this.find("region-by").value);
    if (this.find("region-filter").value) words.set("rf", this.find("region-filter").value);
    if (this.grid.sortBy !== "at" || !this.grid.isAscending) words.set("rs", (this.grid.isAscending ? "-" : "") + this.grid.sortBy);
  }

  readWords(words) {
    const by = this.find("region-by");
    by.value = words.get("rg") ?? "name";
    if (!by.value) by.value = "name";
    this.find("region-filter").value = words.get("rf") ?? "";
    this.grid.sortByWord(words.get("rs") ?? "-at");
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
    const isNarrow = canvas.clientWidth < 640; // one below the other
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
    const half = Math.max(150, names.length * 22 + 46);
    const height = isNarrow ? 2 * half : half;
    canvas.style.height = `${height}px`;
    beginDrawing(canvas, context, width, height, ratio, colour("ground"), "11.5px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', sans-serif");
    this.dots = [];
    this.trends = new Map(names.map((name) => [name, trendOf(groups.get(name).map((i) => [regions[i].at, regions[i].wall_s]), this.report.timeline.length)]));
    const longest = Math.max(1e-9, ...this.shown.map((i) => regions[i].wall_s));
    this.drawDistribution(context, colour, names, groups, isNarrow ? width - 6 : width * 0.5, longest);
    if (isNarrow) context.translate(0, half);
    this.trendTop = isNarrow ? half : 0;
    this.drawTrend(context, colour, isNarrow ? 8 : width * 0.5 + 30, width - 14, half, longest);
  }

  drawDistribution(context, colour, names, groups, right, longest) {
    const { regions } = this.report;
    const left = Math.min(200, right * 0.4);
    const x = (seconds) => left + (seconds / longest) * (right - left - 20);
    context.fillStyle = colour("soft");
    context.fillText("Wall time of each", 8, 10);
    names.forEach((name, row) => {
      const y = 34 + row * 22;
      const times = groups.get(name).map((i) => regions[i].wall_s).sort((a, b) => a - b);
      const at = (part) => times[Math.min(times.length - 1, Math.floor(part * times.length))];
      context.fillStyle = colour("text");
      context.fillText(clip(context, `${visible(name)} (${times.length})${this.trendText(name)}`, left - 16), 8, y);
      context.fillStyle = colour("line");
      context.fillRect(left, y, right - left - 20, 1);
      context.fillRect(x(at(0.25)), y - 6, Math.max(2, x(at(0.75)) - x(at(0.25))), 12);
      context.fillStyle = colour("text");
      context.fillRect(x(at(0.5)) - 1, y - 8, 2, 16);
      for (const i of groups.get(name)) this.dot(context, colour, i, x(regions[i].wall_s), y + ((i * 7) % 9) - 4);
    });
    this.ticks(context, colour, x, longest, 34 + names.length * 22 + 2);
  }

  /* By how much the regions of a group became slower (+) or faster from the start of the run to its end. */
  trendText(name) {
    const slope = this.trends.get(name);
    return slope ? ` ${slope.change >= 0 ? "+" : "−"}${formatDuration(Math.abs(slope.change) * 1e9)}` : "";
  }

  drawTrend(context, colour, left, right, height, longest) {
    const { regions, timeline } = this.report;
    const top = 22;
    const bottom = height - 26;
    const x = (seconds) => left + (seconds / timeline.length) * (right - left);
    const y = (seconds) => bottom - (seconds / longest) * (bottom - top);
    context.fillStyle = colour("soft");
    context.fillText("Wall time over the run, with the trend of each group", left, 10);
    context.strokeStyle = colour("line");
    context.strokeRect(left + 0.5, top + 0.5, right - left, bottom - top);
    for (const i of this.shown) this.dot(context, colour, i, x(regions[i].at), y(regions[i].wall_s), this.trendTop);
    for (const slope of this.trends.values()) {
      if (!slope) continue;
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

  dot(context, colour, i, x, y, below = 0) {
    const { isOutlier } = this.report.regions[i];
    context.fillStyle = colour(isOutlier ? "warn" : "region");
    context.globalAlpha = isOutlier ? 1 : 0.55;
    context.beginPath();
    // Outliers are diamonds, others discs.
    if (isOutlier) {
      for (const [dx, dy] of [[0, -5], [5, 0], [0, 5], [-5, 0]]) context.lineTo(x + dx, y + dy);
      context.closePath();
    } else context.arc(x, y, 2.6, 0, 2 * Math.PI);
    context.fill();
    context.globalAlpha = 1;
    this.dots.push([x, y + below, i]);
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
