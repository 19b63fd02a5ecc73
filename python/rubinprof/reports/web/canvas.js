/* Draws a Layout on a canvas and says what lies where.
 *
 * The canvas covers the visible part only and scrolls its own rows: a canvas as tall as a deep stack would fail. Boxes
 * under two device pixels become single pixels of an image with one line per row, stretched once; below them only the
 * first one to claim a pixel is followed, so a frame costs width x rows however many nodes there are. */

const ROW = 20; // CSS pixels from one row to the next, with the 1 px gap
const TEXT_LEAST = 26; // no label in a narrower box
const WIDE = 8; // from here on a box has a gap and a pattern
const STRIPES = 6;

class FlameCanvas {
  constructor(canvas, frames) {
    this.canvas = canvas;
    this.frames = frames;
    this.context = canvas.getContext("2d", { alpha: false });
    this.layout = null;
    this.zoom = 0;
    this.upward = false; // true: callers at the bottom
    this.scroll = 0;
    this.matched = null; // Uint8Array by frame, or null without a search
    this.tint = null; // colour of box i instead of its kind's: of a difference
    this.note = null; // what stands behind the name in box i instead of its place
    this.hover = -1;
    this.selected = -1;
    this.font = "12px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', sans-serif";
    this.widths = new Map();
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(this.canvas);
    const read = (name) => style.getPropertyValue(name).trim();
    this.colours = {
      ground: read("--ground"),
      text: read("--text"),
      onBox: read("--on-box"),
      outline: read("--text"),
      kinds: ["--python", "--native", "--inlined", "--other"].map(read),
      match: read("--match"),
      matchText: read("--match-text"),
      stripe: read("--stripe"),
      dim: Number(read("--dim")),
    };
    // Neighbours of one kind differ a little, always away from the colour of their text: contrast only grows.
    const away = read("--shade-to");
    this.shades = this.colours.kinds.map((c) => [1, 0.93, 0.86].map((part) => blend(c, away, part)));
    this.dimmed = this.colours.kinds.map((c) => blend(c, this.colours.ground, this.colours.dim));
    this.patterns = new Map();
  }

  show(layout, zoom = 0) {
    this.layout = layout;
    this.zoom = zoom;
    this.hover = -1;
    this.scroll = this.upward ? Infinity : 0;
    this.draw();
  }

  size() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /* Rows that the zoomed subtree needs; the scroll range follows from it. */
  rowCount() {
    const { layout, zoom } = this;
    let deepest = layout.depth[zoom];
    for (let i = zoom; i < layout.end[zoom]; i++) if (layout.depth[i] > deepest) deepest = layout.depth[i];
    return deepest + 1;
  }

  scrollMax() {
    return Math.max(0, this.contentHeight - this.size().height);
  }

  scrollBy(pixels) {
    const before = this.scroll;
    this.scroll = Math.min(this.scrollMax(), Math.max(0, this.scroll + pixels));
    if (this.scroll !== before) this.draw();
    return this.scroll !== before;
  }

  /* Top of a row in CSS pixels of the canvas. */
  rowTop(depth) {
    const content = this.upward ? this.contentHeight - (depth + 1) * ROW : depth * ROW;
    return content - this.scroll;
  }

  measure() {
    const { width, height } = this.size();
    if (this.rowsFor !== this.layout || this.rowsZoom !== this.zoom) {
      this.rows = this.rowCount();
      this.rowsFor = this.layout;
      this.rowsZoom = this.zoom;
    }
    this.contentHeight = Math.max(this.rows * ROW, height);
    this.scroll = Math.min(this.scrollMax(), Math.max(0, this.scroll));
    return { width, height };
  }

  /* Box of node i in CSS pixels, or null when it is outside the zoomed part. */
  boxOf(i) {
    const { layout, zoom } = this;
    const width = this.size().width;
    const y = this.rowTop(layout.depth[i]);
    if (i <= zoom && layout.end[i] >= layout.end[zoom]) return { x: 0, y, width, height: ROW - 1 };
    if (i < zoom || i >= layout.end[zoom]) return null;
    const scale = width / layout.w[zoom];
    return { x: (layout.x[i] - layout.x[zoom]) * scale, y, width: layout.w[i] * scale, height: ROW - 1 };
  }

