/* Charts of a campaign: histograms over a logarithmic axis, series over time, intervals. Each draws into a canvas that is as wide as its place. */

const CHART_FONT = "11px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', sans-serif";

/* A cleared canvas of this height: {context, width, colour(name)}; null where it is not in sight. */
function openChart(canvas, height, ratio = window.devicePixelRatio || 1) {
  const width = canvas.clientWidth;
  if (width < 60) return null;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d", { alpha: false });
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue("--" + name).trim();
  beginDrawing(canvas, context, width, height, ratio, colour("ground"), CHART_FONT);
  return { context, width, colour };
}

/* Round values within a logarithmic axis, few enough to be read. */
function logTicks(low, high, unit, room) {
  const base = unit === "B" ? 2 : 10;
  const found = [];
  const first = Math.floor(Math.log(low) / Math.log(base));
  const last = Math.ceil(Math.log(high) / Math.log(base));
  for (let power = first; power <= last; power++) {
    for (const factor of last - first >= 4 ? [1] : base === 10 ? [1, 2, 5] : [1, 1.25, 1.5, 1.75]) {
      const value = factor * base ** power;
      if (value >= low && value <= high) found.push(value);
    }
  }
  const step = Math.max(1, Math.ceil(found.length / Math.max(2, Math.floor(room / 58))));
  return found.filter((_, i) => i % step === 0);
}

const writeFigure = (value, unit) => (value === null || value === undefined ? "?" : unit === "s" ? formatHours(value) : formatBytes(value));

/* Seconds for people, short enough for a cell. */
function formatHours(seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds >= 360000) return `${formatCount(seconds / 3600)} h`;
  if (seconds >= 3600) return `${threeDigits(seconds / 3600)} h`;
  if (seconds >= 100) return `${threeDigits(seconds / 60)} min`;
  return formatDuration(seconds * 1e9);
}

/* A limit of memory as people write it. */
const limitText = (bytes) => `${+(bytes / 2 ** 30).toPrecision(3)} GB`;

/* bins: [numbers, counts] with width in the logarithm. lines: [{at, text}]. Heights are roots of counts. */
function drawHistogram(canvas, { bins, width: step, unit, title, lines = [], height = 110 }, ratio) {
  const chart = openChart(canvas, height, ratio);
  if (!chart) return;
  const { context, width, colour } = chart;
  const [numbers, counts] = bins;
  context.fillStyle = colour("text");
  context.fillText(title, 0, 8);
  if (!numbers.length) {
    context.fillStyle = colour("soft");
    context.fillText("not measured", 0, 30);
    return;
  }
  const first = Math.min(numbers[0], ...lines.map((l) => Math.floor(Math.log(l.at) / step))) - 1;
  const last = Math.max(numbers[numbers.length - 1] + 1, ...lines.map((l) => Math.ceil(Math.log(l.at) / step))) + 1;
  const top = lines.length ? 34 : 20;
  const bottom = height - 18;
  const most = Math.max(...counts);
  const x = (value) => 4 + ((Math.log(value) / step - first) / (last - first)) * (width - 8);
  context.fillStyle = colour("accent");
  const barWidth = (width - 8) / (last - first);
  numbers.forEach((number, i) => {
    // A root: few quanta far out are what people look for.
    const tall = Math.sqrt(counts[i] / most) * (bottom - top);
    context.fillRect(4 + (number - first) * barWidth, bottom - tall, Math.max(1, barWidth - 0.5), Math.max(1, tall));
  });
  context.fillStyle = colour("line");
  context.fillRect(0, bottom, width, 1);
  context.fillStyle = colour("soft");
  context.textAlign = "center";
  const low = Math.exp(first * step);
  const high = Math.exp(last * step);
  for (const value of logTicks(low, high, unit, width)) {
    const text = unit === "s" ? formatTick(value) : formatBytes(value).replace(/\.?0+ /, (zeros) => (zeros.startsWith(".") ? " " : zeros));
    const at = Math.min(width - 20, Math.max(20, x(value)));
    context.fillText(text, at, bottom + 10);
  }
  context.textAlign = "left";
  let written = -1e9;
  for (const line of [...lines].sort((a, b) => a.at - b.at)) {
    context.fillStyle = colour(line.colour ?? "warn");
    context.fillRect(x(line.at) - 0.5, top - 4, 1.5, bottom - top + 4);
    const room = context.measureText(line.text).width;
    const at = Math.min(width - room, Math.max(0, x(line.at) - room / 2));
    if (at > written) context.fillText(line.text, at, 22);
    written = Math.max(written, at + room + 4);
  }
}

