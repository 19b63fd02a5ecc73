/* What happened when: the rows of the analyzer's bins, summed over any stretch of them.
 *
 *   place   what has figures in a bin: a thread, a call, a site (a line that allocated or was sampled), or what was folded
 *           below a call. A caller stands before its callees.
 *
 * The arithmetic is the analyzer's (fold.c, analyze.c, line_sum.c): for a stretch the page shows what
 * `rubinprof table --from --to` does. */

const PLACE_THREAD = 0;
const PLACE_CALL = 1;
const PLACE_SITE = 2;
const TIME_COLUMNS = ["idle", "cpu", "gil_wait", "calls"]; // idle: wall time that was no CPU time
const MEMORY_COLUMNS = ["weight", "allocated", "allocations", "temporary", "growth", "peak", "leaked"];
const GROWTH = { key: "growth", name: "Growth", unit: "B", what: "bytes held at the end less those held at the begin" };

class Rows {
  constructor(columns, names) {
    const count = columns.place.length;
    this.first = new Int32Array(columns.rows.length + 1); // by bin
    this.place = new Int32Array(count);
    for (let bin = 0, i = 0; bin < columns.rows.length; bin++) {
      this.first[bin] = i;
      for (let at = 0, end = i + columns.rows[bin]; i < end; i++) this.place[i] = at += columns.place[i];
      this.first[bin + 1] = i;
    }
    for (const name of names) this[name] = Float64Array.from(columns[name]);
  }

  /* Adds a column of the bins [from, to) to `sums`, by place. */
  addTo(sums, name, from, to) {
    const { place } = this;
    const column = this[name];
    for (let i = this.first[from], end = this.first[to]; i < end; i++) sums[place[i]] += column[i];
    return sums;
  }
}

class Timeline {
  constructor(data, tree, frames, lines) {
    const t = data.timeline;
    this.bins = t.bins;
    this.foldedParts = t.folded_parts;
    this.length = t.length_s;
    this.begin = t.begin_s;
    this.heapMax = Float64Array.from(t.heap_max);
    this.heapEnd = Float64Array.from(t.heap_end);
    this.rss = Float64Array.from(t.rss_max);
    this.sizes = t.sizes;
    this.allocators = t.allocators;
    this.tree = tree;
    this.frames = frames;
    this.lines = lines;
    const p = t.places;
    this.count = p.up.length;
    this.parent = Int32Array.from(p.up, (up, i) => (up ? i - up : -1));
    this.kind = Uint8Array.from(p.kind);
    this.node = Int32Array.from(p.node);
    this.line = Int32Array.from(p.line);
    this.addDefLines();
    this.callLine = Int32Array.from(p.call_line);
    this.nativeLine = Int32Array.from(p.native_line);
    this.thread = Int32Array.from(p.thread);
    for (let i = 0; i < this.count; i++) if (this.parent[i] >= 0) this.thread[i] = this.thread[this.parent[i]];
    this.time = new Rows(t.time, TIME_COLUMNS);
    this.memory = new Rows(t.memory, MEMORY_COLUMNS);
    this.threads = data.threads;
    this.lanes = this.makeLanes();
  }

  /* The line of a call is where its function begins. */
  addDefLines() {
    const { frames, lines, tree } = this;
    const ofFrame = new Int32Array(frames.count).fill(-1);
    for (let l = 0; l < lines.count; l++) if (lines.line[l] === frames.line[lines.frame[l]]) ofFrame[lines.frame[l]] = l;
    for (let i = 0; i < this.count; i++) {
      const f = tree.frame[this.node[i]];
      if (this.kind[i] === PLACE_CALL && this.line[i] < 0 && f >= 0) this.line[i] = ofFrame[f];
    }
  }

  /* Seconds since the start of the run of a bin's edge. */
  at(bin) {
    return (bin / this.bins) * this.length;
  }

  binOf(seconds) {
    return Math.min(this.bins, Math.max(0, Math.round((seconds / this.length) * this.bins)));
  }

