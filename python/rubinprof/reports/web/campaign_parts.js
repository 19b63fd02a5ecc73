/* The parts of the page of a campaign. show() means that the chosen task has changed, or the part came into sight; draw(ratio) that its canvases are to be drawn again. */

class CampaignOverview {
  constructor(page) {
    this.page = page;
    const { data, find } = page;
    const t = data.totals;
    const cards = find("cards");
    const card = (name, value, note) => {
      const box = add(cards, "div");
      add(box, "dt", name);
      const dd = add(box, "dd", value);
      if (note) add(dd, "small", note);
    };
    card("Quanta", formatCount(t.quanta), plural(data.tasks.length, "task", "tasks"));
    card("Walltime", writeFigure(t.wall_s, "s"));
    card("CPU time", writeFigure(t.cpu_s, "s"), t.wall_s > 0 && t.cpu_s !== null ? `${formatPart(t.cpu_s / t.wall_s)} of wall` : "");
    card(`Above ${limitText(data.over_bytes)}`, formatCount(t.over), t.wall_s > 0 ? `${formatPart(t.over_wall_s / t.wall_s)} of the walltime` : "");
    card("Not done", formatCount(t.not_done), t.quanta ? formatPart(t.not_done / t.quanta) : "");
    card("Earlier attempts", formatCount(t.earlier_attempts), t.earlier_attempts ? writeFigure(t.earlier_wall_s, "s") : "");
    card("Hosts", formatCount(data.hosts.filter((h) => h.host !== null).length));
    const list = find("findings");
    for (const finding of data.findings) {
      const item = add(list, "li");
      add(item, "span", visible(finding.text));
      const show = add(item, "button", "Show");
      show.type = "button";
      show.setAttribute("aria-label", `Show: ${finding.text}`);
      show.addEventListener("click", () => page.follow(finding));
    }
    if (!data.findings.length) add(list, "li", "Nothing stands out.");
    this.fillStages();
    this.fillBasis();
  }

  fillStages() {
    const { data, find } = this.page;
    const whole = { stage: "[all]" };
    for (const key of ["quanta", "over", "wall_s", "over_wall_s", "cpu_s"]) whole[key] = data.stages.reduce((sum, row) => sum + row[key], 0);
    const rows = data.stages.length > 1 ? [...data.stages, whole] : data.stages;
    find("stages-title").textContent = data.stages.length > 1 ? "Stages" : "The whole";
    const limit = limitText(data.over_bytes);
    const memory = () => this.page.open("memory");
    fillTable(find("stages"), ["", "Quanta", `N > ${limit}`, "%", "Walltime", `Walltime > ${limit}`, "%", "CPU/wall"], rows.map((r) => [
      visible(r.stage), formatCount(r.quanta), [formatCount(r.over), memory], r.quanta ? formatPart(r.over / r.quanta) : "?", formatHours(r.wall_s), [formatHours(r.over_wall_s), memory],
      r.wall_s ? formatPart(r.over_wall_s / r.wall_s) : "?", r.wall_s ? formatPart(r.cpu_s / r.wall_s) : "?"]), true);
  }

  fillBasis() {
    const { data, find } = this.page;
    const t = data.totals;
    const say = (text) => add(find("basis"), "li", visible(text));
    say(`${plural(t.processes, "process has", "processes have") ?? "No process has"} a trace${t.pythons.length ? `, Python ${t.pythons.join(", ")}` : ""}.`);
    for (const row of data.tracer) if (row.mode_cpu || row.mode_memory) say(`${plural(row.processes, "process", "processes")}: CPU ${row.mode_cpu ?? "?"}, memory ${row.mode_memory ?? "?"}.`);
    for (const row of data.exact_if) say(`${plural(row.quanta, "quantum was", "quanta were")} traced exact on request (${row.condition}): counted in all sums, not compared with sampled ones of the same task.`);
    if (t.not_complete) say(`${plural(t.not_complete, "process", "processes")} ended without a stop; what was recorded is here.`);
    say("Of a quantum that was tried again the last attempt counts; sums and counts are of every quantum.");
    if (t.without_trace) say(`${formatCount(t.without_trace)} quanta have no trace: their figures are the middleware’s.`);
    if (t.without_rss) say(`Of ${formatCount(t.without_rss)} quanta the trace has no resident memory: memory is the middleware’s high-water mark of the process, else the heap since tracing began.`);
    say("A process that runs several quanta keeps memory of earlier ones: its resident memory is an upper bound for later ones.");
    if (!data.has_dip_test) say("Modes were not tested: diptest was not installed where the page was made.");
    say("Where single quanta are named (outliers, modes, slow-down), docs/guide/campaign.md says by which test.");
  }

