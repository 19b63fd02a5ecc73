/* What ran, how it went, and the findings worth acting on. A part: show() means that the selection has changed, or the part came into sight. */

class OverviewPart {
  constructor(report) {
    this.report = report;
    this.find = report.find;
    this.fillAbout();
  }

  show() {
    const { report } = this;
    const cards = this.find("overview-cards");
    cards.replaceChildren();
    const now = report.now;
    const st = report.stats;
    const card = (name, value, note) => {
      const box = add(cards, "div");
      add(box, "dt", name);
      const dd = add(box, "dd", value);
      if (note) add(dd, "small", note);
    };
    const sum = (key) => now.tree.total(key)[0];
    card(report.isWhole() ? "Wall time" : "Stretch of time", formatDuration(now.seconds * 1e9));
    if (isCpuOff) card("CPU time", "?", "not measured");
    else {
      card("CPU time", formatDuration(sum("cpu")));
      card("CPU efficiency", formatShare(sum("cpu"), now.seconds * 1e9), "of one CPU");
    }
    if (report.panel.partly.some((m) => m.key === "gil_wait")) card("GIL wait", "?", report.panel.whyUnknown(METRICS.find((m) => m.key === "gil_wait")));
    else if (sum("gil_wait") > 0) card("GIL wait", formatDuration(sum("gil_wait")));
    if (st.allocations > 0) {
      const at = `at ${formatDuration(report.timeline.at(now.highest + 0.5) * 1e9)}`, hint = report.isWhole() ? poolHint(st) : "";
      card("Peak memory", formatBytes(now.peakBytes), hint ? `${at}; ${hint}` : at);
      card("Leaked", formatBytes(sum("leaked")));
      card("Allocated", formatBytes(sum("allocated")), `in ${formatCount(sum("allocations"))}`);
    }
    if (st.calls === null) card("Python calls", "?", "not counted in sampled mode");
    else if (sum("calls") > 0) card("Python calls", formatCount(sum("calls")));
    if (report.regions.length) card(report.stats.quanta > 0 ? "Quanta" : "Regions", formatCount(report.stats.quanta || report.regions.length));
    this.fillFindings();
  }

  fillFindings() {
    const list = this.find("findings");
    list.replaceChildren();
    const findings = findFindings(this.report);
    for (const finding of findings) {
      const item = add(list, "li");
      add(item, "span", finding.text);
      const show = add(item, "button", "Show");
      show.type = "button";
      show.setAttribute("aria-label", `Show: ${finding.text}`);
      show.addEventListener("click", () => this.report.follow(finding));
    }
    if (!findings.length) add(list, "li", "Nothing stands out in this stretch of the run.");
  }

  fillAbout() {
    const { report } = this;
    const st = report.stats;
    const table = this.find("about-table");
    const row = (name, value) => {
      if (value === null || value === undefined || value === "") return;
      const line = add(table, "tr");
      add(line, "th", name).scope = "row";
      add(line, "td", visible(String(value)));
    };
    const command = Array.isArray(st.command) ? st.command.join(" ") : st.command;
    row("Command", command);
    row("Host", st.host);
    row("Began", formatStart(st.start_s));
    row("Processes", st.processes);
    row("Threads", st.threads);
    row("Python", st.python);
    row("rubinprof", st.rubinprof);
    const meta = st.meta ?? {};
    for (const key of Object.keys(meta).filter((k) => /^(version|package|lsst|system|kernel|cpu|machine|os)\b/.test(k)).sort()) row(key, meta[key]);
    row("Trace", `${formatCount(st.events)} events, ${formatBytes(st.file_bytes)}`);

    const lost = this.find("lost-list");
    const say = (text) => add(lost, "li", visible(text));
    const modes = st.mode ?? {};
    for (const [what, name] of [["cpu", st.calls === null || modes.cpu === "off" ? "CPU time" : "CPU time and calls"], ["memory", "Memory"]]) {
      if (modes[what] === "sampled" && !(what === "cpu" && st.calls !== null)) say(`${name}: estimated from samples.`);
      else if (modes[what] === "off") say(`${name}: not recorded.`);
      else if (modes[what] === "mixed") say(`${what === "cpu" ? "CPU time" : "Memory"}: ${Object.entries(st.mode_processes?.[what] ?? {}).map(([how, n]) => `${how} in ${plural(n, "process", "processes")}`).join(", ")}.`);
      else if (modes[what]) say(`${name}: every event was recorded.`);
    }
    for (const m of [...report.panel.unknown, ...report.panel.partly]) say(`${m.name}: ${report.panel.whyUnknown(m)}.`);
    if (st.samples > 0 && st.calls !== null) say(`Native functions share the exact CPU time of their Python function by ${formatCount(st.samples)} samples.`);
    if (st.lost_events > 0 || st.lost_bytes > 0) say(`${formatCount(st.lost_events)} events (${formatBytes(st.lost_bytes)} of allocations) were lost while recording.`);
    if (st.lost_blocks > 0 || st.damaged_blocks > 0) say(`${formatCount((st.lost_blocks ?? 0) + (st.damaged_blocks ?? 0))} blocks are missing or damaged in the files.`);
    if (st.places_folded) say("The trace has more places in the code than a report keeps apart: some count for their callers.");
    if (!(st.lost_events > 0) && !(st.lost_blocks > 0) && !(st.damaged_blocks > 0)) say("Nothing was lost.");
    for (const unseen of Array.isArray(st.not_seen) ? st.not_seen : []) {
      say(`Not seen: ${String(unseen.what).replaceAll("_", " ")}${unseen.name ? ` (${unseen.name})` : ""}${unseen.count > 1 ? `, ${formatCount(unseen.count)} times` : ""}.`);
    }
    say(`rubinprof itself took ${formatDuration((st.overhead_s ?? 0) * 1e9)}${st.cpu_s > 0 ? ` (${formatShare(st.overhead_s, st.cpu_s)} of the program's CPU time)` : ""}; ` +
      `it is ${st.calls === null ? "still in" : "taken out of"} all times.`);
    const parts = report.timeline.foldedParts;
    if (parts) say(`Small frames are folded to keep this page under 3 MB: in a stretch of time, what did less than ${formatShare(1, parts)} of it may stand as “[smaller frames]” below its caller. All sums are exact.`);
    if (report.sources.length) say(`The text of ${report.sources.length} source file${report.sources.length === 1 ? "" : "s"} is inside this page.`);
  }
}
