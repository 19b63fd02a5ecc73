/* What the page carries: gzip+base64 blocks of JSON columns, and how its figures are written for people.
 *
 * Names come from traced programs and may hold anything. They reach the page through textContent and canvas text only. */

/* What a metric is, in the order in which pages offer them: the analyzer's list (csrc/report/metric.c). `key` is its word, `row` its key in rows of reports,
 * `part` the figures that belong to a place itself, `unknownIf` the bits of `sampled` (tree.js) with which it is not known. Filled when a page begins. */
const METRICS = [];

/* How figures of a report's unit are written, and what makes them so. */
const UNITS = { s: { unit: "ns", scale: 1e9 }, bytes: { unit: "B", scale: 1 }, count: { unit: "", scale: 1 } };

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function takeMetrics(rows) {
  for (const m of rows) if (m.in_tree) METRICS.push({ key: m.word, row: m.key, name: capital(m.title), unit: UNITS[m.unit].unit, what: m.what, part: m.part, hasTotal: m.has_total, unknownIf: m.unknown_if });
}

/* Nobody measured CPU time. */
let isCpuOff = false;

/* Nobody recorded memory. */
let isMemoryOff = false;

/* Where some processes alone recorded what these metrics are of: how many, as words behind a figure. */
let recordedIn = { cpu: "", memory: "" };

function isOfMemory(metric) {
  return metric.unit === "B" || metric.key === "allocations";
}

function recordersText(metric) {
  return recordedIn[isOfMemory(metric) ? "memory" : "cpu"];
}

/* Why a trace has no figures of a metric. */
function unknownText(metric) {
  if (isCpuOff && metric.unit === "ns") return "not measured";
  if (isMemoryOff && isOfMemory(metric)) return "not recorded";
  return `${metric.unit === "ns" ? "not measured" : "not counted"} in sampled mode`;
}

/* The same where some processes measured it. */
function partlyText(metric) {
  return `${metric.unit === "ns" ? "measured" : "counted"} in some processes only`;
}

const KIND_PYTHON = 0;
const KIND_NATIVE = 1;
const KIND_INLINED = 2;
const KIND_OTHER = 3; // groups and markers of the analyzer: no function of the program
const KIND_NAMES = ["Python", "C/C++", "C/C++, inlined", "other"];

async function readBlock(id) {
  const text = document.getElementById(id).textContent.trim();
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/* Control characters and direction marks become visible: a name must not rearrange the text around it. */
function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
  });
}

/* A C++ name for a narrow box: template arguments and parameters go, what is called stays. */
function shortName(name) {
  if (name.length < 24) return name;
  let out = "";
  let depth = 0;
  for (let i = 0; i < name.length; i++) {
    if (depth === 0) {
      const special = /^(operator(?:\(\)|<=>|<<=?|>>=?|<=?|>=?|->)|\(anonymous namespace\)|\{lambda[^}]*\}(?:#\d+)?)/.exec(name.slice(i, i + 80));
      if (special) {
        out += special[0].startsWith("{lambda") ? "{lambda}" : special[0];
        i += special[0].length - 1;
        continue;
      }
    }
    const c = name[i];
    if (c === "<" || c === "(") {
      if (depth++ === 0 && c === "<") out += "<>";
    } else if (c === ">" || c === ")") {
      depth = Math.max(0, depth - 1);
    } else if (depth === 0) {
      out += c;
    }
  }
  out = out.replace(/ (const|volatile|noexcept|\[clone [^\]]*\])+$/g, "").trim();
  const space = out.lastIndexOf(" "); // a return type stands before the name
  if (space > 0 && !out.includes("operator ") && !out.includes("(anonymous namespace)")) out = out.slice(space + 1);
  return out || name;
}

function baseName(path) {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return cut < 0 ? path : path.slice(cut + 1);
}

function formatDuration(ns) {
  const seconds = Math.round(ns / 1e9);
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  if (seconds >= 100) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const steps = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]];
  for (const [size, name] of steps) if (ns >= size) return `${threeDigits(ns / size)} ${name}`;
  return `${Math.round(ns)} ns`;
}

function formatBytes(bytes) {
  const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let i = 0;
  while (value >= 1024 && i < names.length - 1) {
    value /= 1024;
    i++;
  }
  return i === 0 ? `${Math.round(value)} B` : `${threeDigits(value)} ${names[i]}`;
}

/* Unix time as an ISO date in UTC; null where it is not known. */
function formatStart(seconds) {
  const date = new Date(seconds * 1000);
  return seconds > 0 && !isNaN(date) ? `${date.toISOString().slice(0, 16).replace("T", " ")} UTC` : null;
}

function formatCount(n) {
  return Math.round(n).toLocaleString("en-US");
}

