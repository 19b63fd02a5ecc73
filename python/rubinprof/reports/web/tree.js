/* Call trees as columns.
 *
 *   frame   a function (name, file, line, kind): an id into the frame columns
 *   node    one place in the call tree. A parent stands before its children, so one reverse pass sums a tree up.
 *   layout  nodes of a tree, for one metric, in the order and at the places in which they are drawn:
 *           depth-first pre-order, widest first, so that a subtree is the stretch [i, end[i])
 * Node 0 of every tree is "everything" and carries frame -1. No recursion: a stack may be as deep as it likes. */

/* Bits in `sampled` of frames and processes: a figure is an estimate; exact processes have a part in it, too. */
const sampledBit = (key) => (key === "cpu" ? 1 : 2);
const bothBit = (key) => (key === "cpu" ? 8 : 16);
const SHARED_BIT = 32; // native code: samples gave it a share of time that is known exactly
const OFF_BITS = 64 | 128; // CPU time, memory: none of the processes that it was met in recorded it
const SAMPLES = "samples"; // a column of figures that is no metric
const isTime = (key) => key === "cpu" || key === "wall";

/* Those of two frames together. */
function bothBits(a, b) {
  if (a === undefined) return b;
  return ((a | b) & ~OFF_BITS) | (a & b & OFF_BITS) | ((a ^ b) & 1 ? 8 : 0) | ((a ^ b) & 2 ? 16 : 0);
}

/* The variance of an estimate, in us², KiB² or counts: a column beside it where processes were traced in several modes. */
const varianceKey = (key) => `variance_${key}`;
const varianceUnit = (key) => (key === "cpu" ? 1e6 : key === "allocations" ? 1 : 2 ** 20);

/* What is known of how a figure came about. True: no process that it comes from was sampled. {variance, isBoth}: that of the estimate, and whether exact processes
 * have a part in it. {isShared, part, samples, whole, wholeSamples}: a share of exact time, and what it is a part of (of all that is exact where it
 * does not say), by so many samples. Nothing: as all figures of the trace.
 * bits: of its frames, nothing where all processes were traced in one mode. */
function doubtOf(bits, key, variance) {
  if (bits === undefined) return undefined;
  const isShared = Boolean(bits & SHARED_BIT) && isTime(key);
  if (!(bits & sampledBit(key)) || key === "wall") return isShared ? { isShared } : true;
  return variance === undefined ? undefined : { variance: variance * varianceUnit(key), isBoth: Boolean(bits & bothBit(key)), hasShare: isShared };
}

/* Two of these, of one line of source. */
function bothShares(a, b) {
  if (!a || !b) return a ?? b;
  return Object.fromEntries(Object.entries(a).map(([key, value]) => [key, key === "isShared" ? value : value + b[key]]));
}

class Frames {
  constructor(strings, columns) {
    this.strings = strings.map(visible);
    this.name = Int32Array.from(columns.name);
    this.file = Int32Array.from(columns.file);
    this.line = Int32Array.from(columns.line);
    this.kind = Uint8Array.from(columns.kind, (k) => (k >= 0 && k < KIND_OTHER ? k : KIND_OTHER));
    this.module = Int32Array.from(columns.module);
    this.sampled = columns.sampled ? Uint8Array.from(columns.sampled) : null; // null: the same of all
    this.allSampled = this.sampled ? this.sampled.reduce(bothBits) & ~SHARED_BIT : undefined;
    this.count = this.name.length;
    this.labels = new Array(this.count);
  }

  /* `sampled` of a frame, or of everything (-1); nothing where it is the same of all. */
  bits(frame) {
    return frame < 0 ? this.allSampled : this.sampled?.[frame];
  }

  /* A process that ran it did not measure the metric, others did. */
  isUnknown(frame, metric) {
    return Boolean(this.bits(frame) & metric.unknownIf);
  }

  text(id) {
    return this.strings[id] ?? "";
  }

  /* The frame that the analyzer gives the root: no Python function is without a file. */
  isRoot(frame) {
    return this.kind[frame] === KIND_PYTHON && !this.text(this.file[frame]) && this.fullName(frame) === "[all]";
  }

  fullName(frame) {
    return frame < 0 ? "everything" : this.text(this.name[frame]) || "(no name)";
  }

  label(frame) {
    if (frame < 0) return "everything";
    return (this.labels[frame] ??= this.kind[frame] === KIND_PYTHON ? this.fullName(frame) : shortName(this.fullName(frame)));
  }

