/* What all pages have: elements, themes, the address, the head. */

/* Appends an element; its text is text, whatever it looks like. */
function add(parent, tag, text) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function plural(n, one, many) {
  return typeof n === "number" && n > 0 ? `${formatCount(n)} ${n === 1 ? one : many}` : null;
}

function currentTheme() {
  return document.documentElement.dataset.theme ?? "light";
}

/* redraw(ratio): draws all canvases in the new colours. */
function watchTheme(redraw) {
  const set = (theme, ratio) => {
    document.documentElement.dataset.theme = theme;
    redraw(ratio);
  };
  let before = currentTheme();
  document.getElementById("rp-theme").addEventListener("click", () => set(currentTheme() === "dark" ? "light" : "dark"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (e) => set(e.matches ? "dark" : "light"));
  window.addEventListener("beforeprint", () => {
    before = currentTheme();
    set("light", 3);
  });
  window.addEventListener("afterprint", () => set(before));
}

/* Begins a page; make(blocks) builds it, or the fallback says why not. */
function startPage(ids, make) {
  document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const begin = async () => {
    const [metrics, ...blocks] = await Promise.all(["metrics", ...ids].map((id) => readBlock("rp-data-" + id)));
    takeMetrics(metrics);
    document.documentElement.classList.add("drawn");
    window.rubinprof = make(...blocks);
  };
  begin().catch((error) => {
    document.documentElement.classList.remove("drawn");
    const note = document.querySelector("#rp-fallback p");
    note.textContent = `The page could not be drawn (${error.message}). The heaviest functions, by time of their own:`;
  });
}

/* Makes words the page's address; returns them as text. */
function putAddress(words) {
  const text = words.toString();
  if (location.protocol !== "about:") history.replaceState(null, "", text ? "#" + text : location.pathname + location.search); // a notebook's frame has none
  return text;
}

/* The address of a page, which holds all that a reader chose. Each choice is a step that the browser's Back undoes; what is typed into a field is one step in all.
 * read(words): shows what an address says. */
class PageAddress {
  constructor(read) {
    this.isReading = false;
    this.text = null;
    window.addEventListener("hashchange", () => {
      if (location.hash.slice(1) === this.text) return;
      this.text = location.hash.slice(1);
      this.isReading = true;
      read(new URLSearchParams(this.text));
      this.isReading = false;
    });
  }

  put(words, isTyped = false) {
    const text = words.toString();
    if (text === this.text) return;
    const isStep = this.text !== null && !this.isReading && !(isTyped && this.wasTyped);
    this.text = text;
    this.wasTyped = isTyped;
    if (location.protocol === "about:") return; // a notebook's frame has none
    history[isStep ? "pushState" : "replaceState"](null, "", text ? "#" + text : location.pathname + location.search);
  }
}

/* Which of the matches is chosen: "3 of 41". */
function countOf(matches, chosen) {
  if (!matches.length) return "no match";
  const at = matches.indexOf(chosen);
  return at < 0 ? plural(matches.length, "match", "matches") : `${formatCount(at + 1)} of ${formatCount(matches.length)}`;
}

/* The match after (step 1) or before (-1) the chosen place, round and round; -1: there is none. */
function stepOf(matches, chosen, step) {
  if (!matches.length) return -1;
  if (step > 0) return matches.find((i) => i > chosen) ?? matches[0];
  return matches.findLast((i) => i < chosen) ?? matches[matches.length - 1];
}

/* The same buttons wherever a function is told of. frame: -1 where the page knows only its name. */
function fillActions(box, report, frame, name) {
  const action = (text, run) => {
    const button = add(box, "button", text);
    button.type = "button";
    button.addEventListener("click", () => run(button));
  };
  box.classList.add("actions");
  if (report && frame >= 0) {
    if (report.part !== "tree") action("Call tree", () => report.showInTree(frame));
    if (report.part !== "table") action("Table", () => report.showInTable(frame));
    if (report.part !== "source" && report.sourceOf(frame) >= 0) action("Source", () => report.showSource(frame));
  }
  action("Copy name", (button) => copyText(name, button));
}

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // without leave, or in a file that the browser does not trust
    const field = add(document.body, "textarea");
    field.value = text;
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy name"), 1500);
}

/* Title and where, when it ran. find(id): elements of the page. */
function fillTitle(find, st) {
  const command = Array.isArray(st.command) ? st.command.join(" ") : st.command;
  document.title = `${visible(command || "trace")} – rubinprof`;
  find("title").textContent = visible(command || "trace");
  find("title").title = visible(command || "");
  const about = [
    formatStart(st.start_s),
    st.host,
    st.python ? `Python ${st.python}` : null,
    plural(st.processes, "process", "processes"),
    plural(st.threads, "thread", "threads"),
  ];
  find("about").textContent = visible(about.filter(Boolean).join(" · "));
}