  show() {}

  draw() {}
}

class CampaignTasks {
  constructor(page) {
    this.page = page;
    const { data, find } = page;
    this.view = "all";
    const rows = () => this.rows;
    const task = figureColumn(rows, "task", "Task", "text", { width: "minmax(170px, 2fr)" });
    const figure = figureColumn(rows, "figure", "Figure", "text", { width: "minmax(84px, 0.5fr)" });
    const asItIs = (key, title) => ({ ...figureColumn(rows, key, title, "number"), text: (i) => writeFigure(this.rows[i][key], this.rows[i].figure === "memory" ? "B" : "s") });
    const p = figureColumn(rows, "p", "p", "number", { what: "of all tests together: false alarms among what is reported are at most 1 %" });
    const wholeWall = data.totals.wall_s || 1;
    this.views = {
      all: { rows: data.tasks, sortBy: "wall_s", columns: [task, figureColumn(rows, "quanta", "Quanta", "count"), figureColumn(rows, "not_done", "Not done", "count"),
        figureColumn(rows, "wall_s", "Walltime", "s", { share: (i) => this.rows[i].wall_s / wholeWall }), figureColumn(rows, "cpu_s", "CPU", "s"), figureColumn(rows, "efficiency", "CPU/wall", "share"),
        intervalColumn(rows, "wall_p50_s", "Median wall (95 %)", "s", "wall_p50_low_s", "wall_p50_high_s"), figureColumn(rows, "wall_p99_s", "p99", "s"), figureColumn(rows, "wall_max_s", "Longest", "s"),
        figureColumn(rows, "gil_wait_s", "GIL wait", "s"), figureColumn(rows, "memory_max_bytes", "Most memory", "B")] },
      outliers: { rows: data.outliers, sortBy: "far", note: "Farther than 5 robust standard deviations from the median of the task, and 1.5 times.", columns: [task, figure, asItIs("value", "Value"), asItIs("median", "Median"),
        figureColumn(rows, "times", "Times", "number"), figureColumn(rows, "far", "Sigmas", "number"), figureColumn(rows, "data_id", "Data ID", "text", { width: "minmax(190px, 2.4fr)" }), figureColumn(rows, "host", "Host", "text"),
        figureColumn(rows, "status", "Status", "text", { width: "minmax(80px, 0.5fr)" })] },
      modes: { rows: data.modes, sortBy: "dip", note: "Hartigan's dip test on the logarithm, 2,000 quanta a task.", columns: [task, figure, asItIs("low_mode", "Mode"), asItIs("high_mode", "Mode"),
        figureColumn(rows, "share_low", "In the lower", "share"), figureColumn(rows, "dip", "Dip", "number"), p] },
      drift: { rows: data.drift, sortBy: "over_all", note: "Theil-Sen slope of the logarithm over when quanta began.", columns: [task, figure,
        { ...figureColumn(rows, "a_day", "A day (95 %)", "share", { width: "minmax(190px, 1fr)" }), text: (i) => `${signedPart(this.rows[i].a_day)} (${signedPart(this.rows[i].a_day_low)} to ${signedPart(this.rows[i].a_day_high)})` },
        { ...figureColumn(rows, "over_all", "Over the campaign", "share"), text: (i) => signedPart(this.rows[i].over_all) }, p] },
    };
    for (const row of data.tasks) row.efficiency = row.wall_s > 0 && row.cpu_s !== null ? row.cpu_s / row.wall_s : null;
    for (const row of data.outliers) row.far = Math.abs(row.sigmas);
    this.rows = data.tasks;
    this.grid = new Grid(find("task-grid"), { label: "Tasks", columns: this.views.all.columns, sortBy: "wall_s", choose: (i) => this.choose(i) });
    for (const button of find("task-views").children) button.addEventListener("click", () => this.open(button.dataset.view));
    find("task-filter").addEventListener("input", () => this.show());
  }