  /* "measure.py:88", or the library for a native frame without debug information, or nothing. */
  place(frame, whole = false) {
    if (frame < 0) return "";
    const file = this.text(this.file[frame]);
    if (file) return (whole ? file : baseName(file)) + (this.line[frame] > 0 ? `:${this.line[frame]}` : "");
    const module = this.text(this.module[frame]);
    return whole ? module : baseName(module);
  }

  /* One frame for all functions of a file, module or library: {frames, of: the new frame of each}. */
  grouped(by) {
    const of = new Int32Array(this.count);
    const columns = { name: [], file: [], line: [], kind: [], module: [], sampled: this.sampled && [] };
    const strings = [...this.strings];
    const known = new Map();
    for (let f = 0; f < this.count; f++) {
      const text = this.groupName(f, by);
      const kind = this.kind[f] === KIND_INLINED ? KIND_NATIVE : this.kind[f];
      const key = `${kind} ${text}`;
      let id = known.get(key);
      if (id === undefined) {
        known.set(key, (id = columns.name.length));
        columns.name.push(strings.push(text) - 1);
        columns.file.push(by === "file" ? this.file[f] : -1);
        columns.line.push(0);
        columns.kind.push(kind);
        columns.module.push(by === "file" ? -1 : this.module[f]);
      }
      if (this.sampled) columns.sampled[id] = bothBits(columns.sampled[id], this.sampled[f]);
      of[f] = id;
    }
    return { frames: new Frames(strings, columns), of };
  }

  groupName(f, by) {
    const file = this.text(this.file[f]);
    const module = this.text(this.module[f]);
    if (by === "file") return baseName(file) || baseName(module) || this.fullName(f);
    if (this.kind[f] !== KIND_PYTHON) return baseName(module) || this.fullName(f);
    if (by === "module") return module || baseName(file) || this.fullName(f);
    return (module || baseName(file).replace(/\.py$/, "") || this.fullName(f)).split(".")[0];
  }

  /* Which frames a test on strings says yes to; each distinct string is asked once. */
  matching(test, columns) {
    const answers = new Map();
    const ask = (id) => {
      let yes = answers.get(id);
      if (yes === undefined) answers.set(id, (yes = id >= 0 && test(this.text(id))));
      return yes;
    };
    const found = new Uint8Array(this.count);
    for (let f = 0; f < this.count; f++) found[f] = columns.some((column) => ask(this[column][f])) ? 1 : 0;
    return found;
  }
}

class CallTree {
  constructor(parent, frame, self) {
    this.parent = parent;
    this.frame = frame;
    this.self = self; // metric key -> Float64Array
    this.unknown = []; // metrics that a sampled trace tells nothing of
    this.partly = []; // metrics that some processes tell of
    this.count = parent.length;
    this.totals = {};
    this.children = null;
  }

  /* The tree of the trace. Where its node 0 is a function rather than a root, one is put in front. */
  static fromColumns(nodes, frames) {
    const n = nodes.parent.length;
    const isFrame = (f) => f >= 0 && f < frames.count && !frames.isRoot(f);
    const shift = n > 0 && !isFrame(nodes.frame[0]) ? 0 : 1;
    const parent = new Int32Array(n + shift);
    const frame = new Int32Array(n + shift).fill(-1);
    parent[0] = -1;
    for (let i = 1 - shift; i < n; i++) {
      const p = nodes.parent[i];
      if (!(p < i)) throw new Error(`node ${i} stands before its parent`);
      parent[i + shift] = p < 0 ? 0 : p + shift;
      if (isFrame(nodes.frame[i])) frame[i + shift] = nodes.frame[i];
    }
    const self = {};
    const keys = METRICS.map((m) => m.key);
    for (const key of [...keys, ...keys.map(varianceKey).filter((key) => nodes[key]), SAMPLES]) {
      self[key] = new Float64Array(n + shift);
      const column = nodes[key];
      if (!column) continue;
      for (let i = 0; i < n; i++) self[key][i + shift] = column[i] > 0 ? column[i] : 0;
    }
    const tree = new CallTree(parent, frame, self);
    tree.unknown = METRICS.filter(({ key }) => nodes[key] === null);
    tree.partly = METRICS.filter(({ key }) => nodes[key]?.[0] === null);
    return tree;
  }

