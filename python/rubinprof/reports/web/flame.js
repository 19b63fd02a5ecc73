/* The call tree with its controls, its keyboard and what stands around the canvas. The small page is nothing else; the report
 * has it as one of its parts.
 *
 * All choices live in `state`; every change goes through update(), which rebuilds what depends on it, draws, and tells the owner,
 * who writes the state into the address, so that a link shows what its sender saw. */

const ZOOM_PATH_MAX = 400; // frames of a deep link: an address has its limits

class FlamePanel {
  /* owner: { changed(), chosen(frame) }; words: what an address said. */
  constructor(frames, tree, defaults, words, owner) {
    this.functions = frames; // as the trace has them; this.frames: as they are grouped
    this.frames = frames;
    this.ungrouped = tree;
    this.tree = tree;
    this.owner = owner;
    this.unknown = tree.unknown;
    this.partly = tree.partly; // no order of a tree: what some processes did not count has no width
    this.metrics = METRICS.filter((m) => tree.total(m.key)[0] > 0 && !this.unknown.includes(m));
    this.choices = this.metrics.filter((m) => !this.partly.includes(m));
    this.defaults = {
      metric: this.choices.some((m) => m.key === defaults.metric) ? defaults.metric : this.choices[0]?.key ?? "cpu",
      inverted: Boolean(defaults.inverted), style: "icicle", query: "", cut: 0, depth: 0, group: "function", fold: false,
      hideImport: false, hideFramework: false, hideNative: false, hideNameless: false, hideRegex: "", path: [],
    };
    this.find = (id) => document.getElementById("rp-" + id);
    this.styles = { icicle: new FlameCanvas(this.find("canvas"), frames), sunburst: new SunburstCanvas(this.find("canvas"), frames) };
    this.view = this.styles.icicle;
    this.readWords(words);
    this.fillControls();
    this.listen();
    this.update({});
  }

  /* Another tree of the same functions: what happened in another stretch of time. */
  setTree(tree) {
    this.ungrouped = tree;
    this.built = null;
    this.fillMetrics();
    this.update({});
  }

  /* ---- state ---- */

  update(change) {
    const before = this.built ?? {};
    Object.assign(this.state, change);
    const s = this.state;
    if (before.group !== s.group) {
      const grouped = s.group === "function" ? null : this.functions.grouped(s.group);
      this.frames = grouped?.frames ?? this.functions;
      this.tree = grouped ? this.ungrouped.regrouped(grouped.of, this.frames.count) : this.ungrouped;
      if (before.group !== undefined) this.state.path = [];
      for (const view of Object.values(this.styles)) view.frames = this.frames;
    }
    const hideKey = [s.group, s.fold, s.hideImport, s.hideFramework, s.hideNative, s.hideNameless, s.hideRegex].join("\n");
    if (before.hideKey !== hideKey) {
      const hidden = this.hiddenFrames();
      this.shown = hidden ? this.tree.without(hidden, this.frames.count) : this.tree;
      if (s.fold) this.shown = this.shown.withoutRecursion(this.frames.count);
    }
    const layoutKey = [hideKey, s.metric, s.inverted, s.cut, s.depth, s.inverted ? s.path.join(" ") : ""].join("\n");
    if (before.layoutKey !== layoutKey) {
      this.layout = s.inverted
        ? InvertedLayout.build(this.shown, s.metric, s.cut, s.path, s.depth)
        : Layout.callers(this.shown, s.metric, s.cut, s.depth);
    }
    if (before.style !== s.style) {
      const view = s.style === "sunburst" ? this.styles.sunburst : this.styles.icicle;
      view.matched = this.view.matched;
      this.view = view;
    }
    if (before.query !== s.query || before.group !== s.group) this.view.matched = this.search();
    this.built = { group: s.group, hideKey, layoutKey, style: s.style, query: s.query };
    this.view.upward = s.style === "flame";
    const zoom = this.layout.follow(s.path);
    this.state.path = this.layout.path(zoom);
    this.view.selected = zoom;
    this.view.show(this.layout, zoom);
    this.showControls();
    this.showShare();
    this.showDetails(zoom);
    this.owner.changed();
  }