  /* CPU and GIL wait of each thread in each bin, busiest thread first. */
  makeLanes() {
    const lanes = this.threads.map((thread, index) => ({ index, thread, cpu: new Float64Array(this.bins), gil: new Float64Array(this.bins), sum: 0 }));
    const { time } = this;
    for (let bin = 0; bin < this.bins; bin++) {
      for (let i = time.first[bin]; i < time.first[bin + 1]; i++) {
        const lane = lanes[this.thread[time.place[i]]];
        if (!lane) continue;
        lane.cpu[bin] += time.cpu[i];
        lane.gil[bin] += time.gil_wait[i];
        lane.sum += time.cpu[i];
      }
    }
    return lanes.sort((a, b) => b.sum - a.sum || a.index - b.index);
  }

  /* Sums of all places over the bins [from, to). */
  placeSums(from, to) {
    const sums = {};
    for (const name of TIME_COLUMNS) sums[name] = this.time.addTo(new Float64Array(this.count), name, from, to);
    for (const name of MEMORY_COLUMNS) sums[name] = this.memory.addTo(new Float64Array(this.count), name, from, to);
    sums.wall = sums.idle.map((idle, i) => idle + sums.cpu[i]);
    // Held when the heap was highest: all growth before that bin, and what had come in it by then.
    let highest = from;
    for (let bin = from; bin < to; bin++) if (this.heapMax[bin] > this.heapMax[highest]) highest = bin;
    sums.peak = this.memory.addTo(new Float64Array(this.count), "growth", 0, highest);
    this.memory.addTo(sums.peak, "peak", highest, highest + 1);
    for (let i = 0; i < this.count; i++) {
      for (const name of ["cpu", "gil_wait", "wall", "weight"]) if (sums[name][i] < 0) sums[name][i] = 0;
      // Outside of Python a thread mostly waits for work: that is no wall time of the program.
      if (this.kind[i] === PLACE_THREAD && sums.wall[i] > sums.cpu[i]) sums.wall[i] = sums.cpu[i];
    }
    this.settleHeld(sums.peak);
    return { sums, highest };
  }

  /* What a place held is the sum of what it gained and lost over many bins. Where it was folded in some of them, its gain and its
   * loss stand in different places: one has too much, another less than nothing. Sums are right, so what is below a place shares
   * what the place holds with all that is below it. Where nothing was folded, nothing changes. */
  settleHeld(held) {
    const below = Float64Array.from(held);
    const gains = new Float64Array(this.count); // what is more than nothing: own, and of each place below
    for (let i = this.count - 1; i >= 0; i--) {
      gains[i] += Math.max(0, held[i]);
      if (this.parent[i] < 0) continue;
      below[this.parent[i]] += below[i];
      gains[this.parent[i]] += Math.max(0, below[i]);
    }
    const scale = new Float64Array(this.count);
    for (let i = 0; i < this.count; i++) {
      const whole = Math.max(0, below[i]) * (this.parent[i] < 0 ? 1 : scale[this.parent[i]]);
      scale[i] = gains[i] > 0 ? whole / gains[i] : 0;
      held[i] = Math.round(Math.max(0, held[i]) * scale[i]);
    }
  }

  interval(from, to) {
    const { sums, highest } = this.placeSums(from, to);
    const seconds = this.at(to) - this.at(from);
    // Each part asks for what it shows.
    const once = (make) => {
      let made;
      return () => (made ??= make());
    };
    const [tree, lines, threads] = [once(() => this.treeOf(sums)), once(() => this.linesOf(sums)), once(() => this.threadsOf(sums))];
    return {
      from, to, seconds, peakBytes: this.heapMax[highest], highest,
      get tree() {
        return tree();
      },
      get lines() {
        return lines();
      },
      get threads() {
        return threads();
      },
    };
  }

