"""A small model checker: what a program of a few atomic operations may come to under C11, found by trying every execution.

It reads files in herd7's form of C. The model is RC11 (Lahav and others, 2017) without its rule against load buffering, which CPUs such as ARM's do not keep:
so it allows more than RC11, and what it never finds is sound there too. Release sequences are those of C++20. Everything is one set of axioms:

    hb   = (sb or sw)+         happens before: order in a thread, and a release whose value an acquire has seen
    eco  = (rf or mo or rb)+   one place: read from, order of writes, read before a later write
    coherence   no event lies hb before itself, nor hb before what is eco before it
    atomicity   a read-modify-write reads the write just before its own
    sc          seq_cst accesses and fences have one order that agrees with these (psc of RC11)
"""

import itertools
import re
from dataclasses import dataclass, field

STATEMENTS = {
    "load": re.compile(r"int (\w+) = atomic_load_explicit\((\w+), memory_order_(\w+)\);"),
    "exchange": re.compile(r"int (\w+) = atomic_exchange_explicit\((\w+), (\d+), memory_order_(\w+)\);"),
    "add": re.compile(r"int (\w+) = atomic_fetch_add_explicit\((\w+), (\d+), memory_order_(\w+)\);"),
    "store": re.compile(r"atomic_store_explicit\((\w+), (\d+), memory_order_(\w+)\);"),
    "fence": re.compile(r"atomic_thread_fence\(memory_order_(\w+)\);"),
    "if": re.compile(r"if \((\w+) == (\d+)\) \{"),
    "end": re.compile(r"\}"),
}
ACQUIRES, RELEASES = {"acquire", "acq_rel", "seq_cst"}, {"release", "acq_rel", "seq_cst"}


@dataclass
class Program:
    start: dict  # place -> value
    threads: list  # of lists of (statement, its words)
    exists: str  # as Python, over R: one dict of registers a thread


def parse(text):
    """A Program; raises ValueError where a line is not understood."""
    text = re.sub(r"\(\*.*?\*\)", "", text, flags=re.S)
    head, _, rest = text.partition("{")
    inits, _, rest = rest.partition("}")
    start = {place: int(value) for place, value in re.findall(r"(\w+) = (\d+);", inits)}
    body, _, exists = rest.partition("exists")
    threads = []
    for part in re.split(r"P\d+ \(.*?\) \{", body)[1:]:
        threads.append([_statement(line.strip()) for line in part.strip().splitlines() if line.strip()])
        if threads[-1].pop() != ("end", ()):
            raise ValueError(f"a thread of {head.split()[1]} does not end with a brace")
    exists = re.sub(r"(\d+):(\w+)=(\d+)", r"(R[\1].get('\2') == \3)", exists.strip())
    return Program(start, threads, exists.replace("/\\", "and").replace("\\/", "or"))


def _statement(line):
    for kind, form in STATEMENTS.items():
        if found := form.fullmatch(line):
            return kind, found.groups()
    raise ValueError(f"not understood: {line}")


@dataclass(eq=False)
class Event:
    thread: int
    place: str = ""
    reads: int = -1  # value, or -1
    writes: int = -1
    order: str = "relaxed"
    after: list = field(default_factory=list)  # events of the thread before it

    @property
    def is_fence(self):
        return not self.place


def runs(statements, thread, values):
    """Every (events, registers) of one thread, whatever its reads find."""

    def go(at, events, registers):
        if at == len(statements):
            yield events, registers
            return
        kind, words = statements[at]
        if kind == "if" and registers.get(words[0]) != int(words[1]):
            depth = 1
            while depth:
                at += 1
                depth += {"if": 1, "end": -1}.get(statements[at][0], 0)
            yield from go(at + 1, events, registers)
        elif kind in ("if", "end"):
            yield from go(at + 1, events, registers)
        elif kind == "fence":
            yield from go(at + 1, [*events, Event(thread, order=words[0], after=list(events))], registers)
        elif kind == "store":
            yield from go(at + 1, [*events, Event(thread, words[0], writes=int(words[1]), order=words[2], after=list(events))], registers)
        else:
            register, place, order = words[0], words[1], words[-1]
            for value in values:
                writes = {"load": -1, "exchange": words[2], "add": value + int(words[2]) if kind == "add" else 0}[kind]
                event = Event(thread, place, value, int(writes), order, list(events))
                yield from go(at + 1, [*events, event], {**registers, register: value})

    yield from go(0, [], {})


