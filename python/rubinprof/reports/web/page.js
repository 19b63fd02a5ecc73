/* The small page: the call tree alone. */

class FlamePage extends FlamePanel {
  constructor(data, carried) {
    setSamples(carried.stats);
    const frames = new Frames(data.strings, data.frames);
    const tree = CallTree.fromColumns(data.nodes, frames);
    super(frames, tree, carried.defaults, new URLSearchParams(location.hash.slice(1)), { changed: () => {}, chosen: () => {} });
    fillHeader(this.find, carried.stats);
    this.owner = { changed: (isTyped) => this.writeAddress(isTyped), chosen: () => {} };
    this.address = new PageAddress((words) => {
      this.readWords(words);
      this.update({});
    });
    document.addEventListener("keydown", (e) => this.onPageKey(e));
    watchTheme((ratio) => this.redraw(ratio));
    this.writeAddress();
  }

  writeAddress(isTyped = false) {
    const words = new URLSearchParams();
    this.writeWords(words);
    this.address.put(words, isTyped);
  }
}

startPage(["flame", "stats"], (data, carried) => new FlamePage(data, carried));