  open(view) {
    this.view = view;
    this.picked = null;
    this.show();
    this.page.writeAddress();
  }

  /* A task, or one quantum that is an outlier. */
  choose(i) {
    if (this.view !== "outliers") return this.page.chooseTask(this.rows[i].task);
    this.picked = this.rows[i];
    this.fillDetails();
  }

  show() {
    const { page, view } = this;
    const { find } = page;
    pressOne(find("task-views"), view);
    const chosen = this.views[view];
    if (this.shown !== view) {
      this.shown = view;
      this.rows = chosen.rows;
      this.grid.sortBy = chosen.sortBy;
      this.grid.isAscending = false;
      this.grid.active = -1;
      this.grid.setColumns(chosen.columns);
    }
    const regex = page.regexOf(find("task-filter"));
    const ids = [];
    this.rows.forEach((row, i) => {
      const words = `${row.task} ${row.stage ?? ""} ${row.data_id ?? ""} ${row.host ?? ""} ${row.status ?? ""}`;
      if ((view === "all" || !page.task || row.task === page.task) && (!regex || regex.test(words))) ids.push(i);
    });
    this.grid.setRows(ids);
    if (view === "all") this.grid.active = page.task ? this.grid.order.indexOf(this.rows.findIndex((t) => t.task === page.task)) : -1;
    this.grid.draw();
    find("task-note").textContent = [`${formatCount(ids.length)} of ${formatCount(this.rows.length)}`, chosen.note].filter(Boolean).join(". ");
    this.fillDetails();
  }

  fillDetails() {
    const { page } = this;
    const { data, find } = page;
    const box = find("task-details");
    box.replaceChildren();
    const row = data.tasks.find((t) => t.task === page.task);
    this.charts = [];
    if (this.picked && this.view === "outliers") this.fillPicked(box);
    if (!row) {
      add(box, "p", "Choose a task: its distribution, outliers, hosts and request stand here.");
      return;
    }
    add(box, "h2", visible(row.task));
    if (row.stage) add(box, "p", visible(row.stage));
    const list = add(box, "dl");
    const say = (name, text) => {
      add(list, "dt", name);
      add(list, "dd", visible(text));
    };
    const t = data.totals;
    say("Quanta", `${formatCount(row.quanta)} (${formatShare(row.quanta, t.quanta)})`);
    say("Walltime", `${writeFigure(row.wall_s, "s")} (${formatShare(row.wall_s, t.wall_s)})`);
    say("CPU/wall", row.efficiency === null ? "?" : formatPart(row.efficiency));
    for (const [status, n] of Object.entries(row.statuses)) say(status, `${formatCount(n)} (${formatShare(n, row.quanta)})`);
    if (row.earlier_attempts) say("Earlier attempts", `${formatCount(row.earlier_attempts)}, ${writeFigure(row.earlier_wall_s, "s")}`);
    if (row.leaked_max_bytes > 0) say("Leaked, at most", formatBytes(row.leaked_max_bytes));
    this.fillWays(box, row);
    for (const [name, title, unit] of [["wall", "Walltime", "s"], ["cpu", "CPU time", "s"], ["memory", "Memory", "B"]]) {
      const canvas = add(box, "canvas");
      canvas.setAttribute("role", "img");
      const [key, end] = [`${name}_`, unit === "s" ? "_s" : "_bytes"];
      const [p50, p99] = [row[`${key}p50${end}`], row[`${key}p99${end}`]];
      canvas.setAttribute("aria-label", `${title} of the quanta of ${row.task}: median ${writeFigure(p50, unit)}, 99 % below ${writeFigure(p99, unit)}`);
      const lines = p50 > 0 ? [{ at: p50, text: "median", colour: "text" }, { at: p99, text: "p99", colour: "soft" }] : [];
      this.charts.push((ratio) => drawHistogram(canvas, { bins: data.histograms[row.task][name], width: data.bin_width, unit, title: `${title}: median ${writeFigure(p50, unit)}, p99 ${writeFigure(p99, unit)}`, lines }, ratio));
    }
    this.draw();
  }

