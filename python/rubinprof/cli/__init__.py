"""The command ``rubinprof``: finds the subcommand's file and hands over.

A subcommand is a module of this package with ``add_parser(subparsers)`` and ``run(args) -> int``, and a word in `COMMANDS`.
"""

import importlib
import sys

__all__ = ["main"]

# What each does, in the order of `rubinprof --help`.
COMMANDS = {
    "run": "Run a program traced.",
    "attach": "Trace a process that runs already, CPython 3.14 or newer, for a while.",
    "stats": "Show on one screen what ran, its time and memory, what the tool cost and what was lost.",
    "table": "Rank functions, lines, files, modules, threads or regions.",
    "tree": "Show the call tree, from Python lines down to C++ functions.",
    "report": "Write the report of a trace as one HTML file that needs no network.",
    "flamegraph": "Write a flame graph as one HTML file that needs no network.",
    "lines": "Show a source file with the figures of each line beside it.",
    "regions": "Show one row a region (a quantum of a pipeline is one): labels, wall and CPU time, peak.",
    "leaks": "Show what was allocated and never freed: where, and when in the run.",
    "temporary": "Show what was allocated and freed at once, before its thread allocated again.",
    "top": "Show a running trace live. The program is not touched: its trace file alone is read.",
    "diff": "Show what became slower, faster, bigger or smaller from A to B.",
    "export": "Write a trace in the format of another viewer.",
    "verify": "Check that a trace is whole: every block, every sequence number, a clean stop. Exits with 1 when it is not.",
    "recover": "Write a clean copy of a trace that was cut short or damaged, with everything that can still be read.",
    "sources": "List the source files whose text is inside a trace; with --json, print it.",
    "dump": "Show where each thread of a traced process is, in Python and C++; or print every definition and event of a trace, one a line.",
    "campaign": "Ask questions of a whole campaign: a store of quanta, made from many traces.",
    "symbols": "Make the names of a release once, so that the sampled traces of its jobs need not carry them.",
    "doctor": "Say what works on this machine and what falls back, with the reason.",
}

# Those whose process has nothing to do but read traces.
READERS = {"stats", "table", "tree", "report", "flamegraph", "lines", "regions", "leaks", "temporary", "top", "diff", "export"}


def as_help(sentence: str) -> str:
    """What a command does, as a line of ``--help``."""
    return sentence[0].lower() + sentence[1:].rstrip(".")


def main(argv=None):
    """Run a command line; returns the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    # Only what is asked for is loaded: `run` shares its process with the traced program, and does without argparse where it can.
    if argv[:1] == ["run"]:
        from rubinprof.cli import run

        if (args := run.plain_words(argv[1:])) is not None:
            return run.run(args)
    from rubinprof.cli.parser import make_parser

    parser = make_parser(argv[:1])
    args = parser.parse_args(argv)
    if args.version:
        from rubinprof.version import VERSION

        print(f"rubinprof {VERSION}")
        return 0
    if args.command is None:
        parser.print_help()
        return 0
    if args.command in READERS:
        from rubinprof import _analyze

        _analyze.give_memory_back()
    return importlib.import_module(f"{__name__}.{args.command}").run(args)