  treeOf(sums) {
    const { tree, frames } = this;
    const self = {};
    for (const key of [...METRICS.map((m) => m.key), "growth"]) {
      const to = (self[key] = new Float64Array(tree.count));
      const column = sums[key];
      for (let i = 0; i < this.count; i++) to[this.node[i]] += column[i];
    }
    const weight = new Float64Array(tree.count);
    for (let i = 0; i < this.count; i++) weight[this.node[i]] += sums.weight[i];
    // Native code shares the exact CPU time of the Python function above it; at the top, of what threads did outside of Python.
    const owner = new Int32Array(tree.count);
    const pooled = new Float64Array(tree.count);
    const thread = this.kind.indexOf(PLACE_THREAD);
    owner[0] = thread >= 0 ? this.node[thread] : 0;
    for (let n = 1; n < tree.count; n++) {
      const f = tree.frame[n];
      owner[n] = f >= 0 && frames.kind[f] !== KIND_PYTHON ? owner[tree.parent[n]] : n;
      pooled[owner[n]] += weight[n];
    }
    const cpu = Float64Array.from(self.cpu);
    const run = self.wall.map((wall, n) => Math.max(0, Math.min(wall, cpu[n]))); // how much of its wall time it ran
    for (let n = 0; n < tree.count; n++) {
      const o = owner[n];
      if (o === n || !(weight[n] > 0)) continue;
      const part = Math.min(self.cpu[o], Math.trunc(cpu[o] * (weight[n] / pooled[o])));
      const wall = Math.trunc(run[o] * (weight[n] / pooled[o]));
      self.cpu[n] += part;
      self.cpu[o] -= part;
      self.wall[n] += wall;
      self.wall[o] -= wall;
    }
    this.addVariances(self, tree.self);
    return new CallTree(tree.parent, tree.frame, self);
  }

  /* Of estimates in a stretch: what one sample adds to a figure is taken to be the same as in the whole run. */
  addVariances(columns, whole) {
    for (const { key } of METRICS) {
      const variance = whole[varianceKey(key)];
      if (variance) columns[varianceKey(key)] = columns[key].map((value, i) => (whole[key][i] > 0 ? value * (variance[i] / whole[key][i]) : 0));
    }
  }

  linesOf(sums) {
    const keys = [...METRICS.map((m) => m.key), "growth"];
    const own = {};
    const total = {};
    for (const key of keys) {
      own[key] = new Float64Array(this.lines.count);
      total[key] = new Float64Array(this.lines.count);
    }
    // What a place did on its own lines: calls where its function begins; time by the samples of the same callers, as everywhere.
    const units = this.unitsOf(sums);
    const mine = {};
    for (const key of keys) mine[key] = Float64Array.from(sums[key]);
    for (let i = 0; i < this.count; i++) {
      if (this.kind[i] === PLACE_CALL) mine.cpu[i] = mine.wall[i] = mine.gil_wait[i] = 0;
      const unit = this.kind[i] === PLACE_SITE && units.get(this.node[this.parent[i]]);
      if (!unit || !(unit.weight > 0)) continue;
      mine.cpu[i] = unit.cpu * (sums.weight[i] / unit.weight);
      mine.wall[i] = unit.run * (sums.weight[i] / unit.weight);
    }
    for (const key of keys) {
      const column = mine[key];
      const below = Float64Array.from(sums[key]);
      for (let i = this.count - 1; i >= 0; i--) if (this.parent[i] >= 0) below[this.parent[i]] += below[i];
      for (let i = 0; i < this.count; i++) {
        const isCall = this.kind[i] === PLACE_CALL;
        const [inner, outer, native] = [this.line[i], this.callLine[i], this.nativeLine[i]];
        if (inner >= 0) own[key][inner] += column[i];
        if (native >= 0) {
          own[key][native] += column[i];
          total[key][native] += column[i];
        }
        // A line that is on the stack already counts once.
        if (inner >= 0 && column[i] !== 0 && !this.isCalledFrom(isCall ? i : this.parent[i], inner)) total[key][inner] += column[i];
        if (isCall && outer >= 0 && !this.isCalledFrom(this.parent[i], outer)) total[key][outer] += below[i];
      }
    }
    this.addUnsampled(sums, units, own, total);
    this.addVariances(own, this.lines.own);
    this.addVariances(total, this.lines.total);
    return { own, total };
  }

