/* Words of a source text that deserve a colour: comments, strings, numbers, keywords. Enough to read by; no parser. */

const PYTHON_WORDS = new Set(("False None True and as assert async await break class continue def del elif else except finally for from global if import in is " +
  "lambda nonlocal not or pass raise return try while with yield match case").split(" "));
const C_WORDS = new Set(("alignas auto bool break case catch char class const constexpr continue default delete do double else enum explicit extern false float for friend " +
  "goto if inline int long mutable namespace new noexcept nullptr operator override private protected public return short signed sizeof static static_cast struct switch " +
  "template this throw true try typedef typename union unsigned using virtual void volatile while").split(" "));

const PYTHON_TOKENS = /(#.*)|([rbfuRBFU]{0,3}(?:"""|'''))|([rbfuRBFU]{0,3}(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))|(\b\d[\w.]*)|([A-Za-z_]\w*)/g;
const C_TOKENS = /(\/\/.*|^\s*#.*)|(\/\*)|("(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)|(\b\d[\w.']*)|([A-Za-z_]\w*)/g;

/* Per line: [begin, end, kind] of each coloured piece. */
function colourSource(lines, isPython) {
  const words = isPython ? PYTHON_WORDS : C_WORDS;
  let open = null; // what ends a piece that goes over lines
  return lines.map((line) => {
    const pieces = [];
    let at = 0;
    if (open) {
      const end = line.indexOf(open);
      at = end < 0 ? line.length : end + open.length;
      pieces.push([0, at, isPython ? "string" : "comment"]);
      if (end < 0) return pieces;
      open = null;
    }
    const tokens = isPython ? PYTHON_TOKENS : C_TOKENS;
    tokens.lastIndex = at;
    for (let found; (found = tokens.exec(line)); ) {
      const [text, comment, block, string, number, word] = found;
      if (comment !== undefined) pieces.push([found.index, line.length, "comment"]);
      else if (block !== undefined) {
        const close = isPython ? text.slice(-3) : "*/";
        const end = line.indexOf(close, found.index + text.length);
        const stop = end < 0 ? line.length : end + close.length;
        pieces.push([found.index, stop, isPython ? "string" : "comment"]);
        if (end < 0) open = close;
        tokens.lastIndex = stop;
      } else if (string !== undefined) pieces.push([found.index, found.index + text.length, "string"]);
      else if (number !== undefined) pieces.push([found.index, found.index + text.length, "number"]);
      else if (words.has(word)) pieces.push([found.index, found.index + text.length, "word"]);
      if (tokens.lastIndex >= line.length) break;
    }
    return pieces;
  });
}

/* Fills an element with a line of source. */
function fillCode(element, line, pieces) {
  let at = 0;
  for (const [begin, end, kind] of pieces) {
    if (begin > at) element.append(visible(line.slice(at, begin).replaceAll("\t", "    ")));
    add(element, "span", visible(line.slice(begin, end).replaceAll("\t", "    "))).className = `code-${kind}`;
    at = end;
  }
  if (at < line.length) element.append(visible(line.slice(at).replaceAll("\t", "    ")));
}
