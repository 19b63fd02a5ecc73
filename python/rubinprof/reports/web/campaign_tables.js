/* Tables of a campaign: columns of a Grid by what a figure is, and small plain tables. */

/* A column of rows() by a key; kind: "text", "count", "s", "B", "share", "times", "number". */
function figureColumn(rows, key, title, kind, more = {}) {
  const at = (i) => rows()[i][key];
  const write = { text: (v) => visible(String(v)), count: formatCount, s: formatHours, B: formatBytes, share: (v) => formatPart(v), times: (v) => `${v.toFixed(3)}`, number: (v) => `${+v.toPrecision(3)}` }[kind];
  const isText = kind === "text";
  const text = (i) => (at(i) === null || at(i) === undefined ? (isText ? "" : "?") : write(at(i)));
  return { key, title, isText, width: isText ? "minmax(120px, 1.6fr)" : kind === "count" ? "minmax(76px, 0.7fr)" : "minmax(88px, 0.7fr)", value: (i) => at(i) ?? (isText ? "" : -Infinity), text, ...more };
}

/* The same with its interval beside it; low and high are keys. */
function intervalColumn(rows, key, title, kind, low, high, more = {}) {
  const column = figureColumn(rows, key, title, kind, { width: "minmax(215px, 1.2fr)", ...more });
  const plain = column.text;
  column.text = (i) => {
    const row = rows()[i];
    if (row[key] === null || row[key] === undefined || row[low] === null || row[low] === undefined) return plain(i);
    const one = figureColumn(rows, low, "", kind).text(i);
    const other = figureColumn(rows, high, "", kind).text(i);
    return `${plain(i)} (${one} to ${other})`;
  };
  return column;
}

/* A share as percent, small ones with a digit that is not zero. */
function formatPart(share) {
  const percent = 100 * share;
  if (percent !== 0 && Math.abs(percent) < 0.1) return `${percent.toPrecision(1)} %`;
  return `${Math.abs(percent) >= 99.95 ? percent.toFixed(0) : percent.toFixed(1)} %`;
}

function signedPart(share) {
  return share > 0 ? `+${formatPart(share)}` : formatPart(share).replace("-", "−");
}

/* heads: titles; rows: lists of texts, or of [text, function to call when it is chosen]; lastIsSum: whether the last row adds the others up. */
function fillTable(table, heads, rows, lastIsSum = false) {
  table.replaceChildren();
  const head = add(add(table, "thead"), "tr");
  for (const title of heads) add(head, "th", title).scope = "col";
  const body = add(table, "tbody");
  rows.forEach((cells, k) => {
    const row = add(body, "tr");
    if (lastIsSum && k === rows.length - 1 && rows.length > 1) row.className = "sum";
    cells.forEach((cell, i) => {
      const [text, follow] = Array.isArray(cell) ? cell : [cell, null];
      const place = add(row, i === 0 ? "th" : "td", follow ? undefined : text);
      if (i === 0) place.scope = "row";
      if (!follow) return;
      const button = add(place, "button", text);
      button.type = "button";
      button.className = "link";
      button.addEventListener("click", follow);
    });
  });
}

/* Marks the chosen button of a group. */
function pressOne(group, view) {
  for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset.view === view));
}