  /* Nothing where the tree does not have the column. */
  total(metric) {
    if (!this.self[metric]) return undefined;
    if (!this.totals[metric]) {
      const sum = Float64Array.from(this.self[metric]);
      for (let i = this.count - 1; i > 0; i--) sum[this.parent[i]] += sum[i];
      this.totals[metric] = sum;
    }
    return this.totals[metric];
  }

  /* Children of node i: ids[from[i]] ... ids[from[i + 1] - 1]. */
  childLists() {
    if (!this.children) {
      const from = new Int32Array(this.count + 1);
      for (let i = 1; i < this.count; i++) from[this.parent[i] + 1]++;
      for (let i = 0; i < this.count; i++) from[i + 1] += from[i];
      const fill = from.slice();
      const ids = new Int32Array(Math.max(0, this.count - 1));
      for (let i = 1; i < this.count; i++) ids[fill[this.parent[i]]++] = i;
      this.children = { from, ids };
    }
    return this.children;
  }

  /* The tree without some frames: what they did is their caller's, what they called hangs below their caller. */
  without(hidden, frameCount) {
    return this.rehung(frameCount, (f) => f, (above, f) => (hidden[f] ? above : -1));
  }

  /* The tree of groups of frames: a group that calls itself is one node. */
  regrouped(of, frameCount) {
    return this.rehung(frameCount, (f) => of[f], (above, f, frame) => (frame[above] === f ? above : -1));
  }

  /* A function that is on the stack already is not opened again: what it does there is done where it began. */
  withoutRecursion(frameCount) {
    return this.rehung(frameCount, (f) => f, (above, f, frame, parent) => {
      for (let i = above; i > 0; i = parent[i]) if (frame[i] === f) return i;
      return -1;
    });
  }

  /* A new tree: name(f) is the frame that stands for f; join(above, f) is the node that takes it over, -1: a child of above. */
  rehung(frameCount, name, join) {
    const place = new Int32Array(this.count);
    const parent = [-1];
    const frame = [-1];
    const known = new Map();
    for (let i = 1; i < this.count; i++) {
      const above = place[this.parent[i]];
      const f = this.frame[i] < 0 ? -1 : name(this.frame[i]);
      let id = f < 0 ? -1 : join(above, f, frame, parent);
      if (id < 0) {
        const key = above * (frameCount + 1) + f + 1;
        id = known.get(key);
        if (id === undefined) {
          known.set(key, (id = parent.length));
          parent.push(above);
          frame.push(f);
        }
      }
      place[i] = id;
    }
    return this.summedInto(place, parent, frame);
  }

  summedInto(place, parent, frame) {
    const self = {};
    for (const metric of Object.keys(this.self)) {
      const from = this.self[metric];
      const to = new Float64Array(parent.length);
      for (let i = 0; i < this.count; i++) to[place[i]] += from[i];
      self[metric] = to;
    }
    return new CallTree(Int32Array.from(parent), Int32Array.from(frame), self);
  }

  /* Topmost nodes of the frames that `chosen` says yes to, within the subtree below `top`; a match inside a match does
   * not count again. */
  topmost(chosen, top = 0) {
    const inside = new Uint8Array(this.count); // 1: below top, 2: below a match too
    const found = [];
    for (let i = top; i < this.count; i++) {
      const above = i === top ? 1 : i === 0 ? 0 : inside[this.parent[i]];
      if (!above) continue;
      inside[i] = above;
      if (above === 1 && this.frame[i] >= 0 && chosen[this.frame[i]]) {
        inside[i] = 2;
        found.push(i);
      }
    }
    return found;
  }

  /* Self and total of one frame in all its places, recursion counted once. */
  everywhere(frame, metric, frameCount) {
    const one = new Uint8Array(frameCount);
    one[frame] = 1;
    const total = this.total(metric);
    if (!total) return {};
    let self = 0;
    for (let i = 1; i < this.count; i++) if (this.frame[i] === frame) self += this.self[metric][i];
    return { self, total: this.topmost(one).reduce((sum, i) => sum + total[i], 0) };
  }
}

/* Grows while nodes are put out in pre-order; seal() makes the columns that are drawn. */
class Layout {
  constructor(tree, metric) {
    this.tree = tree;
    this.metric = metric;
    this.rows = { frame: [], parent: [], depth: [], x: [], w: [], self: [], ref: [] };
  }