def outcomes(program):
    """Whether `exists` holds, of each execution that the model allows."""
    numbers = {int(n) for _, words in itertools.chain(*program.threads) for n in words if n.isdigit()} | set(program.start.values())
    adds = [int(words[2]) for kind, words in itertools.chain(*program.threads) if kind == "add"]
    values = sorted({n + sum(some) for n in numbers for k in range(len(adds) + 1) for some in itertools.combinations(adds, k)})
    first = [Event(-1, place, writes=value) for place, value in program.start.items()]
    for parts in itertools.product(*(list(runs(statements, i, values)) for i, statements in enumerate(program.threads))):
        events = [*first, *itertools.chain(*(events for events, _ in parts))]
        if _is_allowed_somehow(events):
            yield bool(eval(program.exists, {}, {"R": [registers for _, registers in parts]}))  # noqa: S307  # of files beside this one


def _is_allowed_somehow(events):
    reads = [e for e in events if e.reads >= 0]
    sources = [[w for w in events if w.writes == r.reads and w.place == r.place and w is not r] for r in reads]
    places = sorted({e.place for e in events if e.writes >= 0})
    orders = []
    for place in places:
        begin, *others = [e for e in events if e.writes >= 0 and e.place == place]
        orders.append([[begin, *some] for some in itertools.permutations(others)])
    for chosen in itertools.product(*sources):
        rf = {(w, r) for w, r in zip(chosen, reads, strict=True)}
        for lists in itertools.product(*orders):
            mo = {(a, b) for some in lists for a, b in itertools.combinations(some, 2)}
            if _holds(events, rf, mo):
                return True
    return False


def _then(a, b):
    """Pairs that lead through both relations."""
    to = {}
    for x, y in b:
        to.setdefault(x, []).append(y)
    return {(x, z) for x, y in a for z in to.get(y, ())}


def _closure(pairs):
    while True:
        more = pairs | _then(pairs, pairs)
        if len(more) == len(pairs):
            return pairs
        pairs = more


def _holds(events, rf, mo):
    sb = {(a, e) for e in events for a in e.after} | {(i, e) for i in events if i.thread < 0 for e in events if e.thread >= 0}
    rb = {(r, b) for w, r in rf for a, b in mo if a is w and b is not r}
    if any(w in {a for a, b in mo if b is m} and m in {a for a, b in mo if b is r} for w, r in rf if r.writes >= 0 for m in events):
        return False  # atomicity: another write between
    if any(r.writes >= 0 and (w, r) not in mo for w, r in rf):
        return False
    sw = _synchronizes(events, rf)
    hb, eco = _closure(sb | sw), _closure(rf | mo | rb)
    if any(a is b for a, b in hb) or any((b, a) in hb for a, b in eco) or any(a is b for a, b in eco):
        return False
    return _has_one_order(events, sb, hb, eco, mo, rb)


def _synchronizes(events, rf):
    by_rmw = _closure({(w, r) for w, r in rf if r.writes >= 0})
    seen = {(head, r) for head in events if head.writes >= 0 for w, r in rf if w is head or (head, w) in by_rmw}
    sw = set()
    for head, read in seen:
        begins = [head] if head.order in RELEASES else []
        begins += [f for f in head.after if f.is_fence and f.order in RELEASES]
        ends = [read] if read.order in ACQUIRES else []
        ends += [f for f in events if f.is_fence and f.order in ACQUIRES and read in f.after]
        sw |= set(itertools.product(begins, ends))
    return sw


def _has_one_order(events, sb, hb, eco, mo, rb):
    elsewhere = {(a, b) for a, b in sb if a.place != b.place}
    scb = sb | _then(_then(elsewhere, hb), elsewhere) | {(a, b) for a, b in hb if a.place and a.place == b.place} | mo | rb
    sc = [e for e in events if e.order == "seq_cst"]
    fences = [e for e in sc if e.is_fence]
    begin = {(e, e) for e in sc} | {(f, e) for f, e in hb if f in fences}
    end = {(e, e) for e in sc} | {(e, f) for e, f in hb if f in fences}
    psc = _then(_then(begin, scb), end) | {(a, b) for a, b in hb | _then(_then(hb, eco), hb) if a in fences and b in fences}
    return not any(a is b for a, b in _closure(psc))
