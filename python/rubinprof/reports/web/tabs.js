/* A page whose parts stand behind tabs, one of them open; its panel is the call tree. */

class TabbedPage {
  constructor(names) {
    this.find = (id) => document.getElementById("rp-" + id);
    this.names = names;
  }

  /* What browser tests and the console look at. */
  get layout() {
    return this.panel.layout;
  }

  get view() {
    return this.panel.view;
  }

  get built() {
    return this.panel.built;
  }

  /* The part that an address names, or the first. */
  partOf(words) {
    return this.names.includes(words.get("p")) ? words.get("p") : this.names[0];
  }

  showTab(part) {
    this.part = part;
    for (const name of this.names) {
      const tab = this.find(`tab-${name}`);
      tab.setAttribute("aria-selected", String(name === part));
      tab.tabIndex = name === part ? 0 : -1;
      this.find(`part-${name}`).hidden = name !== part;
      if (name === part && tab.parentNode.scrollWidth > tab.parentNode.clientWidth) tab.parentNode.scrollLeft = tab.offsetLeft - tab.parentNode.offsetLeft - 40;
    }
  }

  listenToTabs() {
    for (const name of this.names) this.find(`tab-${name}`).addEventListener("click", () => this.open(name));
    this.find("tabs").addEventListener("keydown", (e) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      if (!step) return;
      e.preventDefault();
      this.open(this.names[(this.names.indexOf(this.part) + step + this.names.length) % this.names.length]);
      this.find(`tab-${this.part}`).focus();
    });
  }

  /* The words of an address that each such page has. */
  addressOfTab() {
    return new URLSearchParams(this.part === this.names[0] ? "" : { p: this.part });
  }
}

/* The metrics among the words that the help explains. */
function fillHelp(find, metrics) {
  const list = find("help-words");
  for (const m of metrics) {
    add(list, "dt", m.name);
    add(list, "dd", m.what);
  }
}