  add(frame, parent, x, w, self, ref) {
    const rows = this.rows;
    const depth = parent < 0 ? 0 : rows.depth[parent] + 1;
    rows.frame.push(frame);
    rows.parent.push(parent);
    rows.depth.push(depth);
    rows.x.push(x);
    rows.w.push(w);
    rows.self.push(self);
    rows.ref.push(ref);
    return rows.frame.length - 1;
  }

  seal() {
    const rows = this.rows;
    this.count = rows.frame.length;
    this.frame = Int32Array.from(rows.frame);
    this.parent = Int32Array.from(rows.parent);
    this.depth = Int32Array.from(rows.depth);
    this.x = Float64Array.from(rows.x);
    this.w = Float64Array.from(rows.w);
    this.self = Float64Array.from(rows.self);
    this.ref = Int32Array.from(rows.ref);
    this.end = new Int32Array(this.count);
    let deepest = 0;
    for (let i = this.count - 1; i >= 0; i--) {
      if (this.end[i] === 0) this.end[i] = i + 1;
      const p = this.parent[i];
      if (p >= 0 && this.end[p] === 0) this.end[p] = this.end[i];
      if (this.depth[i] > deepest) deepest = this.depth[i];
    }
    this.deepest = deepest;
    this.rows = null;
    return this;
  }

  children(i) {
    const found = [];
    for (let c = i + 1; c < this.end[i]; c = this.end[c]) found.push(c);
    return found;
  }

  /* Frames from below "everything" down to node i: what survives a change of metric or of hidden frames. */
  path(i) {
    const frames = [];
    for (; i > 0; i = this.parent[i]) frames.push(this.frame[i]);
    return frames.reverse();
  }

  /* The node a path leads to; the last one found where it breaks off. */
  follow(path) {
    let at = 0;
    for (const frame of path) {
      const next = this.children(at).find((c) => this.frame[c] === frame);
      if (next === undefined) break;
      at = next;
    }
    return at;
  }

  /* Every metric of node i, {self, total}; a column that the tree does not have: nothing. */
  figures(i, metric) {
    return { self: this.tree.self[metric]?.[this.ref[i]], total: this.tree.total(metric)?.[this.ref[i]] };
  }

  /* As doubtOf, of figures of node i: {self, total}. */
  doubts(i, frames, key) {
    const bits = frames.bits(this.frame[i]);
    const { self, total } = this.figures(i, varianceKey(key));
    return { self: doubtOf(bits, key, self), total: doubtOf(bits, key, total) };
  }

  /* Nodes of the tree that node i stands for. */
  static callers(tree, metric, cutOff, depthMost = 0) {
    const total = tree.total(metric);
    const least = Math.max(total[0] * cutOff, Number.MIN_VALUE);
    const { from, ids } = tree.childLists();
    const layout = new Layout(tree, metric);
    const stack = [[0, -1, 0]];
    while (stack.length) {
      const [node, parent, x] = stack.pop();
      const at = layout.add(tree.frame[node], parent, x, total[node], tree.self[metric][node], node);
      const children = [];
      if (depthMost && layout.rows.depth[at] >= depthMost) continue;
      for (let c = from[node]; c < from[node + 1]; c++) if (total[ids[c]] >= least) children.push(ids[c]);
      if (children.length > 1) children.sort((a, b) => total[b] - total[a] || a - b);
      let right = x;
      for (const child of children) right += total[child];
      for (let c = children.length - 1; c >= 0; c--) {
        right -= total[children[c]];
        stack.push([children[c], at, right]);
      }
    }
    return layout.seal();
  }
}

/* The tree turned over: below "everything" stand the functions by what they did themselves, below each its callers.
 * It would be many times larger than the tree, so it is opened only where a box is wide enough to be seen; along `path`
 * and below its end as far as the zoom needs. A node is a stretch of `who`: the nodes of the tree whose own figures it sums. */
class InvertedLayout extends Layout {
  figures(i, metric) {
    if (!this.tree.self[metric]) return {};
    let sum = 0;
    for (let k = this.from[i]; k < this.to[i]; k++) sum += this.tree.self[metric][this.who[k]];
    return { self: i === 0 ? 0 : sum, total: sum };
  }

