/* The page of a difference of two campaigns: the change of each task's median, as intervals and as a table. */

class CampaignDiff {
  constructor(data) {
    this.data = data;
    this.find = (id) => document.getElementById("rp-" + id);
    const { find } = this;
    document.title = `${visible(data.a)} to ${visible(data.b)} – rubinprof`;
    find("title").textContent = `${visible(data.a)} → ${visible(data.b)}`;
    const t = data.totals;
    find("about").textContent = `${formatCount(t.quanta[0])} quanta, ${formatHours(t.wall_s[0])} → ${formatCount(t.quanta[1])} quanta, ${formatHours(t.wall_s[1])}`;
    for (const limit of data.limits ?? []) if (limit.broken) add(find("notices"), "p", visible(`${limit.limit} is broken: ${limit.found}`)).className = "notice";
    this.figure = "wall";
    const rows = (this.rows = data.tasks);
    const of = (i) => rows[i][this.figure];
    const write = (v) => writeFigure(v, this.figure === "memory" ? "B" : "s");
    const plain = (key, title) => ({ key, title, width: "minmax(90px, 0.7fr)", value: (i) => of(i)[key] ?? -Infinity, text: (i) => write(of(i)[key]) });
    const pair = (key, title, kind) => [0, 1].map((side) => ({ ...figureColumn(() => rows, key, `${title} ${"AB"[side]}`, kind), key: `${key}${side}`, value: (i) => rows[i][key]?.[side] ?? -Infinity,
      text: (i) => (rows[i][key]?.[side] === null || rows[i][key]?.[side] === undefined ? "" : kind === "count" ? formatCount(rows[i][key][side]) : writeFigure(rows[i][key][side], kind)) }));
    this.grid = new Grid(find("grid"), { label: "Tasks", sortBy: "change", columns: [
      { ...figureColumn(() => rows, "task", "Task", "text", { width: "minmax(170px, 2fr)" }), text: (i) => visible(rows[i].task) + { both: "", new: " (new)", gone: " (gone)" }[rows[i].state] },
      plain("a", "A"), plain("b", "B"),
      { key: "change", title: "Change (95 %)", width: "minmax(260px, 1.4fr)", value: (i) => (of(i).change === null ? -1 : Math.abs(of(i).change)), text: () => "",
        fill: (cell, i) => {
          const { change, interval, certain } = of(i);
          if (change === null) return;
          const span = Number.isFinite(interval[0]) && Number.isFinite(interval[1]) ? ` (${signedPart(interval[0])} to ${signedPart(interval[1])})` : "";
          const text = add(cell, "span", `${certain ? "" : "~ "}${signedPart(change)}${span}`);
          if (certain) text.className = change > 0 ? "sign-more" : "sign-less";
        } },
      ...pair("quanta", "Quanta", "count"), ...pair("wall_s", "Walltime", "s"), ...pair("memory_max_bytes", "Most memory", "B")] });
    for (const button of find("figures").children) button.addEventListener("click", () => this.show(button.dataset.view));
    for (const id of ["filter", "certain"]) find(id).addEventListener("input", () => this.show(this.figure));
    new ResizeObserver(() => this.draw()).observe(document.body);
    watchTheme((ratio) => this.draw(ratio));
    this.show("wall");
  }

  show(figure) {
    this.figure = figure;
    const { find, rows } = this;
    pressOne(find("figures"), figure);
    let regex = null;
    try {
      regex = find("filter").value ? new RegExp(find("filter").value, "iu") : null;
      find("filter").classList.remove("wrong");
    } catch {
      find("filter").classList.add("wrong");
    }
    const ids = rows.map((_, i) => i).filter((i) => (!regex || regex.test(rows[i].task)) && (!find("certain").checked || rows[i][figure].certain));
    this.grid.setRows(ids);
    find("note").textContent = `${formatCount(ids.length)} of ${formatCount(rows.length)} tasks`;
    this.draw();
  }

  draw(ratio) {
    const known = [...this.grid.order].map((i) => this.rows[i][this.figure]).filter((f) => f.change !== null && Number.isFinite(f.interval[0]) && Number.isFinite(f.interval[1]));
    drawIntervals(this.find("canvas"), { rows: known.map((f) => ({ value: 1 + f.change, low: 1 + f.interval[0], high: 1 + f.interval[1], isMarked: f.certain })),
      title: "B over A, in the order of the table; large squares are certain" }, ratio);
  }
}

startPage(["difference"], (data) => new CampaignDiff(data));