  /* The chosen quantum, and how to look into it. */
  fillPicked(box) {
    const one = this.picked;
    const unit = one.figure === "memory" ? "B" : "s";
    add(box, "h2", visible(one.data_id || `region ${one.unit} of ${one.trace}`));
    const list = add(box, "dl");
    const say = (name, text) => {
      add(list, "dt", name);
      add(list, "dd", visible(String(text ?? "?")));
    };
    say("Task", one.task);
    say({ wall: "Walltime", cpu: "CPU time", memory: "Memory" }[one.figure], `${writeFigure(one.value, unit)}, ${+one.times.toPrecision(3)} times the median`);
    say("Status", one.status);
    say("Host", one.host);
    say("Began", one.start);
    say("Trace", one.trace);
    say("Region", one.unit);
    add(box, "p", `rubinprof report TRACE --region ${one.unit}: all that this quantum did, where its trace is kept.`);
    if (this.page.task === one.task) return;
    const go = add(box, "button", `All of ${visible(one.task)}`);
    go.type = "button";
    go.addEventListener("click", () => this.page.chooseTask(one.task));
  }

  /* What is known of the task elsewhere, as sentences that lead there. */
  fillWays(box, row) {
    const { page } = this;
    const { data } = page;
    const words = add(box, "ul");
    for (const one of data.modes.filter((m) => m.task === row.task)) {
      const unit = one.figure === "memory" ? "B" : "s";
      add(words, "li", `${one.figure}: two modes, ${writeFigure(one.low_mode, unit)} and ${writeFigure(one.high_mode, unit)}`);
    }
    for (const one of data.drift.filter((d) => d.task === row.task)) add(words, "li", `${one.figure}: ${signedPart(one.over_all)} over the campaign`);
    if (!words.children.length) words.remove();
    const go = add(box, "div");
    go.className = "go";
    const way = (text, follow) => {
      const button = add(go, "button", text);
      button.type = "button";
      button.addEventListener("click", follow);
    };
    const outliers = data.outliers.filter((o) => o.task === row.task).length;
    way(`Outliers (${formatCount(outliers)})`, () => this.open("outliers"));
    if (row.over) way(`${formatCount(row.over)} above ${limitText(data.over_bytes)}`, () => page.open("memory"));
    way("Request", () => page.open("requests"));
    way("Over time", () => page.open("time"));
    way("Where inside", () => page.open("inside"));
  }

  draw(ratio) {
    this.charts?.forEach((draw) => draw(ratio));
  }
}

class CampaignMemory {
  constructor(page) {
    this.page = page;
    const { data, find } = page;
    const rows = () => data.tasks;
    for (const row of data.tasks) {
      row.over_share = row.quanta ? row.over / row.quanta : null;
      row.over_wall_share = row.wall_s ? row.over_wall_s / row.wall_s : null;
    }
    const limit = limitText(data.over_bytes);
    this.grid = new Grid(find("memory-grid"), { label: "Memory by task", sortBy: "memory_max_bytes", choose: (i) => page.chooseTask(data.tasks[i].task), columns: [
      figureColumn(rows, "task", "Task", "text", { width: "minmax(170px, 2fr)" }), figureColumn(rows, "quanta", "Quanta", "count"),
      intervalColumn(rows, "memory_p50_bytes", "Median (95 %)", "B", "memory_p50_low_bytes", "memory_p50_high_bytes", { width: "minmax(220px, 1.2fr)" }), figureColumn(rows, "memory_p95_bytes", "p95", "B"),
      figureColumn(rows, "memory_p99_bytes", "p99", "B"), figureColumn(rows, "memory_max_bytes", "Largest", "B"), figureColumn(rows, "over", `N > ${limit}`, "count"), figureColumn(rows, "over_share", "of quanta", "share"),
      figureColumn(rows, "over_wall_s", "Their wall", "s"), figureColumn(rows, "over_wall_share", "of its wall", "share", { share: (i) => data.tasks[i].over_wall_s / (data.totals.wall_s || 1) })] });
  }

