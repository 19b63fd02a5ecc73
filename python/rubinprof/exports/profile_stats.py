"""What cProfile writes: for pstats, SnakeViz, gprof2dot, tuna and the like."""

import marshal

from rubinprof.exports.call_tree import FOLDED, CallTree
from rubinprof.exports.edges import functions

SUFFIX = ".pstats"
SUMMARY = "cProfile's format for pstats and SnakeViz, one metric (cpu or wall)"
METRICS = ("cpu", "wall")
LACKS = (
    "Time alone: no memory, GIL waits, threads, regions and lines below the function.",
    "Callers one level up only: whole stacks are not kept, so SnakeViz guesses them.",
    "C and C++ functions were sampled: they have time but no call counts, and stand under '~' as cProfile's own built-ins do.",
    "Counts of calls cannot be unknown: in a sampled trace, where nobody counted, they are 0.",
    "No place for metadata: what was lost is in 'rubinprof stats'.",
    FOLDED,
    "No errors of estimates: of a sampled trace, csv and parquet have them.",
)


def write(trace, out, options):
    tree = CallTree(trace, options.region, options.progress, options.stretch)
    if options.metric in tree.unknown:
        known = [name for name in ("cpu", "wall") if name not in tree.unknown]
        choose = f"Choose {known[0]}." if known else "Formats with memory: pprof, callgrind, speedscope."
        raise ValueError(f"nobody has measured {options.metric} in this trace. {choose}")
    names = [_name(tree, frame) for frame in range(len(tree.names))]
    # cProfile's names have no file for native functions: several of ours may share one, and each line of the format must be all of them.
    first: dict[tuple, int] = {}
    found = functions(tree, [options.metric], [first.setdefault(name, frame) for frame, name in enumerate(names)])
    marshal.dump(
        {
            names[key]: (*_figures(f.figures), {names[caller]: _figures(edge) for caller, edge in f.callers.items()})
            for key, f in found.items()
        },
        out,
    )


def _figures(figures):
    """(primitive calls, calls, own time, total time)"""
    calls, primitive = figures.calls
    return primitive, calls, figures.own[0] / 1e9, figures.total[0] / 1e9


def _name(tree, frame):
    if tree.is_python(frame) and tree.files[frame]:
        return tree.files[frame], tree.lines[frame], tree.names[frame]
    where = f" in {tree.modules[frame]}" if tree.modules[frame] else ""
    return "~", 0, f"<{tree.names[frame]}{where}>"