  hiddenFrames() {
    const s = this.state;
    const tests = [];
    if (s.hideImport) tests.push(this.frames.matching((t) => IMPORT_SYSTEM.test(t), ["file"]));
    if (s.hideFramework) tests.push(this.frames.matching((t) => FRAMEWORK.test(t), ["file"]));
    if (s.hideNameless) {
      const nameless = this.frames.matching((t) => NAMELESS.test(t), ["name"]);
      tests.push(nameless.map((found, f) => (found && this.frames.kind[f] !== KIND_PYTHON ? 1 : 0)));
    }
    if (s.hideNative) tests.push(this.frames.kind.map((k) => (k === KIND_NATIVE || k === KIND_INLINED ? 1 : 0)));
    const regex = this.regexOf(s.hideRegex, this.find("hide-regex"));
    if (regex) tests.push(this.frames.matching((t) => regex.test(t), ["name", "file"]));
    if (!tests.length) return null;
    const hidden = new Uint8Array(this.frames.count);
    for (const found of tests) for (let f = 0; f < hidden.length; f++) hidden[f] |= found[f];
    return hidden;
  }

  search() {
    const regex = this.regexOf(this.state.query, this.find("search"));
    return regex ? this.frames.matching((t) => regex.test(t), ["name", "file", "module"]) : null;
  }

  /* Case counts only when the expression has a capital letter. Null for an empty or a wrong expression. */
  regexOf(text, input) {
    input.classList.remove("wrong");
    input.removeAttribute("aria-invalid");
    if (!text) return null;
    try {
      return new RegExp(text, /[A-Z]/.test(text.replace(/\\./g, "")) ? "u" : "iu");
    } catch {
      input.classList.add("wrong");
      input.setAttribute("aria-invalid", "true");
      return null;
    }
  }

  /* Time or bytes below the topmost matches, of what the zoom shows. */
  matchedShare() {
    const { view, layout, shown, state } = this;
    if (!view.matched) return null;
    const total = shown.total(state.metric);
    if (!state.inverted) {
      const top = layout.ref[view.zoom];
      const found = shown.topmost(view.matched, top).filter((i) => total[i] > 0);
      return { sum: found.reduce((sum, i) => sum + total[i], 0), whole: total[top], places: found.length };
    }
    // Upside down a box sums own figures of many nodes: those with a match among themselves and their callers count.
    const below = new Uint8Array(shown.count);
    for (let i = 1; i < shown.count; i++) below[i] = below[shown.parent[i]] || (shown.frame[i] >= 0 && view.matched[shown.frame[i]]);
    const own = shown.self[state.metric];
    let sum = 0;
    let places = 0;
    for (let k = layout.from[view.zoom]; k < layout.to[view.zoom]; k++) {
      const i = layout.who[k];
      if (below[i]) {
        sum += own[i];
        places++;
      }
    }
    return { sum, whole: layout.w[view.zoom], places };
  }

  metric(key = this.state.metric) {
    return METRICS.find((m) => m.key === key);
  }

  /* ---- the address ---- */

  /* What differs from the defaults, into words of an address. */
  writeWords(words) {
    const s = this.state;
    const put = (key, name, text) => {
      if (String(s[name]) !== String(this.defaults[name])) words.set(key, text ?? String(s[name]));
    };
    put("m", "metric");
    put("inv", "inverted", s.inverted ? "1" : "0");
    put("st", "style");
    put("q", "query");
    put("cut", "cut");
    put("depth", "depth");
    put("by", "group");
    put("fold", "fold", "1");
    put("imp", "hideImport", "1");
    put("fw", "hideFramework", "1");
    put("nat", "hideNative", "1");
    put("non", "hideNameless", "1");
    put("x", "hideRegex");
    if (s.path.length && s.path.length <= ZOOM_PATH_MAX) words.set("z", s.path.map((f) => f.toString(36)).join("."));
  }