  show() {
    const { data } = this.page;
    this.grid.setRows(data.tasks.map((_, i) => i));
    this.grid.active = this.page.task ? this.grid.order.indexOf(data.tasks.findIndex((t) => t.task === this.page.task)) : -1;
    this.grid.draw();
    this.draw();
  }

  draw(ratio) {
    const { data, find, task } = this.page;
    const sum = new Map();
    for (const [name, of] of Object.entries(data.histograms)) {
      if (task && name !== task) continue;
      of.memory[0].forEach((bin, i) => sum.set(bin, (sum.get(bin) ?? 0) + of.memory[1][i]));
    }
    const numbers = [...sum.keys()].sort((a, b) => a - b);
    drawHistogram(find("memory-canvas"), { bins: [numbers, numbers.map((bin) => sum.get(bin))], width: data.bin_width, unit: "B", height: 170,
      title: `Memory of the quanta of ${task ? visible(task) : "all tasks"} (heights are roots of counts)`, lines: [{ at: 4 * 2 ** 30, text: "4 GB", colour: "soft" }, { at: data.over_bytes, text: limitText(data.over_bytes) }] }, ratio);
  }
}

class CampaignRequests {
  constructor(page) {
    this.page = page;
    const { data, find } = page;
    const rows = (this.rows = data.requests.map((r) => ({ task: r.task, quanta: r.quanta, bytes: r.request?.bytes ?? null, multiplier: r.request?.multiplier ?? null, retry_rate: r.request ? r.retry_rate : null,
      saving: r.request ? r.saving[0] : null, half: r.saving[1], why_not: r.why_not })));
    const all = () => rows;
    find("requests-none").hidden = rows.length > 0;
    find("requests-none").textContent = data.requests_why_not;
    find("requests-view").hidden = rows.length === 0;
    find("requests-yaml").textContent = data.requests_yaml;
    this.grid = new Grid(find("requests-grid"), { label: "Memory requests", sortBy: "saving", choose: (i) => page.chooseTask(rows[i].task), columns: [
      figureColumn(all, "task", "Task", "text", { width: "minmax(170px, 2fr)" }), figureColumn(all, "bytes", "Request", "B"), figureColumn(all, "multiplier", "Multiplier", "number"), figureColumn(all, "retry_rate", "Retried", "share"),
      { ...figureColumn(all, "saving", `Saves over ${limitText(data.present_bytes)} (95 %)`, "share", { width: "minmax(190px, 1fr)" }),
        text: (i) => (rows[i].saving === null ? "?" : `${formatPart(rows[i].saving)} ± ${formatPart(rows[i].half)}`) },
      figureColumn(all, "quanta", "Quanta", "count"), figureColumn(all, "why_not", "Why there is none", "text", { width: "minmax(200px, 2fr)" })] });
  }

  show() {
    this.grid.setRows(this.rows.map((_, i) => i));
    this.grid.active = this.page.task ? this.grid.order.indexOf(this.rows.findIndex((r) => r.task === this.page.task)) : -1;
    this.grid.draw();
  }

  draw() {}
}

