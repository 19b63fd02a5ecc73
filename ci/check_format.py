"""docs/trace-format.md and the code say the same: each RP_ constant in a table of the page has the value it has in csrc/format/,
each numeric constant of layout.h is in such a table, and the forms of definitions are those of def.c. So are the words those of words.c.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "trace-format.md"
FORMAT = ROOT / "csrc" / "format"


def number(text, known):
    """The value of a C expression made of numbers and known names; None when it is something else, such as a string."""
    text = re.sub(r"UINT(?:32|64)_C\((\w+)\)", r"\1", text.strip())
    text = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]*\b", r"\1", text)
    text = re.sub(r"\bRP_\w+", lambda name: str(known.get(name[0], name[0])), text)
    if not re.fullmatch(r"[0-9a-fA-FxX\s()+*<>|-]+", text):
        return None
    return eval(text, {"__builtins__": {}})  # digits and operators only


def constants(header: str):
    """Every `#define RP_X number` and every enumerator of a header."""
    code = re.sub(r"/\*.*?\*/", " ", header, flags=re.S)
    found = {}
    for name, text in re.findall(r"^#define (RP_\w+)[ \t]+(\S.*)$", code, re.M):
        value = number(text, found)
        if value is not None:
            found[name] = value
    for body in re.findall(r"\benum rp_\w+ \{(.*?)\}", code, re.S):
        following = 0
        for item in filter(None, (part.strip() for part in body.split(","))):
            name, _, text = (word.strip() for word in item.partition("="))
            value = number(text, found) if text else following
            if value is not None:
                found[name] = value
                following = value + 1
    return found


def magic(header: str):
    text = re.search(r'#define RP_FILE_MAGIC "([^"]*)"', header)[1]
    return text.encode().decode("unicode_escape").encode("latin-1").hex(" ")


def forms(source: str):
    return dict(re.findall(r'\[(RP_DEF_\w+)\] = "(\w+)"', source))


def words(source: str):
    """What the page has to list of words.c: names, then metadata."""
    names = re.search(r"names\[\] = \{(.*?)\n\};", source, re.S)[1]
    metadata = re.search(r"metadata\[\]\[2\] = \{(.*?)\n\};", source, re.S)[1]
    return [re.findall(r'"([^"]*)"', names), [f"{key}={value}" for key, value in re.findall(r'\{ "([^"]*)", "([^"]*)" \}', metadata)]]


def page_rows(page: str):
    """(line, cells) of each table row that begins with a constant."""
    for line, text in enumerate(page.splitlines(), 1):
        if text.startswith("| `RP_"):
            cells = [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", text)[1:-1]]
            yield line, cells


def check(page: str, layout: str, door: str, definitions: str, word_list: str):
    """Sentences that say what differs."""
    required = constants(layout)
    code = {**constants(door), **required}
    said, said_forms = {}, {}
    for line, cells in page_rows(page):
        name, value = cells[0], number(cells[1], {}) if len(cells) > 1 else None
        if value is None:
            yield f"line {line}: {name} has no number in its second column."
        elif name not in code:
            yield f"line {line}: {name} is not a constant of csrc/format/layout.h or format.h."
        elif value != code[name]:
            yield f"line {line}: {name} is {value} here and {code[name]} in the code."
        if name in said:
            yield f"line {line}: {name} stands in a table twice."
        said[name] = value
        if name.startswith("RP_DEF_") and len(cells) > 2 and cells[2]:
            said_forms[name] = cells[2]
    for name, value in required.items():
        if name not in said:
            yield f"{name} ({value}) of layout.h is in no table of the page."
    if magic(layout) not in page:
        yield f"RP_FILE_MAGIC is the bytes {magic(layout)}, which the page does not say."
    if [block.splitlines() for block in re.findall(r"^```text words\n(.*?)^```", page, re.M | re.S)] != words(word_list):
        yield "The words of words.c are not those of the page."
    real_forms = forms(definitions)
    for name in sorted(said_forms.keys() | real_forms.keys()):
        if said_forms.get(name) != real_forms.get(name):
            yield f"{name} has the form {said_forms.get(name, 'none')} in the page and {real_forms.get(name, 'none')} in def.c."


def main():
    texts = [path.read_text(encoding="utf-8") for path in (PAGE, FORMAT / "layout.h", FORMAT / "format.h", FORMAT / "def.c", FORMAT / "words.c")]
    wrong = list(check(*texts))
    for sentence in wrong:
        print(f"format: {PAGE.relative_to(ROOT)}: {sentence}")
    if not wrong:
        print(f"format: {PAGE.relative_to(ROOT)} agrees with csrc/format/ on {sum(1 for _ in page_rows(texts[0]))} constants")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
