/* What is worth acting on, in words with figures: candidates with a weight, the heaviest three are shown. */

function findFindings(report) {
  const now = report.now;
  const found = [
    ...hottest(report, now), gilWait(report, now), peakHolder(report, now), leak(report, now), temporary(report, now), imports(report, now),
    idle(report, now), slowRegion(report, now),
  ].filter(Boolean);
  found.sort((a, b) => b.weight - a.weight);
  // One line is told of once: what holds the peak is often what leaked.
  return found.filter((finding, i) => finding.line === undefined || !found.slice(0, i).some((other) => other.line === finding.line)).slice(0, 3);
}

/* Where the CPU time comes together: down the heaviest branch until it spreads out. Imports have a finding of their own. */
function hottest(report, now) {
  const { frames } = report;
  const total = now.tree.total("cpu");
  if (!(total[0] > 0)) return [];
  const { from, ids } = now.tree.childLists();
  const isImport = frames.matching((t) => IMPORT_SYSTEM.test(t), ["file"]);
  let at = 0;
  let python = -1;
  for (;;) {
    let best = -1;
    for (let c = from[at]; c < from[at + 1]; c++) if (!isImport[now.tree.frame[ids[c]]] && (best < 0 || total[ids[c]] > total[best])) best = ids[c];
    const f = now.tree.frame[at];
    // What nearly everything runs below says nothing, nor does a module's own body.
    const carries = f < 0 || report.carrier[f] || total[at] > 0.8 * total[0] || frames.fullName(f) === "<module>";
    if (best < 0 || (!carries && total[best] < 0.6 * total[at]) || total[best] < 0.02 * total[0]) break;
    at = best;
    if (frames.kind[now.tree.frame[at]] === KIND_PYTHON) python = now.tree.frame[at];
  }
  const out = [];
  const frame = now.tree.frame[at];
  if (frame >= 0 && !report.carrier[frame] && frames.kind[frame] < KIND_OTHER) {
    const sum = now.tree.everywhere(frame, "cpu", frames.count).total;
    const isNative = frames.kind[frame] !== KIND_PYTHON;
    const line = report.heaviestLine(isNative ? python : frame, "cpu", isNative ? "own" : "total");
    out.push({
      weight: sum / total[0], frame, metric: "cpu",
      text: `${formatShare(sum, total[0])} of the CPU time (${formatDuration(sum)}) is spent in ${frames.label(frame)}` +
        (isNative ? (line ? ` below ${line.text}.` : ".") : line ? `, most of it at ${line.text}.` : "."),
    });
  }
  // The function with most time of its own, where that is another.
  const rows = report.rowsBy("function");
  let own = -1;
  for (let r = 0; r < rows.count; r++) {
    const f = rows.frame[r];
    if (!report.carrier[f] && frames.fullName(f) !== RP_FOLDED && (own < 0 || rows.self.cpu[r] > rows.self.cpu[own])) own = r;
  }
  if (own >= 0 && rows.frame[own] !== frame && rows.self.cpu[own] > 0.1 * total[0]) {
    const f = rows.frame[own];
    out.push({
      weight: 0.9 * (rows.self.cpu[own] / total[0]), frame: f, metric: "cpu",
      text: `${formatShare(rows.self.cpu[own], total[0])} of the CPU time (${formatDuration(rows.self.cpu[own])}) is ${frames.label(f)}'s own` +
        `${frames.place(f) ? ` (${frames.place(f)})` : ""}: what it does itself, not what it calls.`,
    });
  }
  return out;
}

/* All processes measured it. */
function isKnown(report, key) {
  return report.panel.choices.some((m) => m.key === key);
}

function gilWait(report, now) {
  if (!isKnown(report, "gil_wait")) return null;
  const gil = now.tree.total("gil_wait")[0];
  const cpu = now.tree.total("cpu")[0];
  if (!(gil > 0.05 * cpu)) return null;
  const f = report.heaviestFrame("gil_wait", "own");
  return {
    weight: Math.min(1, gil / (cpu + gil)), frame: f, metric: "gil_wait",
    text: `Threads waited ${formatDuration(gil)} for the interpreter lock, ${formatShare(gil, cpu + gil)} of the time they could have computed` +
      (f >= 0 ? `; most of it in ${report.frames.label(f)}.` : "."),
  };
}

function peakHolder(report, now) {
  const whole = now.tree.total("peak")[0];
  if (!(whole > 1 << 20)) return null;
  const line = report.heaviestLine(-1, "peak", "own");
  if (!line || line.value < 0.15 * whole) return null;
  return {
    weight: 0.7 * (line.value / whole), frame: line.frame, line: line.id, metric: "peak",
    text: `${formatShare(line.value, whole)} of what was held at the peak (${formatBytes(line.value)} of ${formatBytes(whole)}) was allocated at ${line.text}.`,
  };
}