class CampaignInside {
  constructor(page, trees) {
    this.page = page;
    this.trees = trees;
    const { data, find } = page;
    this.view = trees ? "flame" : "functions";
    const rows = () => this.rows;
    const estimate = (key, title, kind, more) => {
      const column = figureColumn(rows, key, title, kind, { width: "minmax(130px, 0.8fr)", ...more });
      const plain = column.text;
      column.text = (i) => plain(i) + formatDoubt(this.rows[i][key] ?? 0, this.rows[i][`${key}_error`] ?? 0);
      return column;
    };
    const kind = { ...figureColumn(rows, "kind", "Kind", "text", { width: "minmax(80px, 0.5fr)" }), text: (i) => (this.rows[i].kind === "python" ? "Python" : "C/C++") };
    const cpu = estimate("self_cpu_s", "Self CPU", "s", { share: (i) => this.rows[i].share });
    const share = figureColumn(rows, "share", "of all CPU", "share");
    const name = { ...figureColumn(rows, "function", "Function", "text", { width: "minmax(220px, 2.4fr)" }), text: (i) => shortName(visible(this.rows[i].function)) };
    const place = { ...figureColumn(rows, "file", "Where", "text"), text: (i) => visible(baseName(this.rows[i].file || this.rows[i].module || "")) + (this.rows[i].line > 0 ? `:${this.rows[i].line}` : "") };
    this.views = {
      functions: { rows: data.functions, columns: [name, place, kind, cpu, share, figureColumn(rows, "calls", "Calls", "count"), estimate("allocated_bytes", "Allocated", "B"), figureColumn(rows, "processes", "Processes", "count")] },
      libraries: { rows: data.libraries, columns: [{ ...figureColumn(rows, "module", "Library or module", "text", { width: "minmax(220px, 2.4fr)" }), text: (i) => visible(baseName(this.rows[i].module || "?")) }, kind, cpu, share, figureColumn(rows, "allocated_bytes", "Allocated", "B")] },
    };
    this.rows = data.functions;
    this.grid = new Grid(find("inside-grid"), { label: "Functions", columns: this.views.functions.columns, sortBy: "self_cpu_s" });
    for (const button of find("inside-views").children) button.addEventListener("click", () => this.open(button.dataset.view));
    find("inside-filter").addEventListener("input", () => this.show());
  }

  open(view) {
    this.view = view;
    this.show();
    this.page.writeAddress();
  }

  show() {
    const { page, view } = this;
    const { find, data } = page;
    pressOne(find("inside-views"), view);
    const isFlame = view === "flame";
    find("flame-none").hidden = !isFlame || Boolean(this.trees);
    find("flame-view").hidden = !isFlame || !this.trees;
    find("inside-grid").hidden = isFlame;
    find("inside-filter-label").hidden = isFlame;
    if (isFlame) return this.showFlame();
    if (this.shown !== view) {
      this.shown = view;
      this.rows = this.views[view].rows;
      this.grid.sortBy = "self_cpu_s";
      this.grid.setColumns(this.views[view].columns);
    }
    const regex = page.regexOf(find("inside-filter"));
    this.grid.setRows(this.rows.map((_, i) => i).filter((i) => !regex || regex.test(`${this.rows[i].function ?? ""} ${this.rows[i].file ?? ""} ${this.rows[i].module ?? ""}`)));
    const { python, native, system } = data.split;
    const sum = (python ?? 0) + (native ?? 0);
    const parts = sum > 0 ? [`Python ${formatPart((python ?? 0) / sum)}`, `C and C++ ${formatPart((native ?? 0) / sum)} of the CPU time`] : [];
    if (data.totals.gil_wait_s > 0) parts.push(`waiting for the GIL ${formatHours(data.totals.gil_wait_s)}`);
    if (system > 0) parts.push(`in the system ${formatHours(system)}`);
    find("inside-note").textContent = `${parts.join(", ")}${parts.length ? ". " : ""}Whole processes, start-up included${page.task ? ": functions are not told by task" : ""}.`;
  }

