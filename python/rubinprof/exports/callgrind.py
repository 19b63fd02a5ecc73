"""Callgrind's format 1, for callgrind_annotate, KCachegrind and QCachegrind.

https://valgrind.org/docs/manual/cl-format.html; names are compressed as it describes.
"""

from rubinprof.exports.call_tree import FOLDED, CallTree, tool
from rubinprof.exports.edges import functions
from rubinprof.reports.style import safe

SUFFIX = ".callgrind.out"
SUMMARY = "callgrind_annotate, KCachegrind and QCachegrind, all metrics as events"
METRICS: tuple[str, ...] = ()
LACKS = (
    "Callers one level up only: whole stacks are not kept. What a function did in a call of its own, direct or not, stands with the outermost call.",
    "No threads and regions; calls stand on the line of the caller's def, not on their own.",
    "Calls that nobody counted, those of native code and of sampled traces, stand as 1.",
    "The sum of peaks of several processes is one figure.",
    FOLDED,
    "No errors of estimates: of a sampled trace, csv and parquet have them.",
)

UNITS = {"s": ", ns", "bytes": ", bytes", "count": ""}


def write(trace, out, options):
    tree = CallTree(trace, options.region, options.progress, options.stretch)
    lines = trace._json("lines", n=-1, **options.stretch)["rows"] if options.region is None else []
    out.write(_head(tree).encode())
    text = _Writer(tree, lines)
    for chunk in text.chunks():
        out.write(chunk.encode())


def _head(tree):
    head = ["# callgrind format", "version: 1", f"creator: {tool()}", f"cmd: {_one_line(tree.title())}"]
    # The format has lines "event: NAME : MEANING" too, but callgrind_annotate takes them for errors.
    head += [f"desc: {metric.name}: {metric.title}{UNITS[metric.unit]}" for metric in tree.metrics()]
    head += [f"desc: Lacks: {sentence}" for sentence in LACKS]
    head += ["positions: line", f"events: {' '.join(metric.name for metric in tree.metrics())}"]
    totals = " ".join(str(sum(tree.figures[m.column])) for m in tree.metrics())
    return "\n".join([*head, f"summary: {totals}", "", ""])


class _Writer:
    def __init__(self, tree, lines):
        self.tree = tree
        self.names = tree.distinct_names(by_file=True)
        self.seen: dict[str, dict[str, int]] = {"fl": {}, "fn": {}, "ob": {}}
        self.functions = functions(tree, [m.column for m in tree.metrics()])
        self.line_rows: dict[tuple, list] = {}  # of a function, which its name and file alone are not: a file has many lambdas
        for row in lines:
            if row["kind"] == "python":
                self.line_rows.setdefault((row["function"], row["file"], row["def_line"]), []).append(row)

    def chunks(self):
        for function in self.functions.values():
            yield self._function(function)

    def _function(self, function):
        tree, frame = self.tree, function.frame
        lines = [self._name("ob", tree.modules[frame] if not tree.is_python(frame) else "python")]
        lines += [self._name("fl", tree.files[frame] or "???"), self._name("fn", self.names[frame])]
        line = max(0, tree.lines[frame])
        lines += self._own_lines(frame, line, function.figures.own)
        for key, edge in function.callees.items():
            callee = self.functions[key].frame
            lines += [
                "c" + self._name("ob", tree.modules[callee] if not tree.is_python(callee) else "python"),
                "c" + self._name("fi", tree.files[callee] or "???"),
                "c" + self._name("fn", self.names[callee]),
                # Where only samples are known it was called at least once.
                f"calls={max(1, edge.calls[0])} {max(0, tree.lines[callee])}",
                # Readers add up the calls of a function: what it had in a call of its own is in that call already.
                f"{line} {' '.join(map(str, edge.entered))}",
            ]
        return "\n".join([*lines, "", ""])

    def _own_lines(self, frame, line, own):
        """A Python function's own figures on its lines, as far as they are known; the rest on line 0, which readers know as none. Calls are on its first."""
        if not self.tree.is_python(frame):
            return [f"{line} {' '.join(map(str, own))}"]
        calls = [value if metric.name == "calls" else 0 for value, metric in zip(own, self.tree.metrics(), strict=True)]
        left = [value - on_first for value, on_first in zip(own, calls, strict=True)]
        written = []
        for row in self.line_rows.get((self.tree.names[frame], self.tree.files[frame], line), []):
            part = [_on_line(row, metric) for metric in self.tree.metrics()]
            part = [min(p, rest) for p, rest in zip(part, left, strict=True)]
            if row["line"] is not None and any(part):
                left = [rest - p for p, rest in zip(part, left, strict=True)]
                written.append(f"{row['line']} {' '.join(map(str, part))}")
        written += [f"{line} {' '.join(map(str, calls))}"] if any(calls) else []
        return [*written, f"0 {' '.join(map(str, left))}"] if any(left) or not written else written

    def _name(self, kind, name):
        """``fl=(1) name`` the first time, ``fl=(1)`` from then on."""
        known = self.seen["fl" if kind == "fi" else kind]
        name = _one_line(name) or "???"
        if name in known:
            return f"{kind}=({known[name]})"
        known[name] = len(known) + 1
        return f"{kind}=({known[name]}) {name}"


def _on_line(row, metric):
    if metric.unit == "s":
        return round((row.get(metric.own) or 0) * 1e9)
    # Memory of native code that a line called stands with that code.
    return 0


def _one_line(text):
    return safe(" ".join(text.split()))