  readWords(words) {
    const s = { ...this.defaults };
    const among = (key, choices, otherwise) => (choices.includes(words.get(key)) ? words.get(key) : otherwise);
    if (this.choices.some((m) => m.key === words.get("m"))) s.metric = words.get("m");
    if (words.has("inv")) s.inverted = words.get("inv") === "1";
    s.style = among("st", ["icicle", "flame", "sunburst"], s.style);
    s.query = words.get("q") ?? "";
    s.cut = Math.min(0.5, Math.max(0, Number(words.get("cut")) || 0));
    s.depth = Math.max(0, Math.floor(Number(words.get("depth")) || 0));
    s.group = among("by", ["function", "file", "module", "library"], s.group);
    s.fold = words.get("fold") === "1";
    s.hideImport = words.get("imp") === "1";
    s.hideFramework = words.get("fw") === "1";
    s.hideNative = words.get("nat") === "1";
    s.hideNameless = words.get("non") === "1";
    s.hideRegex = words.get("x") ?? "";
    s.path = words.has("z") ? words.get("z").split(".").slice(0, ZOOM_PATH_MAX).map((f) => parseInt(f, 36)) : [];
    this.state = s;
  }

  /* ---- controls ---- */

  fillControls() {
    for (const m of this.choices) {
      const option = add(this.find("metric"), "option");
      option.value = m.key;
      option.title = m.what;
    }
    for (const m of [...this.unknown, ...this.partly]) {
      const option = add(this.find("metric"), "option", `${m.name}  ·  ${this.whyUnknown(m)}`);
      option.value = m.key;
      option.title = m.what;
      option.disabled = true;
    }
    this.fillMetrics();
  }

  whyUnknown(metric) {
    return this.partly.includes(metric) ? partlyText(metric) : unknownText(metric);
  }

  fillMetrics() {
    for (const option of this.find("metric").options) {
      if (option.disabled) continue;
      const m = this.metric(option.value);
      option.textContent = `${m.name}  ·  ${formatValue(this.ungrouped.total(m.key)[0], m.unit)}${recordersText(m)}`;
    }
  }

  showControls() {
    const s = this.state;
    const press = (id, on) => this.find(id).setAttribute("aria-pressed", String(on));
    this.find("metric").value = s.metric;
    press("inverted", s.inverted);
    press("callees", !s.inverted);
    press("up", s.style === "flame");
    press("down", s.style === "icicle");
    press("sunburst", s.style === "sunburst");
    chooseNumber(this.find("cut"), s.cut, (value) => `${+(value * 100).toFixed(3)} %`);
    chooseNumber(this.find("depth"), s.depth, String);
    this.find("group").value = s.group;
    this.find("fold").checked = s.fold;
    for (const [id, value] of [["search", s.query], ["hide-regex", s.hideRegex]]) if (this.find(id).value !== value) this.find(id).value = value;
    this.find("hide-import").checked = s.hideImport;
    this.find("hide-framework").checked = s.hideFramework;
    this.find("hide-native").checked = s.hideNative;
    this.find("hide-nameless").checked = s.hideNameless;
    const hiding = [s.hideImport, s.hideFramework, s.hideNative, s.hideNameless, s.hideRegex].filter(Boolean).length;
    this.find("hide").textContent = hiding ? `Hide frames (${hiding})` : "Hide frames";
    this.find("reset").disabled = s.path.length === 0;
    const isEmpty = !(this.layout.w[0] > 0);
    this.find("empty").hidden = !isEmpty;
    this.find("empty").textContent = this.choices.length ? hiding ? "Nothing of this metric is left with these frames hidden." : "Nothing of this metric in this stretch of time." : "This trace holds no figures to draw.";
  }

  showShare() {
    const share = this.matchedShare();
    const box = this.find("share");
    if (!share) box.textContent = this.find("search").classList.contains("wrong") ? "not a regular expression" : "";
    else if (!share.places) box.textContent = "no match";
    else box.textContent = `${formatShare(share.sum, share.whole)} · ${formatValue(share.sum, this.metric().unit)} matched · ${countOf(this.matches(), this.view.selected)}`;
  }

