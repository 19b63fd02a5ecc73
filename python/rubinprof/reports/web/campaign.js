/* The page of a campaign: its parts share the chosen task, kept here and in the address. */

const CAMPAIGN_PARTS = ["overview", "tasks", "memory", "requests", "inside", "time", "hosts", "losses"];

class CampaignPage extends TabbedPage {
  constructor(data, trees) {
    super(CAMPAIGN_PARTS);
    this.data = data;
    this.task = "";
    this.fillHead();
    this.parts = { overview: new CampaignOverview(this), tasks: new CampaignTasks(this), memory: new CampaignMemory(this), requests: new CampaignRequests(this), inside: new CampaignInside(this, trees),
      time: new CampaignTime(this), hosts: new CampaignHosts(this), losses: new CampaignLosses(this) };
    this.trees = trees;
    this.listen();
    watchTheme((ratio) => this.parts[this.part]?.draw(ratio));
    this.readAddress();
    this.isReady = true;
    this.writeAddress();
  }

  fillHead() {
    const { data, find } = this;
    const t = data.totals;
    document.title = `${visible(data.store)} – campaign – rubinprof`;
    find("title").textContent = visible(data.store);
    const span = t.first ? `${formatMoment(new Date(t.first * 1000), 1e9)} to ${formatMoment(new Date(t.last * 1000), 1e9)}` : null;
    find("about").textContent = ["campaign", plural(t.quanta, "quantum", "quanta"), span, `made ${data.made.slice(0, 16).replace("T", " ")} UTC`].filter(Boolean).join(" · ");
    const notices = [];
    if (t.not_complete > 0.01 * t.processes) notices.push(`${formatCount(t.not_complete)} of ${formatCount(t.processes)} processes ended without a stop; what they had recorded is here.`);
    if (t.lost_events > 0) notices.push(`${formatCount(t.lost_events)} events were lost: figures are that much too low.`);
    if (data.refused.length) notices.push(`${formatCount(data.refused.length)} files of the spool could not be read; Losses lists them.`);
    for (const text of notices) add(find("notices"), "p", text).className = "notice";
    const select = find("task");
    add(select, "option", "all").value = "";
    for (const { task } of [...data.tasks].sort((a, b) => (a.task < b.task ? -1 : 1))) add(select, "option", visible(task)).value = task;
  }

  listen() {
    this.listenToTabs();
    this.find("task").addEventListener("change", () => this.chooseTask(this.find("task").value));
    this.find("everything").addEventListener("click", () => this.chooseTask(""));
    document.addEventListener("keydown", (e) => this.onKey(e));
    window.addEventListener("hashchange", () => {
      if (location.hash.slice(1) !== this.written) this.readAddress();
    });
    new ResizeObserver(() => this.parts[this.part]?.draw()).observe(document.body);
  }

  onKey(e) {
    if (!isTyping(e) && !e.altKey && !e.ctrlKey && !e.metaKey) {
      const number = Number(e.key);
      if (number >= 1 && number <= CAMPAIGN_PARTS.length) {
        e.preventDefault();
        return this.open(CAMPAIGN_PARTS[number - 1]);
      }
      if (e.key === "0") return this.chooseTask("");
      const field = { tasks: "task-filter", inside: "inside-filter" }[this.part];
      if (e.key === "/" && !(this.part === "inside" && this.parts.inside.view === "flame")) {
        e.preventDefault();
        if (!field) this.open("tasks");
        return this.find(field ?? "task-filter").focus();
      }
    }
    if (this.part === "inside" && this.panel) this.panel.onPageKey(e);
  }

  chooseTask(task) {
    this.task = this.data.tasks.some((t) => t.task === task) ? task : "";
    this.find("task").value = this.task;
    this.find("everything").disabled = !this.task;
    this.parts[this.part].show();
    this.writeAddress();
  }

  follow(finding) {
    if (finding.view && finding.part === "tasks") this.parts.tasks.view = finding.view;
    else if (finding.part === "tasks") this.parts.tasks.view = "all";
    this.task = finding.task ?? "";
    this.find("task").value = this.task;
    this.find("everything").disabled = !this.task;
    this.open(finding.part);
  }

  open(part) {
    this.showTab(part);
    this.parts[part].show();
    this.writeAddress();
  }

  /* The call tree of a task, or ("") of the campaign. */
  showTree(name) {
    const data = this.trees.trees[name];
    if (this.treeName === name) return this.panel.view.draw();
    this.treeName = name;
    if (!this.frames) this.frames = new Frames(this.trees.strings, this.trees.frames);
    const tree = CallTree.fromColumns(data, this.frames);
    if (this.panel) this.panel.setTree(tree);
    else this.panel = new FlamePanel(this.frames, tree, { metric: "cpu", inverted: false }, new URLSearchParams(location.hash.slice(1)), { changed: () => this.writeAddress(), chosen: () => {} });
  }

  regexOf(input) {
    input.classList.remove("wrong");
    input.removeAttribute("aria-invalid");
    if (!input.value) return null;
    try {
      return new RegExp(input.value, "iu");
    } catch {
      input.classList.add("wrong");
      input.setAttribute("aria-invalid", "true");
      return null;
    }
  }

  writeAddress() {
    if (!this.isReady) return;
    const words = this.addressOfTab();
    if (this.task) words.set("task", this.task);
    if (this.part === "tasks" && this.parts.tasks.view !== "all") words.set("v", this.parts.tasks.view);
    if (this.part === "inside") words.set("v", this.parts.inside.view);
    if (this.part === "inside" && this.panel && this.parts.inside.view === "flame") this.panel.writeWords(words);
    this.written = putAddress(words);
  }

  readAddress() {
    const words = new URLSearchParams(location.hash.slice(1));
    const part = this.partOf(words);
    const view = words.get("v");
    if (part === "tasks") this.parts.tasks.view = this.parts.tasks.views[view] ? view : "all";
    if (part === "inside" && ["flame", "functions", "libraries"].includes(view)) this.parts.inside.view = view;
    const task = words.get("task") ?? "";
    this.task = this.data.tasks.some((t) => t.task === task) ? task : "";
    this.find("task").value = this.task;
    this.find("everything").disabled = !this.task;
    this.open(part);
  }
}

startPage(["campaign", "flame"], (data, trees) => new CampaignPage(data, trees));
