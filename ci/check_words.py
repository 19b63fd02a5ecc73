"""Holds words to docs/glossary.md: each title of the tables of metrics and counters has an entry there, sentences of the documentation are short,
and words that make people read twice do not occur. Decisions are records of their day and are not looked at.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
METRICS = ROOT / "csrc" / "report" / "metric.c"
COUNTERS = ROOT / "csrc" / "format" / "counter.h"
GLOSSARY = ROOT / "docs" / "glossary.md"
WORDS_MAX = 32  # the aim is 25; what lies between is for a person to judge

# What must not occur: why, or what to say instead.
BANNED = {
    r"\btold(?! (to|apart)\b)": "recorded, shown, counted or attributed",
    r"\bgone\b": "lost, freed, ended or dropped",
    r"\blaid to\b": "attributed to",
    r"\bsomebody else\b": "who it is",
    r"\bnobody knows\b": "unknown",
    r"(?i)\bsince then\b|^ended since\b": "what holds now: history is git's",
}
BANNED_CELL = re.compile(r"the (very )?same\b")  # at the beginning of a cell: the thing itself must stand there
# Titles on the page that had two names.
RETIRED = re.compile(r'"(At peak|Held at peak|Never freed|High-water mark)\b|>(High-water mark|Never freed)<')


def pages():
    """The files that people read."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return found + sorted(path for path in (ROOT / "docs").rglob("*.md") if "decisions" not in path.parts)


def titles(source: str):
    """Titles of the rows of the tables of metrics and of counters."""
    rows = re.findall(r'\{ RP_M_\w+, (?:NULL|"\w+"), "\w+", "([^"]+)"|\bX\([A-Z_]+, "\w+", "\w+", "([^"]+)"', source)
    return [metric or counter for metric, counter in rows]


def terms(glossary: str):
    """The terms of the glossary: lines at its left margin. One definition may have several."""
    body = glossary[glossary.index("```{glossary}\n") :].splitlines()[1:]
    return {line for line in body if line and not line.startswith((" ", "`"))}


def blocks(text: str):
    """(line, text) of each paragraph, item of a list and cell of a table. Code is left out, but for words within a sentence."""
    text = re.sub(r"^( *)```.*?^\1```", lambda code: "\n" * code[0].count("\n"), text, flags=re.M | re.S)
    start, held = 0, []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if held and (not line.strip() or re.match(r"\s*([-*]|\d+\.) |\||#", line)):
            yield start, " ".join(held)
            held = []
        if line.lstrip().startswith("|"):
            for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]:
                yield number, cell.strip()
        elif line.strip():
            start = start if held else number
            held.append(line.strip())


def sentences(block: str):
    # A list of names in code counts as one word: nobody reads it as a sentence.
    block = re.sub(r"`[^`]+`(,? (and )?`[^`]+`)*", "`code`", block)
    return re.split(r"(?<=[.;:!?])\s+|(?<=[.!?]\))\s+", block)


def found_in(path: Path):
    """Sentences that say what is wrong with a page."""
    name = path.relative_to(ROOT)
    for line, block in blocks(path.read_text()):
        prose = re.sub(r"`[^`]*`", "`code`", block)
        for pattern, instead in BANNED.items():
            for hit in re.finditer(pattern, prose):
                yield f'{name}:{line}: "{hit[0]}": say {instead}.'
        if BANNED_CELL.match(block) and len(block) < 60:
            yield f'{name}:{line}: a cell begins with "{BANNED_CELL.match(block)[0]}": say the thing.'
        for sentence in sentences(block):
            if len(sentence.split()) > WORDS_MAX:
                yield f"{name}:{line}: {len(sentence.split())} words in one sentence: {sentence[:60]}…"


def main():
    wrong = []
    known = {term.lower() for term in terms(GLOSSARY.read_text())}
    metrics = []
    for table in (METRICS, COUNTERS):
        found = titles(table.read_text())
        metrics += found
        if not found:
            wrong.append(f"{table.relative_to(ROOT)}: no title found; this check does not know where they are.")
    wrong += [f'The title "{title}" has no entry in docs/glossary.md.' for title in metrics if title.lower() not in known]
    for path in pages():
        wrong += found_in(path)
    web = ROOT / "python" / "rubinprof" / "reports"
    for path in sorted([*web.rglob("*.js"), *web.rglob("*.html"), *web.rglob("*.py")]):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if hit := RETIRED.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {hit[0]}: the glossary has peak and leaked.")
    for sentence in wrong:
        print(f"words: {sentence}")
    if not wrong:
        print(f"words: {len(metrics)} titles are in the glossary, and {len(pages())} pages have sentences of at most {WORDS_MAX} words")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