  /* Boxes with a match below what is zoomed into, in the order in which they are drawn. */
  matches() {
    const { layout, view } = this;
    const found = [];
    for (let i = view.zoom; i < layout.end[view.zoom]; i++) if (layout.frame[i] >= 0 && view.matched[layout.frame[i]]) found.push(i);
    return found;
  }

  /* ---- details, tooltip, what a screen reader hears ---- */

  showDetails(i) {
    const { layout, frames, view, shown } = this;
    this.view.selected = i;
    const box = this.find("details");
    box.replaceChildren();
    const frame = layout.frame[i];
    add(box, "h2", frames.fullName(frame));
    if (frame >= 0) {
      const kind = add(add(box, "p"), "span");
      kind.className = "kind";
      add(kind, "i").className = `swatch k${frames.kind[frame]}`;
      kind.append(KIND_NAMES[frames.kind[frame]]);
      const place = frames.place(frame, true);
      if (place) add(box, "p", place);
      const module = frames.text(frames.module[frame]);
      if (module && module !== place) add(box, "p", `in ${module}`);
      fillActions(add(box, "p"), this.owner.report, this.frames === this.functions ? frame : -1, frames.fullName(frame));
    }
    this.fillFigures(add(box, "table"), i);
    if (frame >= 0) {
      const m = this.metric();
      const all = shown.everywhere(frame, m.key, frames.count);
      const variances = shown.everywhere(frame, varianceKey(m.key), frames.count);
      const whole = shown.total(m.key)[0];
      const figure = (part) => formatFigure(all[part], m, false, doubtOf(frames.bits(frame), m.key, variances[part]));
      add(box, "p", `In all its places: ${figure("self")} self (${formatShare(all.self, whole)}), ${figure("total")} total (${formatShare(all.total, whole)}).`);
      if (view.zoom > 0 && i !== view.zoom) add(box, "p", `${formatShare(layout.w[i], layout.w[view.zoom])} of what is zoomed into.`);
    }
    this.say(i);
  }

  /* The figures of box i. */
  fillFigures(table, i) {
    const head = add(add(table, "thead"), "tr");
    for (const title of ["Metric", "Self", "Total"]) add(head, "th", title).scope = "col";
    const body = add(table, "tbody");
    for (const m of this.metrics) {
      const figures = this.layout.figures(i, m.key);
      const whole = this.shown.total(m.key)[0];
      const doubts = this.layout.doubts(i, this.frames, m.key);
      const isUnknown = this.frames.isUnknown(this.layout.frame[i], m);
      const row = add(body, "tr");
      row.dataset.metric = m.key;
      if (m.key === this.state.metric) row.className = "chosen";
      add(row, "td", m.name).title = m.what;
      for (const [part, value] of Object.entries(figures)) {
        const cell = add(row, "td", isUnknown ? "?" : value > 0 ? formatFigure(value, m, i === 0, doubts[part]) : "–");
        if (isUnknown) cell.title = partlyText(m);
        else if (value > 0 && !this.partly.includes(m)) add(cell, "small", formatShare(value, whole));
      }
    }
    this.fillUnknown(body, 2);
  }

  /* A row for each metric that nobody measured, in a table with so many columns of figures. */
  fillUnknown(body, columns) {
    for (const m of this.unknown) {
      const row = add(body, "tr");
      row.dataset.metric = m.key;
      add(row, "td", m.name).title = m.what;
      const cell = add(row, "td", unknownText(m));
      cell.className = "soft";
      cell.colSpan = columns;
    }
  }

  say(i) {
    const { layout, frames } = this;
    const item = this.find("item");
    const isLeaf = layout.end[i] === i + 1;
    item.textContent = `${frames.label(layout.frame[i])}, ${frames.place(layout.frame[i])}, ` +
      `${formatShare(layout.w[i], layout.w[0])}, ${formatValue(layout.w[i], this.metric().unit)}`;
    item.setAttribute("aria-level", String(layout.depth[i] + 1));
    item.setAttribute("aria-selected", "true");
    if (isLeaf) item.removeAttribute("aria-expanded");
    else item.setAttribute("aria-expanded", "true");
  }