  /* What samples are taken together for: the calls of one node of the tree. */
  unitsOf(sums) {
    const units = new Map();
    for (let i = 0; i < this.count; i++) {
      const call = this.kind[i] === PLACE_SITE ? this.parent[i] : i;
      if (this.kind[call] !== PLACE_CALL) continue;
      const unit = units.get(this.node[call]) ?? { cpu: 0, wall: 0, weight: 0, run: 0 };
      units.set(this.node[call], unit);
      if (call === i) {
        unit.cpu += sums.cpu[i];
        unit.wall += sums.wall[i];
      } else {
        unit.weight += sums.weight[i];
      }
    }
    for (const unit of units.values()) unit.run = Math.min(unit.cpu, unit.wall);
    return units;
  }

  /* Time of calls without samples in the stretch: by those of their function in it, else of no line. What was waited has none either. */
  addUnsampled(sums, units, own, total) {
    const unknown = (this.unknownLines ??= this.findUnknownLines());
    const spreads = this.spreadsOfFrames(sums);
    const add = (i, key, line, value) => {
      if (!(value > 0) || line === undefined) return;
      own[key][line] += value;
      if (!this.isCalledFrom(i, line)) total[key][line] += value;
    };
    for (let i = 0; i < this.count; i++) {
      if (this.kind[i] !== PLACE_CALL) continue;
      const unit = units.get(this.node[i]);
      const none = unknown.get(this.frameOf(i));
      const run = unit.wall > 0 ? sums.wall[i] * (unit.run / unit.wall) : 0;
      add(i, "wall", none, sums.wall[i] - run);
      add(i, "gil_wait", none, sums.gil_wait[i]);
      if (unit.weight > 0) continue;
      const { parts, weight } = spreads.get(this.frameOf(i)) ?? { parts: new Map([[none, 1]]), weight: 1 };
      for (const [l, part] of parts) {
        add(i, "cpu", l, sums.cpu[i] * (part / weight));
        add(i, "wall", l, run * (part / weight));
      }
    }
  }

  frameOf(i) {
    return this.line[i] >= 0 ? this.lines.frame[this.line[i]] : this.tree.frame[this.node[i]];
  }

  /* By frame: what was sampled on its lines. */
  spreadsOfFrames(sums) {
    const found = new Map();
    for (let i = 0; i < this.count; i++) {
      const l = this.line[i];
      if (this.kind[i] !== PLACE_SITE || l < 0 || !(sums.weight[i] > 0)) continue;
      const of = found.get(this.lines.frame[l]) ?? { parts: new Map(), weight: 0 };
      found.set(this.lines.frame[l], of);
      of.parts.set(l, (of.parts.get(l) ?? 0) + sums.weight[i]);
      of.weight += sums.weight[i];
    }
    return found;
  }

  /* By frame: the line for what has none. A function has one, unless all its code is on one line below its first, or on that. */
  findUnknownLines() {
    const { frames, lines } = this;
    const found = new Map();
    const rank = (l) => (lines.line[l] === 0 ? 2 : lines.line[l] !== frames.line[lines.frame[l]] ? 1 : 0);
    for (let l = 0; l < lines.count; l++) {
      const f = lines.frame[l];
      const best = found.get(f) === undefined ? (found.has(f) ? 1 : -1) : rank(found.get(f)); // undefined: several, and the right one is not there
      if (rank(l) > best) found.set(f, l);
      else if (rank(l) === best) found.set(f, undefined);
    }
    return found;
  }

  /* Whether the place or one of its callers was called from that line. */
  isCalledFrom(place, line) {
    for (let i = place; i >= 0; i = this.parent[i]) if (this.callLine[i] === line) return true;
    return false;
  }