function formatTick(seconds) {
  if (seconds >= 3600) return `${+(seconds / 3600).toFixed(1)} h`;
  if (seconds >= 1) return `${+seconds.toFixed(0)} s`;
  return formatDuration(seconds * 1e9);
}

/* values: one a bin, null where nothing is known. time: {begin, bin_s, bins}. kind: "area" or "line". */
function drawSeries(canvas, { values, time, title, write, kind = "area", height = 120, shade = "accent" }, ratio) {
  const chart = openChart(canvas, height, ratio);
  if (!chart) return;
  const { context, width, colour } = chart;
  const left = 74;
  const right = width - 10;
  const top = 20;
  const bottom = height - 20;
  const known = values.filter((v) => v !== null && v !== undefined);
  const most = Math.max(...known, 1e-12);
  context.fillStyle = colour("text");
  context.fillText(title, 0, 8);
  const x = (bin) => left + (bin / time.bins) * (right - left);
  const y = (value) => bottom - (value / most) * (bottom - top);
  context.textAlign = "right";
  for (const part of [0, 0.5, 1]) {
    context.fillStyle = colour("line");
    context.fillRect(left, Math.round(y(most * part)), right - left, 1);
    context.fillStyle = colour("soft");
    if (part) context.fillText(write(most * part), left - 6, y(most * part));
  }
  context.textAlign = "left";
  values.forEach((value, bin) => {
    if (value === null || value === undefined) return;
    context.fillStyle = colour(shade);
    const w = Math.max(1, x(bin + 1) - x(bin) - 0.5);
    if (kind === "area") context.fillRect(x(bin), y(value), w, Math.max(value > 0 ? 1 : 0, bottom - y(value)));
    else context.fillRect(x(bin), y(value) - 1.5, w, 3);
  });
  context.fillStyle = colour("soft");
  const ticks = Math.max(2, Math.floor((right - left) / 130));
  for (let i = 0; i <= ticks; i++) {
    const date = new Date((time.begin + (time.bin_s * time.bins * i) / ticks) * 1000);
    const text = formatMoment(date, time.bin_s * time.bins);
    const room = context.measureText(text).width;
    context.fillText(text, Math.min(right - room, Math.max(left, x((time.bins * i) / ticks) - room / 2)), height - 8);
  }
}

/* UTC, as precise as the span asks for. */
function formatMoment(date, span) {
  const text = date.toISOString();
  if (span > 6 * 86400) return text.slice(0, 10);
  if (span > 3600) return text.slice(5, 16).replace("T", " ");
  return text.slice(11, 19);
}

/* rows: {value, low, high, isMarked}; drawn side by side in their order, with 1 as a line. */
function drawIntervals(canvas, { rows, title, height = 150 }, ratio) {
  const chart = openChart(canvas, height, ratio);
  if (!chart) return [];
  const { context, width, colour } = chart;
  const known = rows.filter((r) => r.value !== null);
  context.fillStyle = colour("text");
  context.fillText(title, 0, 8);
  if (!known.length) {
    context.fillStyle = colour("soft");
    context.fillText("too few quanta on each host to tell", 0, 30);
    return [];
  }
  const low = Math.min(0.98, ...known.map((r) => r.low));
  const high = Math.max(1.02, ...known.map((r) => r.high));
  const [left, right, top, bottom] = [44, width - 10, 22, height - 10];
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  const step = (right - left) / known.length;
  context.textAlign = "right";
  for (const value of [low, 1, high]) {
    context.fillStyle = colour(value === 1 ? "soft" : "line");
    context.fillRect(left, Math.round(y(value)), right - left, 1);
    context.fillStyle = colour("soft");
    context.fillText(value.toFixed(2), left - 6, y(value));
  }
  context.textAlign = "left";
  return known.map((row, i) => {
    const x = left + (i + 0.5) * step;
    context.fillStyle = colour(row.isMarked ? "native" : "accent");
    context.globalAlpha = row.isMarked ? 1 : 0.6;
    context.fillRect(x - 0.5, y(row.high), 1, Math.max(1, y(row.low) - y(row.high)));
    const size = row.isMarked ? 3.5 : 2;
    context.fillRect(x - size, y(row.value) - size, 2 * size, 2 * size);
    context.globalAlpha = 1;
    return { x, row };
  });
}
