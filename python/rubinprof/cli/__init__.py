"""The command ``rubinprof``: finds the subcommand's file and hands over.

A subcommand is a module of this package with ``add_parser(subparsers)`` and ``run(args) -> int``, and a word in `COMMANDS`.
"""

import argparse
import importlib
import importlib.util
import sys

__all__ = ["main"]

# In the order of `rubinprof --help`.
COMMANDS = [
    "run",
    "stats",
    "table",
    "tree",
    "report",
    "flamegraph",
    "lines",
    "regions",
    "leaks",
    "temporary",
    "top",
    "diff",
    "export",
    "verify",
    "recover",
    "sources",
    "dump",
    "campaign",
    "doctor",
]

EXIT_BAD_USE = 2

EXAMPLE = """example:
  rubinprof run script.py --its-own arguments
  rubinprof stats rubinprof-script-*.rprof
"""


class Parser(argparse.ArgumentParser):
    """Bad use is one sentence and status 2."""

    def error(self, message):
        self.exit(EXIT_BAD_USE, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def make_parser(commands):
    parser = Parser(
        prog="rubinprof",
        description="CPU time and memory of Python over C++, from Python lines down to C++ functions.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in commands:
        if importlib.util.find_spec(f"{__name__}.{name}"):
            module = importlib.import_module(f"{__name__}.{name}")
            module.add_parser(subparsers)
    return parser


def main(argv=None):
    """Run a command line; returns the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    # Only the one that is asked for is loaded: `run` shares its process with the traced program.
    commands = argv[:1] if argv[:1] and argv[0] in COMMANDS else COMMANDS
    parser = make_parser(commands)
    args = parser.parse_args(argv)
    if args.version:
        import rubinprof

        print(f"rubinprof {rubinprof.__version__}")
        return 0
    if args.command is None:
        parser.print_help()
        return 0
    return importlib.import_module(f"{__name__}.{args.command}").run(args)