function threeDigits(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function formatValue(value, unit) {
  if (unit === "ns") return formatDuration(value);
  return unit === "B" ? formatBytes(value) : formatCount(value);
}

/* Of a sampled trace: what one sample adds to a figure on average, in the metric's unit, and the CPU time of the processes that were sampled, and of all. Null where all is exact. */
let samples = null;
/* Of time that is known exactly and shared out by samples: how much there is, and what one sample stands for. Null where there is none. */
let shared = null;

function setSamples(stats) {
  isCpuOff = stats.cpu_s === null;
  for (const what of ["cpu", "memory"]) {
    const off = stats.mode_processes?.[what]?.off ?? 0;
    if (what === "memory") isMemoryOff = off > 0 && off === stats.processes;
    recordedIn[what] = off > 0 && off < stats.processes ? ` of ${stats.processes - off} of ${stats.processes} processes` : "";
  }
  if (stats.shared_out?.samples > 0) shared = { whole: stats.shared_out.cpu_s * 1e9, unit: (stats.shared_out.cpu_s * 1e9) / stats.shared_out.samples };
  const adds = stats.sample_adds;
  if (!adds) return;
  samples = { cpu: (adds.cpu_s ?? 0) * 1e9, allocations: adds.allocations ?? 0, wholeCpu: (stats.sampled_cpu_s ?? stats.cpu_s) * 1e9, allCpu: stats.cpu_s * 1e9 };
  for (const key of ["allocated", "peak", "leaked"]) samples[key] = adds.bytes ?? 0;
}

function isEstimate(key) {
  return Boolean(samples?.[key]);
}

const Z = 1.959964; // 95 %

/* Half of the 95 % interval around an estimate: docs/sampling.md. part: what is known of its samples (doubtOf); else those of a stretch of time or of a place
 * are taken to be as those of the whole trace. */
function errorOf(value, key, part) {
  if (part?.isShared) {
    const whole = part.whole ?? shared?.whole ?? 0;
    if (!(whole > 0) || !shared) return 0;
    const figure = part.part ?? value;
    if (part.whole !== undefined && !(part.wholeSamples > 0)) return figure >= whole ? 0 : whole; // nothing tells how it is shared
    const unit = part.wholeSamples > 0 ? whole / part.wholeSamples : shared.unit;
    const share = Math.min(1, figure / whole);
    const own = part.samples > 0 && figure > 0 ? figure / part.samples : unit;
    return errorOfPart(figure, (Z * Z * ((1 - share) * own + share * unit)) / whole, whole);
  }
  if (!isEstimate(key)) return 0;
  const unit = samples[key];
  const estimate = part?.isBoth ? Math.min(value, part.variance / unit) : value;
  const variance = estimate > 0 ? part?.variance ?? value * unit : 0;
  const own = variance > 0 ? variance / estimate : unit; // what one of its samples adds
  if (key !== "cpu" || !(samples.wholeCpu > 0)) return (Z * Z * own) / 2 + Z * Math.sqrt(variance + (Z * Z * own * own) / 4);
  const share = Math.min(1, estimate / samples.wholeCpu);
  const error = errorOfPart(estimate, (Z * Z * ((1 - share) * own + share * unit)) / samples.wholeCpu, samples.wholeCpu);
  return part?.hasShare && part.isBoth ? Math.hypot(error, errorOf(value - estimate, key, { isShared: true })) : error;
}

/* Of a part of a whole that is known exactly. k: z squared by the number of samples. */
function errorOfPart(value, k, whole) {
  const share = Math.min(1, Math.max(0, value / whole));
  const less = Math.min(share, 1 - share);
  return whole * ((less + k / 2 + Math.sqrt(k * less * (1 - less) + (k * k) / 4)) / (1 + k) - less);
}

/* error: null where nobody knows it: nothing was sampled but what was certain to be. */
function formatDoubt(value, error) {
  if (error === null) return " ±?";
  if (!(error > 0)) return "";
  return error >= Math.abs(value) ? " vague" : ` ±${Math.ceil((100 * error) / Math.abs(value))}%`;
}

/* A figure of a metric, with its error where it is an estimate; "vague" is too vague to use: the error is as large as the figure.
   isRoot: it is of all that ran, whose CPU time the clock tells. doubt: as doubtOf gives it. */
function formatFigure(value, metric, isRoot = false, doubt = undefined) {
  const isKnown = doubt === true || (isRoot && metric.key === "cpu" && value > samples?.allCpu - 1);
  return formatValue(value, metric.unit) + (isKnown ? "" : formatDoubt(value, errorOf(value, metric.key, doubt)));
}

function hasDoubt(key) {
  return isEstimate(key) || Boolean(shared && isTime(key));
}

function figureWidth(key) {
  return `minmax(${hasDoubt(key) ? 132 : 84}px, 0.6fr)`;
}

function formatShare(part, whole) {
  if (!(whole > 0)) return "–";
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 0.01) return "< 0.01 %";
  return `${percent >= 99.95 ? percent.toFixed(0) : percent.toFixed(percent < 1 ? 2 : 1)} %`;
}