/* Beside a peak: what resident memory had beyond it, where reserved pools may hold that. */
function poolHint(st) {
  return st.pool_bytes_max > 0 ? `up to ${formatBytes(st.pool_bytes_max)} more may lie in ${formatBytes(st.reserved_bytes)} reserved by native pools` : "";
}

/* Beside CPU time: how it divides, as far as the processes tell. */
function userAndSystem(st) {
  return st.cpu_user_s > 0 ? `${formatDuration(st.cpu_user_s * 1e9)} user, ${formatDuration(st.cpu_system_s * 1e9)} system, the tool's with them` : "";
}

/* Title, notices and the figures above the small page. */
function fillHeader(find, st) {
  fillTitle(find, st);
  fillNotices(find, st);

  const cards = find("cards");
  const card = (name, value, note) => {
    if (value === null || value === undefined) return;
    const box = add(cards, "div");
    add(box, "dt", name);
    const dd = add(box, "dd", value);
    if (note) add(dd, "small", note);
  };
  const seconds = (s) => (s === undefined || s === null ? null : formatDuration(s * 1e9));
  card("Wall time", seconds(st.wall_s));
  if (st.cpu_s === null) card("CPU time", "?", "not measured");
  else card("CPU time", seconds(st.cpu_s), [st.wall_s > 0 && st.cpu_s >= 0 ? `${((100 * st.cpu_s) / st.wall_s).toFixed(0)} % of wall` : "", userAndSystem(st)].filter(Boolean).join("; "));
  card("Peak memory", st.peak_bytes > 0 ? formatBytes(st.peak_bytes) : null, [st.peak_at_s >= 0 ? `at ${seconds(st.peak_at_s)}` : "", poolHint(st)].filter(Boolean).join("; "));
  card("Resident", st.largest_resident_bytes > 0 ? formatBytes(st.largest_resident_bytes) : null, "high-water mark, imports and mapped files with it");
  card("Leaked", st.allocations > 0 ? formatBytes(st.leaked_bytes ?? 0) : null);
  card("Allocations", st.allocations > 0 ? formatCount(st.allocations) : null, st.allocations > 0 ? formatBytes(st.allocated_bytes ?? 0) : "");
  if (st.calls === null) card("Python calls", "?", "not counted in sampled mode");
  else card("Python calls", st.calls > 0 ? formatCount(st.calls) : null);
  card("Quanta", st.quanta > 0 ? formatCount(st.quanta) : null);
  card("Lost", st.lost_events > 0 || st.lost_bytes > 0 ? `${formatCount(st.lost_events ?? 0)} events` : "nothing");
  card("The tool's own cost", seconds(st.overhead_s));
}

/** Why a trace is not complete: a process that was killed is no damage. */
function endings(st) {
  const ended = st.ended && typeof st.ended === "object" ? st.ended : {};
  const said = [];
  const say = (n, text) => n > 0 && said.push(`${formatCount(n)} of ${formatCount(st.processes)} processes ${text}`);
  say(ended.killed, "ended without a stop, by a signal or an exec: what they had recorded is here.");
  say(ended.running, "are being traced still: figures are those of then.");
  say(ended["running or killed"], "were being traced still, or were killed.");
  say(st.damaged_files, "have a file that is damaged or cut short: 'rubinprof verify' says where.");
  return said.length ? said : ["This trace is incomplete: at least one process did not end tracing by a clean stop. The figures cover what was written."];
}

function fillNotices(find, st) {
  const notices = [];
  if (st.complete === false) notices.push(...endings(st));
  if (st.lost_events > 0 || st.lost_bytes > 0)
    notices.push(`${formatCount(st.lost_events ?? 0)} events (${formatBytes(st.lost_bytes ?? 0)}) were lost: the figures are that much too low.`);
  const modes = st.mode && typeof st.mode === "object" ? Object.entries(st.mode).filter(([, how]) => how === "sampled") : [];
  if (modes.length) notices.push(`${modes.map(([what]) => (what === "cpu" ? "CPU time" : "Memory")).join(" and ")}: estimated from samples.`);
  for (const warning of Array.isArray(st.warnings) ? st.warnings : []) notices.push(String(warning));
  for (const text of notices) add(find("notices"), "p", visible(text)).className = "notice";
}