  showTip(i, event) {
    if (i < 0) return this.putTip(null);
    const { layout, frames } = this;
    const m = this.metric();
    const doubts = layout.doubts(i, frames, m.key);
    const self = layout.self[i] > 0 && !this.state.inverted ? `, ${formatFigure(layout.self[i], m, false, doubts.self)} self` : "";
    this.putTip([frames.fullName(layout.frame[i]), frames.place(layout.frame[i], true),
      `${m.name}: ${formatFigure(layout.w[i], m, i === 0, doubts.total)} (${formatShare(layout.w[i], layout.w[0])})${self}`], event);
  }

  /* A name and what stands below it, beside the mouse; null: nothing. */
  putTip(texts, event) {
    const tip = this.find("tip");
    tip.hidden = !texts;
    if (!texts) return;
    tip.replaceChildren();
    add(tip, "b", texts[0]);
    for (const text of texts.slice(1)) if (text) add(tip, "span", text);
    const { offsetWidth, offsetHeight } = tip;
    const left = event.clientX + 14 + offsetWidth > innerWidth ? Math.max(4, event.clientX - offsetWidth - 10) : event.clientX + 14;
    const top = event.clientY + 18 + offsetHeight > innerHeight ? event.clientY - offsetHeight - 12 : event.clientY + 18;
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  }

  /* ---- what a person does ---- */

  zoomTo(i) {
    this.update({ path: this.layout.path(i) });
  }

  choose(i) {
    this.view.scrollTo(i);
    this.showDetails(i);
    this.view.draw();
  }

