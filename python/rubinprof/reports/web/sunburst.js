/* Draws a Layout as rings around what is zoomed into. */

const RING_LEAST = 16;

class SunburstCanvas extends FlameCanvas {
  scrollBy() {
    return false;
  }

  scrollTo() {}

  /* Middle, and how wide a ring is. */
  geometry() {
    const { width, height } = this.size();
    const radius = Math.max(20, Math.min(width, height) / 2 - 6);
    const rings = this.rowCount() - this.layout.depth[this.zoom];
    return { x: width / 2, y: height / 2, radius, ring: Math.min(60, Math.max(RING_LEAST, radius / rings)) };
  }

  angleOf(value) {
    return (value / this.layout.w[this.zoom]) * 2 * Math.PI - Math.PI / 2;
  }

  at(x, y) {
    const { layout, zoom } = this;
    if (!layout) return -1;
    const { x: middleX, y: middleY, radius, ring } = this.geometry();
    const distance = Math.hypot(x - middleX, y - middleY);
    if (distance > radius) return -1;
    const depth = Math.floor(distance / ring);
    const turn = (Math.atan2(y - middleY, x - middleX) + Math.PI / 2 + 2 * Math.PI) % (2 * Math.PI);
    const value = layout.x[zoom] + (turn / (2 * Math.PI)) * layout.w[zoom];
    let i = zoom;
    for (let step = 0; step < depth; step++) {
      let next = -1;
      for (let c = i + 1; c < layout.end[i]; c = layout.end[c]) {
        if (value >= layout.x[c] && value < layout.x[c] + layout.w[c]) {
          next = c;
          break;
        }
      }
      if (next < 0) return -1;
      i = next;
    }
    // The middle leads back out.
    return depth === 0 && zoom > 0 ? layout.parent[zoom] : i;
  }

  /* The square around the middle of an arc: where a pointer finds it. */
  boxOf(i) {
    const { layout, zoom } = this;
    if (i < zoom || i >= layout.end[zoom]) return null;
    const { x, y, radius, ring } = this.geometry();
    const depth = layout.depth[i] - layout.depth[zoom];
    const middle = (depth + 0.5) * ring;
    if (depth === 0) return { x: x - ring / 2, y: y - ring / 2, width: ring, height: ring };
    if (middle > radius) return null;
    const angle = this.angleOf(layout.x[i] - layout.x[zoom] + layout.w[i] / 2);
    return { x: x + Math.cos(angle) * middle - 4, y: y + Math.sin(angle) * middle - 4, width: 8, height: 8 };
  }

  draw(ratio = window.devicePixelRatio || 1) {
    const { layout, zoom, context, colours } = this;
    const { width, height } = this.size();
    if (!layout || width < 1 || height < 1) return;
    beginDrawing(this.canvas, context, width, height, ratio, colours.ground, this.font);
    const geometry = this.geometry();
    const first = layout.depth[zoom];
    this.drawn = 0;
    for (let i = zoom; i < layout.end[zoom]; ) {
      const depth = layout.depth[i] - first;
      const outer = (depth + 1) * geometry.ring;
      const turn = (layout.w[i] / layout.w[zoom]) * 2 * Math.PI;
      if (outer > geometry.radius + 1 || turn * outer < 0.7) {
        i = layout.end[i];
        continue;
      }
      this.drawArc(i, geometry, depth, turn);
      i++;
    }
    this.drawOutline(this.hover, 1);
    this.drawOutline(this.selected, 2);
  }

  trace(i, { x, y, ring }, depth, turn) {
    const { layout, zoom, context } = this;
    const begin = this.angleOf(layout.x[i] - layout.x[zoom]);
    context.beginPath();
    if (depth === 0) {
      context.arc(x, y, ring - 1, 0, 2 * Math.PI);
    } else {
      context.arc(x, y, (depth + 1) * ring - 1, begin, begin + turn);
      context.arc(x, y, depth * ring, begin + turn, begin, true);
    }
    context.closePath();
    return begin;
  }

  drawArc(i, geometry, depth, turn) {
    const { layout, context, colours } = this;
    const frame = layout.frame[i];
    const kind = this.kind(frame);
    this.drawn++;
    const begin = this.trace(i, geometry, depth, turn);
    context.fillStyle = this.tint && !this.isMatch(frame) && !this.isFaded(frame) ? this.tint(i) : this.fill(frame);
    context.fill();
    const inner = depth * geometry.ring;
    const length = turn * (inner + geometry.ring / 2);
    if (length > 3 && turn < 2 * Math.PI) {
      context.strokeStyle = colours.ground;
      context.lineWidth = 1;
      context.stroke();
    }
    if (length > WIDE && kind === KIND_INLINED) {
      context.fillStyle = this.hatch();
      context.fill();
    } else if (length > WIDE && kind === KIND_NATIVE) {
      context.strokeStyle = colours.stripe; // the bar of a box, along the inner side
      context.lineWidth = 3;
      context.beginPath();
      context.arc(geometry.x, geometry.y, inner + 1.5, begin, begin + turn);
      context.stroke();
    }
    this.drawArcText(i, geometry, depth, begin, turn);
  }

  drawArcText(i, { x, y, ring }, depth, begin, turn) {
    const { layout, context, colours } = this;
    const frame = layout.frame[i];
    const middle = depth === 0 ? 0 : (depth + 0.5) * ring;
    // The straight line that fits into the bow.
    const room = depth === 0 ? 2 * ring - 12 : Math.min(2 * middle * Math.sin(Math.min(turn, Math.PI) / 2), ring * 4) - 8;
    if (room < TEXT_LEAST || ring < 14) return;
    const angle = begin + turn / 2;
    const isBelow = depth > 0 && Math.sin(angle) > 0;
    context.save();
    context.translate(x + Math.cos(angle) * middle, y + Math.sin(angle) * middle);
    if (depth > 0) context.rotate(angle + (isBelow ? -Math.PI / 2 : Math.PI / 2));
    context.fillStyle = this.isMatch(frame) ? colours.matchText : this.isFaded(frame) ? colours.text : colours.onBox;
    const label = this.frames.label(frame);
    const width = Math.min(room, this.textWidth(label));
    this.drawText(label, -width / 2, -(ROW - 1) / 2 - 0.5, room, 1);
    context.restore();
  }

  drawOutline(i, thickness) {
    const { layout, zoom, context } = this;
    if (i < zoom || i >= layout.end[zoom]) return;
    const geometry = this.geometry();
    const depth = layout.depth[i] - layout.depth[zoom];
    if ((depth + 1) * geometry.ring > geometry.radius + 1) return;
    this.trace(i, geometry, depth, (layout.w[i] / layout.w[zoom]) * 2 * Math.PI);
    context.strokeStyle = this.colours.outline;
    context.lineWidth = thickness;
    context.stroke();
  }
}