  at(x, y) {
    const { layout, zoom } = this;
    const { width, height } = this.size();
    if (!layout || x < 0 || y < 0 || x >= width || y >= height) return -1;
    const content = y + this.scroll;
    const depth = Math.floor((this.upward ? this.contentHeight - content : content) / ROW);
    let i = zoom;
    while (i >= 0 && layout.depth[i] > depth) i = layout.parent[i];
    const value = layout.x[zoom] + (x / width) * layout.w[zoom];
    while (layout.depth[i] < depth) {
      let next = -1;
      for (let c = i + 1; c < layout.end[i]; c = layout.end[c]) {
        if (value < layout.x[c]) break;
        if (value < layout.x[c] + layout.w[c]) {
          next = c;
          break;
        }
      }
      if (next < 0) return -1;
      i = next;
    }
    return i;
  }

  scrollTo(i) {
    const top = this.rowTop(this.layout.depth[i]);
    const { height } = this.size();
    if (top < 0) this.scroll += top;
    else if (top + ROW > height) this.scroll += top + ROW - height;
  }

  draw(ratio = window.devicePixelRatio || 1) {
    const { layout, zoom, context, colours } = this;
    const { width, height } = this.measure();
    if (!layout || width < 1 || height < 1) return;
    // Unlike beginDrawing, only where the size has changed: it is drawn at each movement of the mouse.
    const wide = Math.round(width * ratio);
    const high = Math.round(height * ratio);
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide;
      this.canvas.height = high;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, width, height);
    context.font = this.font;
    context.textBaseline = "middle";

    const rowFirst = this.upward ? Math.floor((this.contentHeight - this.scroll - height) / ROW) : Math.floor(this.scroll / ROW);
    const rowLast = this.upward ? Math.ceil((this.contentHeight - this.scroll) / ROW) : Math.ceil((this.scroll + height) / ROW);
    const firstRow = Math.max(0, rowFirst);
    const image = new ImageData(wide, Math.max(1, rowLast - firstRow + 1));
    const pixels = new Uint32Array(image.data.buffer);
    const toPixel = this.pixelColours();
    const scale = width / layout.w[zoom];
    let anyPixel = false;
    this.drawn = 0;