  listen() {
    const on = (id, event, change) => this.find(id).addEventListener(event, (e) => this.update(change(e.target)));
    on("metric", "change", (t) => ({ metric: t.value }));
    on("inverted", "click", () => ({ inverted: true, path: this.state.inverted ? this.state.path : [] }));
    on("callees", "click", () => ({ inverted: false, path: this.state.inverted ? [] : this.state.path }));
    on("up", "click", () => ({ style: "flame" }));
    on("down", "click", () => ({ style: "icicle" }));
    on("sunburst", "click", () => ({ style: "sunburst" }));
    on("cut", "change", (t) => ({ cut: Number(t.value) }));
    on("depth", "change", (t) => ({ depth: Number(t.value) }));
    on("group", "change", (t) => ({ group: t.value }));
    on("fold", "change", (t) => ({ fold: t.checked }));
    on("hide-import", "change", (t) => ({ hideImport: t.checked }));
    on("hide-framework", "change", (t) => ({ hideFramework: t.checked }));
    on("hide-native", "change", (t) => ({ hideNative: t.checked }));
    on("hide-nameless", "change", (t) => ({ hideNameless: t.checked }));
    on("hide-regex", "change", (t) => ({ hideRegex: t.value }));
    on("reset", "click", () => ({ path: [] }));
    let waiting = 0;
    this.find("search").addEventListener("input", (e) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.searchFor(e.target.value), 60);
    });
    const menu = document.querySelector("details.hide");
    menu.addEventListener("toggle", () => {
      // Where there is room: the row of controls may have been broken anywhere.
      menu.classList.toggle("to-right", menu.getBoundingClientRect().left < innerWidth / 2);
    });
    const tree = this.find("tree");
    const local = (e) => {
      const box = tree.getBoundingClientRect();
      return this.view.at(e.clientX - box.left, e.clientY - box.top);
    };
    tree.addEventListener("mousemove", (e) => {
      const i = local(e);
      this.showTip(i, e);
      tree.style.cursor = i < 0 ? "default" : "pointer";
      if (i !== this.view.hover) {
        this.view.hover = i;
        this.view.draw();
      }
    });
    tree.addEventListener("mouseleave", () => {
      this.showTip(-1);
      this.view.hover = -1;
      this.view.draw();
    });
    tree.addEventListener("click", (e) => {
      const i = local(e);
      if (i >= 0) this.zoomTo(i);
    });
    tree.addEventListener("wheel", (e) => {
      if (!e.ctrlKey && this.view.scrollBy(e.deltaMode === 1 ? e.deltaY * ROW : e.deltaY)) {
        e.preventDefault();
        this.showTip(-1);
      }
    }, { passive: false });
    tree.addEventListener("keydown", (e) => this.onTreeKey(e));
    document.addEventListener("click", (e) => {
      const menu = document.querySelector("details.hide");
      if (menu.open && !menu.contains(e.target)) menu.open = false;
    });
    new ResizeObserver(() => this.view.draw()).observe(this.find("canvas"));
  }

  /* Colours have changed, or the resolution. */
  redraw(ratio) {
    for (const view of Object.values(this.styles)) view.readColours();
    this.view.draw(ratio);
  }

  searchFor(text) {
    this.state.query = text;
    this.view.matched = this.search();
    this.built.query = text;
    this.view.draw();
    this.showShare();
    this.owner.changed(true);
  }

  nextMatch(step) {
    if (!this.view.matched) return;
    const next = stepOf(this.matches(), this.view.selected, step);
    if (next >= 0) this.choose(next);
    this.showShare();
  }

  onTreeKey(e) {
    const { layout, view } = this;
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const at = view.selected;
    const deeper = view.upward ? "ArrowUp" : "ArrowDown";
    const outward = view.upward ? "ArrowDown" : "ArrowUp";
    let to = -1;
    if (e.key === deeper) to = at < view.zoom && layout.end[at] > view.zoom ? this.onWayToZoom(at) : at + 1 < layout.end[at] ? at + 1 : at;
    else if (e.key === outward) to = Math.max(0, layout.parent[at]);
    else if (e.key === "ArrowRight") to = this.beside(at, 1);
    else if (e.key === "ArrowLeft") to = this.beside(at, -1);
    else if (e.key === "Home") to = view.zoom;
    else if (e.key === "Enter" || e.key === " ") {
      e.preventDefault();
      this.zoomTo(at);
      return;
    }
    if (to < 0) return;
    e.preventDefault();
    this.choose(to);
  }

  onWayToZoom(at) {
    return this.layout.children(at).find((c) => c <= this.view.zoom && this.view.zoom < this.layout.end[c]) ?? at;
  }

  /* The nearest box of the same row, within the zoom. */
  beside(at, step) {
    const { layout, view } = this;
    if (at <= view.zoom) return at;
    for (let i = at + step; i > view.zoom && i < layout.end[view.zoom]; i += step) if (layout.depth[i] === layout.depth[at]) return i;
    return at;
  }

  /* Keys that work wherever the focus is. */
  onPageKey(e) {
    const typing = isTyping(e);
    if (e.key === "Escape") {
      const menu = document.querySelector("details.hide");
      if (menu.open) menu.open = false;
      else if (typing && e.target.value && e.target === this.find("search")) {
        e.target.value = "";
        this.searchFor("");
      } else if (this.state.path.length) this.update({ path: [] });
      else return;
      e.preventDefault();
      return;
    }
    if (e.key === "Enter" && e.target === this.find("search")) return this.nextMatch(e.shiftKey ? -1 : 1);
    if (typing || e.altKey || e.ctrlKey || e.metaKey) return;
    if (e.key === "/") {
      e.preventDefault();
      this.find("search").focus();
      this.find("search").select();
    } else if (e.key === "n") this.nextMatch(1);
    else if (e.key === "N") this.nextMatch(-1);
    else if (e.key === "i") this.update({ inverted: !this.state.inverted, path: [] });
    else if (e.key === "d") this.update({ style: { icicle: "flame", flame: "sunburst", sunburst: "icicle" }[this.state.style] });
  }
}

/* Sets a list of numbers, which need not have this one yet. */
function chooseNumber(select, value, write) {
  if (Number(select.value) === value) return;
  if (![...select.options].some((o) => Number(o.value) === value)) add(select, "option", write(value)).value = value;
  select.value = [...select.options].find((o) => Number(o.value) === value).value;
}

function isTyping(e) {
  return /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) && e.target.type !== "checkbox";
}