  showFlame() {
    const { page } = this;
    page.find("inside-note").textContent = "";
    if (!this.trees) return;
    const name = page.task && this.trees.trees[page.task] ? page.task : "";
    page.find("inside-note").textContent = page.task && !name ? `no call stacks of ${visible(page.task)}: these are of all tasks` : name ? `quanta of ${visible(name)}` : "all quanta";
    page.find("inside-note").textContent += "; estimates from at most 64 stacks of each quantum";
    page.showTree(name);
  }

  draw(ratio) {
    page_redraw(this.page, ratio);
  }
}

function page_redraw(page, ratio) {
  page.panel?.redraw(ratio);
}

class CampaignTime {
  constructor(page) {
    this.page = page;
    page.find("time-none").hidden = page.data.time.begin !== null;
  }

  show() {
    const { page } = this;
    const { time } = page.data;
    const box = page.find("time-charts");
    box.replaceChildren();
    this.charts = [];
    if (time.begin === null) return;
    const bins = Array.from({ length: time.bins }, () => null);
    const names = page.task ? [page.task] : Object.keys(time.tasks);
    for (const name of names) {
      for (const [bin, quanta, wall, cpu, notDone, typical, memory] of time.tasks[name] ?? []) {
        const sum = (bins[bin] ??= { quanta: 0, wall: 0, cpu: 0, notDone: 0, typical: null, memory: null });
        sum.quanta += quanta;
        sum.wall += wall ?? 0;
        sum.cpu += cpu ?? 0;
        sum.notDone += notDone;
        sum.typical = typical;
        sum.memory = Math.max(sum.memory ?? 0, memory ?? 0) || null;
      }
    }
    const of = (read) => bins.map((sum) => (sum ? read(sum) : null));
    const chart = (title, values, write, kind, shade) => {
      const canvas = add(box, "canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", title);
      this.charts.push((ratio) => drawSeries(canvas, { values, time, title, write, kind, shade }, ratio));
    };
    const what = page.task ? visible(page.task) : "all tasks";
    chart(`Walltime of quanta that began then, ${what} (${formatDuration(time.bin_s * 1e9)} each)`, of((s) => s.wall), formatHours);
    if (page.task) chart("Typical walltime of a quantum (geometric mean)", of((s) => s.typical), formatHours, "line", "native");
    chart("CPU time over walltime", of((s) => (s.wall > 0 ? s.cpu / s.wall : null)), (v) => formatPart(v), "line", "match");
    chart("Largest memory", of((s) => s.memory), formatBytes, "line", "inlined");
    if (bins.some((s) => s?.notDone > 0)) chart("Quanta that did not end well", of((s) => s.notDone), formatCount, "area", "warn");
    for (const one of page.data.drift.filter((d) => d.task === page.task)) {
      add(box, "p", `${one.figure}: ${signedPart(one.a_day)} a day (${signedPart(one.a_day_low)} to ${signedPart(one.a_day_high)}), ${signedPart(one.over_all)} over the campaign.`);
    }
    this.draw();
  }

  draw(ratio) {
    this.charts?.forEach((draw) => draw(ratio));
  }
}

class CampaignHosts {
  constructor(page) {
    this.page = page;
    const { data, find } = page;
    const rows = () => data.hosts;
    const ratio = (name, title) => intervalColumn(rows, `${name}_times`, title, "times", `${name}_times_low`, `${name}_times_high`, { what: "how long the same tasks take here, over elsewhere" });
    const host = { ...figureColumn(rows, "host", "Host", "text"), fill: (cell, i) => {
      cell.textContent = visible(String(data.hosts[i].host ?? "?"));
      if (data.hosts[i].is_certain) Object.assign(add(cell, "b", " *"), { className: "mark", title: "differs for sure: false alarms among those marked are at most 1 %" });
    } };
    this.grid = new Grid(find("hosts-grid"), { label: "Hosts", sortBy: "wall_times", columns: [host, figureColumn(rows, "quanta", "Quanta", "count"), figureColumn(rows, "not_done", "Not done", "count"),
      ratio("wall", "Wall, times elsewhere (95 %)"), ratio("cpu", "CPU, times elsewhere (95 %)")] });
    find("hosts-canvas").addEventListener("click", (e) => {
      const x = e.clientX - find("hosts-canvas").getBoundingClientRect().left;
      const near = this.dots.reduce((best, dot) => (!best || Math.abs(dot.x - x) < Math.abs(best.x - x) ? dot : best), null);
      if (!near) return;
      this.grid.active = this.grid.order.indexOf(data.hosts.indexOf(near.row.of));
      this.grid.host.scrollTop = Math.max(0, this.grid.active * GRID_ROW - 60);
      this.grid.draw();
    });
  }