/* What grows with the run is a leak, however small; what was born at one time is a table, a buffer or an import that is wanted. */
function leak(report, now) {
  const whole = now.tree.total("leaked")[0];
  const peak = now.tree.total("peak")[0];
  if (!(whole > 1 << 20) || whole < 0.02 * peak) return null;
  const { timeline } = report;
  const { lines, kept } = leakedLines(report);
  const grown = lines.filter((line) => line.grows && line.bytes > 0.01 * whole);
  const line = grown[0] ?? lines[0];
  if (!line) return null;
  const when = line.grows ? (line.processes > 1 ? `, in ${plural(line.processes, "process", "processes")}: it kept growing.` : ": it kept growing over the run.")
    : line.processes > 1 ? `, in ${plural(line.processes, "process", "processes")}: in most it did not keep growing.`
    : line.isLate ? `, at once, ${formatDuration(timeline.at(line.most) * 1e9)} into the run.` : ", most of it early: perhaps a cache that is wanted.";
  const besides = Object.entries(kept).filter(([, bytes]) => bytes > 0.05 * whole).map(([what, bytes]) => `${formatBytes(bytes)} ${KEPT_WORDS[what]}`);
  const arenaText = besides.length ? ` No leak: ${besides.join(", ")}.` : "";
  return {
    weight: line.grows ? 0.4 + 0.4 * Math.min(1, line.bytes / peak) : 0.36 * Math.min(1, whole / peak),
    frame: report.lines.frame[line.id], line: line.id, metric: "leaked",
    text: `${formatBytes(whole)} were never freed, ${formatBytes(line.bytes)} of them allocated at ${report.lineText(line.id)}${when}${arenaText}`,
  };
}

const ARENA = /^(_PyMem_ArenaAlloc|_PyObject_Arena\w+|new_arena|arena_alloc)/;

/* Buffers that a library makes once and keeps. */
const LIBRARY_BUFFER = /openblas|blas_memory_alloc|mkl|blis|lib[gi]omp|fftw/i;
const KEPT_WORDS = { arena: "are arenas of CPython's small objects, which no line owns", library: "are buffers that libraries keep", import: "came with imports" };

/* Which places of the timeline are no leak, however long they live: "arena", "library", "import" by place. */
function keptPlaces(report) {
  if (report.kept) return report.kept;
  const { timeline, frames, lines } = report;
  const { tree } = timeline;
  const isImport = frames.matching((t) => IMPORT_SYSTEM.test(t), ["file"]);
  const below = new Uint8Array(tree.count); // below an import
  for (let i = 1; i < tree.count; i++) below[i] = below[tree.parent[i]] || (tree.frame[i] >= 0 && isImport[tree.frame[i]]) ? 1 : 0;
  report.kept = Array.from({ length: timeline.count }, (_, place) => {
    const native = timeline.nativeLine[place] >= 0 ? lines.frame[timeline.nativeLine[place]] : -1;
    if (native >= 0 && ARENA.test(frames.fullName(native))) return "arena";
    if (native >= 0 && LIBRARY_BUFFER.test(`${frames.fullName(native)} ${frames.text(frames.module[native])}`)) return "library";
    return below[timeline.node[place]] ? "import" : null;
  });
  return report.kept;
}

/* Lines of Python that left something behind, largest first, with what their births over the run look like; and the bytes of what is no leak. */
function leakedLines(report) {
  const { timeline, lines } = report;
  const births = new Map();
  const kept = { arena: 0, library: 0, import: 0 };
  const why = keptPlaces(report);
  const processOf = (place) => timeline.threads[timeline.thread[place]]?.process ?? 0;
  for (let bin = 0; bin < timeline.bins; bin++) {
    for (let i = timeline.memory.first[bin]; i < timeline.memory.first[bin + 1]; i++) {
      const bytes = timeline.memory.leaked[i];
      const place = timeline.memory.place[i];
      const id = timeline.line[place];
      if (!bytes || id < 0) continue;
      if (why[place]) {
        kept[why[place]] += bytes;
        continue;
      }
      const process = processOf(place);
      if (!births.has(id)) births.set(id, new Map());
      const of = births.get(id);
      if (!of.has(process)) of.set(process, new Float64Array(timeline.bins));
      of.get(process)[bin] += bytes;
    }
  }
  const spans = spansOf(timeline, processOf);
  const found = [...births].map(([id, of]) => ({ id, ...growthOfAll(of, spans) }));
  return { lines: found.filter((l) => l.bytes > 0 && !report.carrier[lines.frame[l.id]]).sort((a, b) => b.bytes - a.bytes), kept };
}