  threadsOf(sums) {
    const rows = this.threads.map(() => Object.fromEntries(METRICS.map((m) => [m.key, 0])));
    for (let i = 0; i < this.count; i++) {
      const row = rows[this.thread[i]];
      if (row) for (const { key } of METRICS) row[key] += sums[key][i];
    }
    return rows;
  }

  /* Sum of a count over the bins [from, to): sizes or allocators. */
  counts(table, from, to) {
    return Object.entries(table).map(([name, column]) => {
      let sum = 0;
      for (let bin = from; bin < to; bin++) sum += column[bin];
      return { name, count: sum };
    });
  }

  /* When what a site left behind was born: bytes by bin, for the sites that `wanted(place)` says yes to. */
  leakedByBin(wanted) {
    const found = new Float64Array(this.bins);
    const { memory } = this;
    for (let bin = 0; bin < this.bins; bin++) {
      for (let i = memory.first[bin]; i < memory.first[bin + 1]; i++) {
        if (memory.leaked[i] && wanted(memory.place[i])) found[bin] += memory.leaked[i];
      }
    }
    return found;
  }
}

/* Lines of the trace: a function and a line in it. */
class Lines {
  constructor(columns) {
    this.frame = Int32Array.from(columns.frame);
    this.line = Int32Array.from(columns.line);
    this.callsOut = Float64Array.from(columns.calls_out);
    this.count = this.frame.length;
    this.own = this.columns(columns.own);
    this.total = this.columns(columns.total);
  }

  /* What nobody measured (null) is 0 here; the panel knows which that is. */
  columns(from) {
    return Object.fromEntries(Object.entries(from).map(([key, column]) => [key, column ? Float64Array.from(column) : new Float64Array(this.count)]));
  }
}

/* Flat rows of a tree: {frames: the first of each row, self, own, total: metric -> column}. A key that is on the stack several
 * times counts once in its total. keyOf(frame): what is a row. */
function flatRows(tree, frames, keys, keyOf) {
  const rowOf = new Int32Array(frames.count);
  const known = new Map();
  const first = [];
  for (let f = 0; f < frames.count; f++) {
    const key = keyOf(f);
    let row = known.get(key);
    if (row === undefined) {
      known.set(key, (row = first.length));
      first.push(f);
    }
    rowOf[f] = row;
  }
  const n = first.length;
  const make = () => Object.fromEntries(keys.map((key) => [key, new Float64Array(n)]));
  const rows = { count: n, frame: Int32Array.from(first), rowOf, self: make(), own: make(), total: make() };
  const row = new Int32Array(tree.count).fill(-1);
  const owner = new Int32Array(tree.count);
  const isOuter = new Uint8Array(tree.count); // the topmost of its row on this path
  const onPath = new Int32Array(n);
  const path = [];
  for (let i = 1; i < tree.count; i++) {
    while (path.length && path[path.length - 1] !== tree.parent[i]) {
      const left = row[path.pop()];
      if (left >= 0) onPath[left]--;
    }
    const f = tree.frame[i];
    row[i] = f < 0 ? -1 : rowOf[f];
    owner[i] = f >= 0 && frames.kind[f] !== KIND_PYTHON ? owner[tree.parent[i]] : i;
    if (row[i] >= 0 && onPath[row[i]]++ === 0) isOuter[i] = 1;
    path.push(i);
  }
  for (const key of keys) {
    const self = tree.self[key];
    const total = tree.total(key);
    for (let i = 1; i < tree.count; i++) {
      const r = row[i];
      if (r < 0) continue;
      if (self[i] !== 0) {
        rows.self[key][r] += self[i];
        rows.own[key][r] += self[i];
        const over = row[owner[i]];
        if (over !== r && over >= 0) rows.own[key][over] += self[i];
      }
      if (isOuter[i]) rows.total[key][r] += total[i];
    }
  }
  return rows;
}