    for (let i = layout.parent[zoom]; i >= 0; i = layout.parent[i]) this.drawBox(i, 0, width, true);
    for (let i = zoom, end = layout.end[zoom]; i < end; ) {
      const depth = layout.depth[i];
      if (depth > rowLast) {
        i = layout.end[i];
        continue;
      }
      const x = (layout.x[i] - layout.x[zoom]) * scale;
      const w = layout.w[i] * scale;
      if (w * ratio >= 2) {
        if (depth >= firstRow) this.drawBox(i, x, w, false);
        i++;
        continue;
      }
      const column = Math.min(wide - 1, Math.floor(x * ratio));
      if (depth >= firstRow) {
        const pixel = (depth - firstRow) * wide + column;
        if (pixels[pixel] !== 0) {
          i = layout.end[i];
          continue;
        }
        pixels[pixel] = this.tint && !this.isMatch(layout.frame[i]) ? packed(this.tint(i)) : toPixel(layout.frame[i]);
        anyPixel = true;
      }
      this.drawn++;
      i++;
    }
    if (anyPixel) this.drawPixels(image, firstRow, width, ratio);
    this.drawOutline(this.hover, 1);
    this.drawOutline(this.selected, 2);
  }

  drawPixels(image, firstRow, width) {
    const strip = (this.strip ??= document.createElement("canvas"));
    strip.width = image.width;
    strip.height = image.height;
    strip.getContext("2d").putImageData(image, 0, 0);
    const { context } = this;
    context.imageSmoothingEnabled = false;
    for (let row = 0; row < image.height; row++) {
      context.drawImage(strip, 0, row, image.width, 1, 0, this.rowTop(firstRow + row), width, ROW - 1);
    }
  }

  pixelColours() {
    const table = new Map();
    return (frame) => {
      const key = this.fill(frame);
      let value = table.get(key);
      if (value === undefined) table.set(key, (value = packed(key)));
      return value;
    };
  }

  kind(frame) {
    return frame < 0 ? KIND_OTHER : this.frames.kind[frame];
  }

  isMatch(frame) {
    return this.matched !== null && frame >= 0 && this.matched[frame] === 1;
  }

  isFaded(frame) {
    return this.matched !== null && !this.isMatch(frame);
  }

  fill(frame) {
    if (this.isMatch(frame)) return this.colours.match;
    if (this.isFaded(frame)) return this.dimmed[this.kind(frame)];
    return this.shades[this.kind(frame)][frame < 0 ? 0 : (frame * 7) % 3];
  }

  drawBox(i, x, w, isAbove) {
    const { context, layout, colours } = this;
    const frame = layout.frame[i];
    const y = this.rowTop(layout.depth[i]);
    const kind = this.kind(frame);
    const faded = isAbove || this.isFaded(frame);
    const match = this.isMatch(frame);
    const box = w > WIDE ? w - 1 : Math.max(w - 0.4, 0.6);
    this.drawn++;
    const tint = this.tint && !match && !faded ? this.tint(i) : null;
    context.fillStyle = tint ?? (isAbove && !match ? this.dimmed[kind] : this.fill(frame));
    context.fillRect(x, y, box, ROW - 1);
    if (w > WIDE) this.drawPattern(kind, x, y, box, match);
    if (w < TEXT_LEAST) return;
    context.fillStyle = match ? colours.matchText : faded ? colours.text : colours.onBox;
    const left = x + 5 + (kind === KIND_NATIVE ? 3 : 0);
    const used = this.drawText(this.frames.label(frame), left, y, x + box - left - 4, 1);
    const place = this.note ? this.note(i) : this.frames.place(frame);
    if (place && used > 0) this.drawText(place, left + used + 8, y, x + box - left - used - 12, 0.78, true);
  }

  /* Told apart without colour: Python plain, C++ with a bar at its left edge, inlined hatched. */
  drawPattern(kind, x, y, w, match) {
    const { context } = this;
    if (kind === KIND_NATIVE) {
      context.fillStyle = match ? this.colours.matchText : this.colours.stripe;
      context.globalAlpha = match ? 0.5 : 1;
      context.fillRect(x, y, 3, ROW - 1);
      context.globalAlpha = 1;
    } else if (kind === KIND_INLINED) {
      context.fillStyle = this.hatch();
      context.fillRect(x, y, w, ROW - 1);
    }
  }

  hatch() {
    if (!this.patterns.has("hatch")) {
      const tile = document.createElement("canvas");
      tile.width = tile.height = STRIPES;
      const pen = tile.getContext("2d");
      pen.strokeStyle = this.colours.stripe;
      pen.lineWidth = 1.2;
      pen.beginPath();
      for (const shift of [-STRIPES, 0, STRIPES]) {
        pen.moveTo(shift, STRIPES);
        pen.lineTo(shift + STRIPES, 0);
      }
      pen.stroke();
      this.patterns.set("hatch", this.context.createPattern(tile, "repeat"));
    }
    return this.patterns.get("hatch");
  }

  /* Writes as much as fits; returns the width used, 0 for nothing. */
  drawText(text, x, y, room, alpha, whole = false) {
    if (room < 12) return 0;
    let width = this.textWidth(text);
    if (width > room) {
      if (whole) return 0;
      let letters = Math.floor((text.length * (room - 6)) / width);
      // Letters differ in width: what begins with wide ones takes one or two fewer.
      while (letters >= 3 && this.context.measureText(text.slice(0, letters) + "…").width > room) letters--;
      if (letters < 3) return 0;
      text = text.slice(0, letters) + "…";
      width = room;
    }
    this.context.globalAlpha = alpha;
    this.context.fillText(text, x, y + (ROW - 1) / 2 + 0.5);
    this.context.globalAlpha = 1;
    return width;
  }

  textWidth(text) {
    let width = this.widths.get(text);
    if (width === undefined) this.widths.set(text, (width = this.context.measureText(text).width));
    return width;
  }

  drawOutline(i, thickness) {
    if (i < 0 || i >= this.layout.count) return;
    const box = this.boxOf(i);
    if (!box) return;
    const { context } = this;
    context.strokeStyle = this.colours.outline;
    context.lineWidth = thickness;
    const inset = thickness / 2;
    context.strokeRect(box.x + inset, box.y + inset, Math.max(1, box.width - 1 - thickness), box.height - thickness);
  }
}

function channels(colour) {
  const hex = colour.replace("#", "");
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/* `part` of the first colour over the second. */
function blend(colour, over, part) {
  const [a, b] = [channels(colour), channels(over)];
  return "#" + a.map((v, i) => Math.round(v * part + b[i] * (1 - part)).toString(16).padStart(2, "0")).join("");
}

function packed(colour) {
  const [r, g, b] = channels(colour);
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}
