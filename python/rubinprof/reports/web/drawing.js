/* What all drawings share: how one begins, and how an axis of time is labelled. */

/* An empty canvas of this size in CSS pixels, with nothing left of what was drawn or set before. */
function beginDrawing(canvas, context, width, height, ratio, ground, font) {
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  context.font = font;
  context.textBaseline = "middle";
}

/* A moment of the run in seconds, as exact as the steps of the axis (seconds) ask for. */
function formatInstant(seconds, step) {
  if (step >= 60 && seconds >= 60) {
    const minutes = Math.floor(seconds / 60);
    const rest = Math.round(seconds % 60);
    if (minutes >= 60) return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")} h`;
    return rest ? `${minutes}:${String(rest).padStart(2, "0")} min` : `${minutes} min`;
  }
  const digits = Math.ceil(-Math.log10(step) - 1e-9); // a power of ten may come out a little larger
  return `${seconds.toFixed(Math.max(0, Math.min(9, digits)))} s`;
}
