"""The parser of the command line."""

import argparse
import importlib

from rubinprof.cli import COMMANDS, as_help

__all__ = ["make_parser"]

EXIT_BAD_USE = 2

EXAMPLE = """example:
  rubinprof run script.py --its-own arguments
  rubinprof stats rubinprof-script-*.rprof
"""


class Parser(argparse.ArgumentParser):
    """Bad use is one sentence and status 2."""

    def error(self, message):
        self.exit(EXIT_BAD_USE, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def make_parser(loaded=tuple(COMMANDS)):
    """The parser of the command line. The commands ``loaded`` have their options; of the others their names are known."""
    parser = Parser(
        prog="rubinprof",
        description="CPU time and memory of Python over C++, from Python lines down to C++ functions.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in COMMANDS:
        if name in loaded:
            importlib.import_module(f"rubinprof.cli.{name}").add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=as_help(COMMANDS[name]))
    return parser
