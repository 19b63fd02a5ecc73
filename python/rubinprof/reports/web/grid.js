/* A table of any length: only the rows in sight are elements. Sorted by its heads, walked with the arrow keys.
 *
 *   column   {key, title, what, width, text(i), value(i), isText, share(i)}: row i's cell, what it is sorted by, and the part of a
 *            whole that a bar behind the figure shows. */

const GRID_ROW = 26;
const GRID_HEIGHT_MOST = 8_000_000; // browsers cannot lay out taller elements: beyond, the scroll bar is scaled

class Grid {
  /* changed(): the reader has sorted, or chosen a row. */
  constructor(host, { label, columns, choose, changed, sortBy, isAscending = false }) {
    this.columns = columns;
    this.changed = changed ?? (() => {});
    this.widths = {}; // by key: what the reader made them
    this.firstSort = sortBy;
    this.choose = choose ?? (() => {});
    this.sortBy = sortBy;
    this.isAscending = isAscending;
    this.order = new Int32Array(0);
    this.active = -1;
    this.id = `grid-${Grid.made++}`;
    host.classList.add("grid");
    this.host = add(host, "div");
    this.host.setAttribute("role", "grid");
    this.host.setAttribute("aria-label", label);
    this.host.tabIndex = 0;
    this.head = add(add(this.host, "div"), "div");
    this.head.parentNode.setAttribute("role", "rowgroup");
    this.head.setAttribute("role", "row");
    this.head.className = "grid-head";
    this.body = add(this.host, "div");
    this.body.setAttribute("role", "rowgroup");
    this.body.className = "grid-body";
    this.fillHead();
    this.host.addEventListener("scroll", () => this.draw());
    this.host.addEventListener("keydown", (e) => this.onKey(e));
    new ResizeObserver(() => this.draw()).observe(this.host);
    for (const [event, isPrinting] of [["beforeprint", true], ["afterprint", false]]) {
      window.addEventListener(event, () => {
        this.isPrinting = isPrinting;
        this.draw();
      });
    }
  }

  fillHead() {
    this.head.replaceChildren();
    this.template = this.columns.map((c) => this.widthOf(c)).join(" ");
    // One width for head and rows: each is a grid of its own, and must come out the same.
    const least = this.columns.reduce((sum, c) => sum + Number(/(\d+)px/.exec(this.widthOf(c))[1]), 0);
    this.host.style.setProperty("--least", `${least}px`);
    this.head.style.gridTemplateColumns = this.template;
    for (const column of this.columns) {
      const cell = add(this.head, "div");
      cell.setAttribute("role", "columnheader");
      cell.dataset.key = column.key;
      if (!column.isText) cell.className = "number";
      const button = add(cell, "button", column.title);
      button.type = "button";
      button.tabIndex = -1;
      if (column.what) button.title = column.what;
      button.addEventListener("click", () => {
        this.sort(column.key, column.key === this.sortBy ? !this.isAscending : Boolean(column.isText));
        this.changed();
      });
      this.addHandle(cell, column);
    }
  }

  /* What the reader made it, else what it asks for, and room for its title. */
  widthOf(column) {
    if (this.widths[column.key]) return `${this.widths[column.key]}px`;
    const width = column.width ?? "96px";
    return width.replace(/\d+/, (least) => String(Math.max(Number(least), Math.round(column.title.length * 7.2) + 28)));
  }

  /* At the right end of a head: dragged it makes its column wider, a double click makes it what it was. */
  addHandle(cell, column) {
    const handle = add(cell, "i");
    handle.className = "handle";
    handle.addEventListener("pointerdown", (e) => {
      const begin = { x: e.clientX, width: cell.getBoundingClientRect().width };
      handle.setPointerCapture(e.pointerId);
      e.preventDefault();
      handle.onpointermove = (move) => {
        this.widths[column.key] = Math.max(40, Math.round(begin.width + move.clientX - begin.x));
        this.setTemplate();
      };
      handle.onpointerup = () => {
        handle.onpointermove = null;
        this.draw();
      };
    });
    handle.addEventListener("dblclick", () => {
      delete this.widths[column.key];
      this.setTemplate();
      this.draw();
    });
  }

  setTemplate() {
    this.template = this.columns.map((c) => this.widthOf(c)).join(" ");
    this.host.style.setProperty("--least", `${this.columns.reduce((sum, c) => sum + Number(/(\d+)px/.exec(this.widthOf(c))[1]), 0)}px`);
    this.head.style.gridTemplateColumns = this.template;
    for (const row of this.body.children) row.style.gridTemplateColumns = this.template;
  }

  setColumns(columns) {
    this.columns = columns;
    if (!columns.some((c) => c.key === this.sortBy)) this.sortBy = columns.find((c) => !c.isText)?.key;
    this.fillHead();
  }

  /* ids: which rows there are, by the numbers that columns know them by. */
  setRows(ids) {
    this.ids = ids;
    const chosen = this.active >= 0 ? this.order[this.active] : -1;
    this.order = Int32Array.from(ids);
    this.arrange();
    this.active = chosen < 0 ? -1 : this.order.indexOf(chosen);
    this.draw();
  }

