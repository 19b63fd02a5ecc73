"""The tools: how each runs a program, and how each analyses what it wrote.

A command is what a user would type for a whole program; where a tool samples, at its default rate.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path


def _with_python(*before):
    return lambda out, words: [sys.executable, *(word.format(out=out) for word in before), *words]


def _beside_python(name, *before):
    return lambda out, words: [str(Path(sys.executable).with_name(name)), *(word.format(out=out) for word in before), *words]


def _py_spy(*options):
    return lambda out, words: [*_beside_python("py-spy", "record", *options, "-f", "raw", "-o", "{out}", "--")(out, []), sys.executable, *words]


def _line_profiler(out, words):
    return _beside_python("kernprof", "-l", "-q", "-p", words[0], "-o", "{out}")(out, words)


@dataclass
class Tool:
    """One way of running a program.

    Attributes
    ----------
    name : `str`
        What it is called in tables.
    sees : `str`
        What it records, in a few words.
    command : callable
        ``command(out, words)`` gives the whole command line; ``out`` is a path that nothing has yet, ``words`` the program.
    analyses : `dict` [`str`, callable]
        Name to ``command(out)``: what makes a report of ``out``. ``{page}`` stands for a file to write.
    """

    name: str
    sees: str
    command: callable
    analyses: dict = field(default_factory=dict)


def _rubinprof(*options):
    return _with_python("-m", "rubinprof", "run", "-o", "{out}", *options)


def _memray(*options):
    return _with_python("-m", "memray", "run", "-q", "-f", "-o", "{out}", *options)


_RUBINPROF_REPORTS = {
    "stats": lambda out: [sys.executable, "-m", "rubinprof", "stats", out],
    "flame graph": lambda out: [sys.executable, "-m", "rubinprof", "flamegraph", out, "-o", "{page}"],
}
_MEMRAY_REPORTS = {
    "stats": lambda out: [sys.executable, "-m", "memray", "stats", out],
    "flame graph": lambda out: [sys.executable, "-m", "memray", "flamegraph", "-f", "-o", "{page}", out],
}

UNTRACED = Tool("untraced", "nothing", lambda out, words: [sys.executable, *words])
TOOLS = [
    Tool("rubinprof", "calls, CPU, allocations", _rubinprof("--no-native"), _RUBINPROF_REPORTS),
    Tool("rubinprof native", "calls, CPU, allocations, C++", _rubinprof(), _RUBINPROF_REPORTS),
    Tool("rubinprof native+pymalloc", "the same, and every Python object", _rubinprof("--pymalloc"), _RUBINPROF_REPORTS),
    Tool("rubinprof sampled", "CPU, allocations, C++; estimates", _rubinprof("--cpu", "sampled", "--memory", "sampled"), _RUBINPROF_REPORTS),
    Tool("cProfile", "calls, wall", _with_python("-m", "cProfile", "-o", "{out}")),
    Tool("memray", "allocations", _memray(), _MEMRAY_REPORTS),
    Tool("memray native", "allocations, C++", _memray("--native"), _MEMRAY_REPORTS),
    Tool("memray pymalloc", "allocations, Python objects", _memray("--trace-python-allocators"), _MEMRAY_REPORTS),
    Tool("memray native+pymalloc", "the same, C++", _memray("--native", "--trace-python-allocators"), _MEMRAY_REPORTS),
    Tool("viztracer", "calls, wall", _with_python("-m", "viztracer", "--quiet", "-o", "{out}.json", "--")),
    Tool("py-spy", "wall, samples", _py_spy()),
    Tool("py-spy native", "wall, samples, C++", _py_spy("--native")),
    Tool("scalene", "CPU, memory, samples", _beside_python("scalene", "run", "-o", "{out}.json")),
    Tool("pyinstrument", "wall, samples", _with_python("-m", "pyinstrument", "-r", "pyisession", "-o", "{out}")),
    Tool("line_profiler", "lines of one file", _line_profiler),
]
BY_NAME = {tool.name: tool for tool in [UNTRACED, *TOOLS]}
