/* The small page: the call tree alone. */

class FlamePage extends FlamePanel {
  constructor(data, carried) {
    setSamples(carried.stats);
    const frames = new Frames(data.strings, data.frames);
    const tree = CallTree.fromColumns(data.nodes, frames);
    super(frames, tree, carried.defaults, new URLSearchParams(location.hash.slice(1)), { changed: () => {}, chosen: () => {} });
    fillHeader(this.find, carried.stats);
    this.owner = { changed: () => this.writeAddress(), chosen: () => {} };
    document.addEventListener("keydown", (e) => this.onPageKey(e));
    watchTheme((ratio) => this.redraw(ratio));
    window.addEventListener("hashchange", () => {
      if (location.hash.slice(1) === this.written) return;
      this.readWords(new URLSearchParams(location.hash.slice(1)));
      this.update({});
    });
    this.writeAddress();
  }

  writeAddress() {
    const words = new URLSearchParams();
    this.writeWords(words);
    this.written = putAddress(words);
  }
}

startPage(["flame", "stats"], (data, carried) => new FlamePage(data, carried));