  static build(tree, metric, cutOff, path = [], depthMost = 0) {
    const own = tree.self[metric];
    const layout = new InvertedLayout(tree, metric);
    // All nodes, also those without any of this metric: a box tells its other figures too.
    const who = Int32Array.from({ length: tree.count - 1 }, (_, i) => i + 1);
    const now = Int32Array.from(who); // the node whose frame a stretch is grouped by next
    layout.who = who;
    layout.from = [];
    layout.to = [];

    const all = own[0] > 0 ? tree.total(metric)[0] - own[0] : tree.total(metric)[0];
    const least = all * Math.max(cutOff, 1 / 3000);
    const stack = [{ from: 0, to: who.length, frame: -1, parent: -1, x: 0, sum: all, step: 0, least }];
    while (stack.length) {
      const job = stack.pop();
      const at = layout.add(job.frame, job.parent, job.x, job.sum, job.parent < 0 ? 0 : job.sum, 0);
      layout.from.push(job.from);
      layout.to.push(job.to);
      if (depthMost && layout.rows.depth[at] >= depthMost) continue;
      let fine = job.least;
      if (job.step === path.length) fine = Math.min(fine, Math.max(job.sum / 3000, all * cutOff)); // the end of the path: what is zoomed into
      if (job.sum < fine && job.step < 0) continue;
      const groups = InvertedLayout.group(tree, own, who, now, job.from, job.to);
      let right = job.x;
      for (const group of groups) right += group.sum;
      for (const group of groups.reverse()) {
        right -= group.sum;
        if (group.sum <= 0 || group.sum < all * cutOff) continue;
        const onPath = job.step >= 0 && job.step < path.length && path[job.step] === group.frame;
        // step: how much of the path lies behind; -1 off the path; below its end the path counts as walked
        const step = onPath ? job.step + 1 : -1;
        stack.push({ from: group.from, to: group.to, frame: group.frame, parent: at, x: right, sum: group.sum, step, least: fine });
      }
    }
    layout.from = Int32Array.from(layout.from);
    layout.to = Int32Array.from(layout.to);
    return layout.seal();
  }

  /* Sorts the stretch by frame of `now`, widest first, and moves `now` one caller up. */
  static group(tree, own, who, now, from, to) {
    const groups = new Map();
    const members = [];
    for (let k = from; k < to; k++) {
      if (now[k] <= 0) continue; // no caller left
      const frame = tree.frame[now[k]];
      let group = groups.get(frame);
      if (!group) groups.set(frame, (group = { frame, sum: 0, members: [] }));
      group.sum += own[who[k]];
      group.members.push(who[k], tree.parent[now[k]]);
    }
    for (let k = from; k < to; k++) if (now[k] <= 0) members.push(who[k]);
    const sorted = [...groups.values()].sort((a, b) => b.sum - a.sum || a.frame - b.frame);
    let at = from;
    for (const group of sorted) {
      group.from = at;
      for (let m = 0; m < group.members.length; m += 2) {
        who[at] = group.members[m];
        now[at++] = group.members[m + 1];
      }
      group.to = at;
    }
    for (const node of members) {
      who[at] = node;
      now[at++] = 0;
    }
    return sorted;
  }
}

/* Native code without a name of its own, and what the interpreter and the allocator do. */
const NAMELESS = /^\[.*\]$|^(_?Py|_PyEval|PyObject_|method_|function_|slot_|type_call|vectorcall|builtin_|operator new|malloc|calloc|realloc)/;

/* Frames that carry the program rather than are it. */
const IMPORT_SYSTEM = /^<frozen (importlib|zipimport)|[\\/]importlib[\\/](_bootstrap|_bootstrap_external|__init__|util)\.py$|^<frozen importlib/;
const FRAMEWORK = new RegExp(
  [
    "^<frozen runpy>", "[\\\\/]runpy\\.py$", "[\\\\/]threading\\.py$", "[\\\\/]concurrent[\\\\/]futures[\\\\/]",
    "[\\\\/]multiprocessing[\\\\/]", "[\\\\/]contextlib\\.py$", "[\\\\/]functools\\.py$", "[\\\\/]site-packages[\\\\/](click|rubinprof|_pytest|pluggy)[\\\\/]",
    "[\\\\/]rubinprof[\\\\/](__main__|tracker|lsst[\\\\/].*|cli[\\\\/].*)\\.py$",
    "[\\\\/]lsst[\\\\/](ctrl[\\\\/]mpexec|pipe[\\\\/]base|daf[\\\\/]butler|daf[\\\\/]relation|resources|utils|pex[\\\\/]config)[\\\\/]",
    "[\\\\/]bin[\\\\/](pipetask|butler|rubinprof[a-z-]*)$",
  ].join("|"),
);