  show() {
    this.grid.setRows(this.page.data.hosts.map((_, i) => i));
    this.draw();
  }

  draw(ratio) {
    const rows = this.page.data.hosts.map((h) => ({ of: h, value: h.wall_times, low: h.wall_times_low, high: h.wall_times_high, isMarked: h.is_certain }));
    this.dots = drawIntervals(this.page.find("hosts-canvas"), { rows, title: "How long the same tasks take on each host, over elsewhere, with 95 % intervals; large squares differ for sure" }, ratio);
  }
}

class CampaignLosses {
  constructor(page) {
    const { data, find } = page;
    const t = data.totals;
    const say = (id, text) => add(find(id), "li", visible(text));
    if (t.lost_events > 0) say("losses", `${formatCount(t.lost_events)} events could not be kept while recording.`);
    if (t.not_complete > 0) say("losses", `${plural(t.not_complete, "process", "processes")} ended without a stop: what was recorded is here, the last quantum is “unfinished”.`);
    if (t.without_trace > 0) say("losses", `${formatCount(t.without_trace)} quanta have no trace.`);
    if (t.without_rss > 0) say("losses", `${formatCount(t.without_rss)} quanta have no resident memory of ours.`);
    if (!find("losses").children.length) say("losses", "Nothing was lost.");
    const whole = (t.wall_s ?? 0) + (t.earlier_wall_s ?? 0) + (t.start_up_wall_s ?? 0);
    const row = (name, wall, cpu) => [name, writeFigure(wall, "s"), whole > 0 && wall !== null ? formatPart(wall / whole) : "?", writeFigure(cpu, "s")];
    fillTable(find("besides"), ["", "Walltime", "of all", "CPU time"], [row("Quanta, last attempts", t.wall_s, t.cpu_s), row("Earlier attempts", t.earlier_wall_s, t.earlier_cpu_s), row("Start-up and imports", t.start_up_wall_s, t.start_up_cpu_s)]);
    fillTable(find("tracer"), ["Mode (CPU, memory)", "Processes", "CPU time of the tool", "of all", "Median process", "p99", "Traces", "A quantum", "Lost events"], data.tracer.map((r) => [
      `${r.mode_cpu ?? "?"}, ${r.mode_memory ?? "?"}`, formatCount(r.processes), writeFigure(r.overhead_s, "s"), ...["overhead_share", "overhead_share_p50", "overhead_share_p99"].map((key) => (r[key] === null ? "?" : formatPart(r[key]))),
      writeFigure(r.file_bytes, "B"), writeFigure(r.quantum_bytes, "B"), r.lost_events === null ? "?" : formatCount(r.lost_events)]));
    find("disagreement-none").hidden = data.disagreement.length > 0;
    find("disagreement-bounds").textContent = data.disagreement.length ? data.disagreement_bounds : "";
    if (data.disagreement.length) {
      const names = { wall: "Walltime", cpu: "CPU time", memory: "Memory" };
      fillTable(find("disagreement"), ["Task", "Figure", "Quanta", "Ours / theirs", "Beyond the bound", "Why"], data.disagreement.map((r) => [visible(r.task), names[r.figure], formatCount(r.quanta),
        r.times === null ? "?" : r.times.toFixed(3), formatCount(r.beyond), r.why]));
    }
    for (const entry of data.refused) say("refused", `${entry.path}: ${entry.reason}`);
    if (!data.refused.length) say("refused", "None.");
  }

  show() {}

  draw() {}
}