  sort(key, isAscending) {
    this.sortBy = key;
    this.isAscending = isAscending;
    this.active = -1;
    this.arrange();
    this.host.scrollTop = 0;
    this.draw();
  }

  arrange() {
    for (const cell of this.head.children) {
      if (cell.dataset.key === this.sortBy) cell.setAttribute("aria-sort", this.isAscending ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    }
    const column = this.columns.find((c) => c.key === this.sortBy);
    if (!column) return;
    const sign = this.isAscending ? 1 : -1;
    const values = new Map();
    for (const i of this.order) values.set(i, (column.value ?? column.text)(i));
    if (column.isText) this.order.sort((a, b) => sign * (values.get(a) < values.get(b) ? -1 : values.get(a) > values.get(b) ? 1 : a - b));
    else this.order.sort((a, b) => sign * (values.get(a) - values.get(b)) || a - b);
  }

  scale() {
    const height = this.order.length * GRID_ROW;
    return height > GRID_HEIGHT_MOST ? height / GRID_HEIGHT_MOST : 1;
  }

  draw() {
    const scale = this.scale();
    const height = Math.min(GRID_HEIGHT_MOST, this.order.length * GRID_ROW);
    const sight = Math.max(0, this.host.clientHeight - GRID_ROW);
    this.body.style.height = `${height}px`;
    this.host.setAttribute("aria-rowcount", String(this.order.length + 1));
    this.host.setAttribute("aria-colcount", String(this.columns.length));
    const from = Math.max(0, Math.floor((this.host.scrollTop * scale) / GRID_ROW) - 2);
    const to = Math.min(this.order.length, from + Math.ceil(sight / GRID_ROW) + 5);
    const shift = this.isPrinting ? 0 : this.host.scrollTop - (this.host.scrollTop * scale - from * GRID_ROW);
    this.body.replaceChildren();
    if (this.isPrinting) this.body.style.height = `${(to - from) * GRID_ROW}px`; // paper has those in sight
    for (let at = from; at < to; at++) this.body.append(this.row(at, shift + (at - from) * GRID_ROW));
    if (!this.order.length) add(this.body, "div", "nothing").className = "grid-none";
    const activeId = this.active >= from && this.active < to ? `${this.id}-${this.active}` : null;
    if (activeId) this.host.setAttribute("aria-activedescendant", activeId);
    else this.host.removeAttribute("aria-activedescendant");
  }

  row(at, top) {
    const i = this.order[at];
    const row = document.createElement("div");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", String(at + 2));
    row.id = `${this.id}-${at}`;
    row.className = at === this.active ? "grid-row active" : "grid-row";
    if (at === this.active) row.setAttribute("aria-selected", "true");
    row.style.top = `${top}px`;
    row.style.gridTemplateColumns = this.template;
    for (const column of this.columns) {
      const cell = add(row, "div");
      cell.setAttribute("role", "gridcell");
      cell.className = column.isText ? "text" : "number";
      cell.dataset.key = column.key;
      if (column.fill) column.fill(cell, i);
      else cell.textContent = column.text(i);
      if (column.isText && !column.fill) cell.title = cell.textContent;
      const share = column.share?.(i) ?? 0;
      if (share > 0.001) cell.style.setProperty("--share", `${Math.min(100, share * 100).toFixed(1)}%`);
    }
    row.addEventListener("click", () => {
      this.active = at;
      this.draw();
      this.choose(i);
      this.changed();
    });
    return row;
  }

  onKey(e) {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const page = Math.max(1, Math.floor(this.host.clientHeight / GRID_ROW) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (e.key in steps) {
      this.active = Math.max(0, Math.min(this.order.length - 1, this.active + steps[e.key]));
      this.showActive();
      e.preventDefault();
    } else if ((e.key === "Enter" || e.key === " ") && this.active >= 0) {
      this.choose(this.order[this.active]);
      this.changed();
      e.preventDefault();
    }
  }

  /* The row of id i is the chosen one, and in sight; -1: none is. */
  activate(i) {
    this.active = i < 0 ? -1 : this.order.indexOf(i);
    if (this.active >= 0) this.showActive();
    else this.draw();
  }

  /* How it is sorted, as a word of an address; null: as it was at the beginning. */
  sortWord() {
    return this.sortBy === this.firstSort && !this.isAscending ? null : (this.isAscending ? "-" : "") + this.sortBy;
  }

  sortByWord(word) {
    const key = word ? word.replace(/^-/, "") : this.firstSort;
    this.sortBy = key;
    this.isAscending = word ? word.startsWith("-") : false;
  }

  showActive() {
    const scale = this.scale();
    const top = (this.active * GRID_ROW) / scale;
    const sight = this.host.clientHeight - 2 * GRID_ROW;
    if (top < this.host.scrollTop) this.host.scrollTop = top;
    else if (top > this.host.scrollTop + sight) this.host.scrollTop = top - sight;
    this.draw();
  }
}
Grid.made = 0;