/* By process the bins in which it did anything: [from, to). */
function spansOf(timeline, processOf) {
  const spans = new Map();
  for (const rows of [timeline.time, timeline.memory]) {
    for (let bin = 0; bin < timeline.bins; bin++) {
      for (let i = rows.first[bin]; i < rows.first[bin + 1]; i++) {
        const process = processOf(rows.place[i]);
        const [from, to] = spans.get(process) ?? [bin, bin];
        spans.set(process, [Math.min(from, bin), Math.max(to, bin + 1)]);
      }
    }
  }
  return spans;
}

/* Births by process: one that runs after another adds to the sum, and grows no more for that. */
function growthOfAll(births, spans) {
  const all = [...births].map(([process, of]) => growth(of.slice(...spans.get(process)), spans.get(process)[0]));
  const bytes = all.reduce((sum, one) => sum + one.bytes, 0);
  const grown = all.reduce((sum, one) => sum + (one.grows ? one.bytes : 0), 0);
  return { ...all[0], bytes, grows: grown > 0.5 * bytes, processes: births.size };
}

/* Births by bin in words: grows: in most eighths of the run, and in none more than in the others together. */
function growth(births, begin) {
  const sum = (from, to) => births.slice(from, to).reduce((s, v) => s + v, 0);
  const bytes = sum(0);
  const eighths = Array.from({ length: 8 }, (_, k) => sum(Math.floor((k * births.length) / 8), Math.floor(((k + 1) * births.length) / 8)));
  const grows = eighths.slice(2).filter((v) => v > 0.03 * bytes).length >= 3 && Math.max(...eighths) < 0.5 * bytes;
  const isLate = sum(Math.floor(births.length / 4)) > 0.5 * bytes;
  return { bytes, grows, isLate, most: begin + births.reduce((best, v, bin) => (v > births[best] ? bin : best), 0) };
}

function temporary(report, now) {
  if (!isKnown(report, "temporary")) return null;
  const whole = now.tree.total("allocated")[0];
  const sum = now.tree.total("temporary")[0];
  if (!(sum > 0.3 * whole) || now.tree.total("allocations")[0] < 10_000) return null;
  const line = report.heaviestLine(-1, "temporary", "own");
  if (!line) return null;
  return {
    weight: 0.35 * (sum / whole), frame: line.frame, metric: "temporary",
    text: `${formatShare(sum, whole)} of all bytes allocated (${formatBytes(sum)}) were freed again at once; most at ${line.text}: a buffer kept there would save them.`,
  };
}

function imports(report, now) {
  const { frames } = report;
  const chosen = frames.matching((t) => IMPORT_SYSTEM.test(t), ["file"]);
  const total = now.tree.total("cpu");
  const sum = now.tree.topmost(chosen).reduce((s, i) => s + total[i], 0);
  if (!(sum > 0.1 * total[0])) return null;
  return {
    weight: 0.5 * (sum / total[0]), frame: -1, query: "^_find_and_load$", metric: "cpu",
    text: `Importing modules took ${formatShare(sum, total[0])} of the CPU time (${formatDuration(sum)}).`,
  };
}

function idle(report, now) {
  const cpu = now.tree.total("cpu")[0];
  const wall = now.seconds * 1e9;
  if (isCpuOff || !isKnown(report, "wall") || !(wall > 1e8) || cpu > 0.6 * wall) return null;
  const rows = report.rowsBy("function");
  let best = -1;
  const idleOf = (r) => rows.own.wall[r] - rows.own.cpu[r];
  for (let r = 0; r < rows.count; r++) if (!report.carrier[rows.frame[r]] && (best < 0 || idleOf(r) > idleOf(best))) best = r;
  if (best < 0 || idleOf(best) < 0.2 * wall) return null;
  const f = rows.frame[best];
  return {
    weight: 0.5 * (1 - cpu / wall), frame: f, metric: "wall",
    text: `Only ${formatShare(cpu, wall)} of one CPU was used; ${report.frames.label(f)}${report.frames.place(f) ? ` (${report.frames.place(f)})` : ""} ` +
      `was off the CPU for ${formatDuration(idleOf(best))}: it waited, or other programs had the CPU.`,
  };
}

function slowRegion(report, now) {
  const outliers = report.regions.filter((r) => r.isOutlier && r.bins.to > now.from && r.bins.from < now.to);
  if (!outliers.length) return null;
  const worst = outliers.reduce((a, b) => (b.times > a.times ? b : a));
  return {
    weight: Math.min(0.45, 0.05 * worst.times), region: worst.index, metric: "wall",
    text: `${outliers.length === 1 ? "One region was" : `${outliers.length} regions were`} far slower than others of its name: ` +
      `${regionLabel(worst)} took ${formatDuration(worst.wall_s * 1e9)}, ${worst.times.toFixed(1)} times the median.`,
  };
}

const RP_FOLDED = "[smaller frames]";
