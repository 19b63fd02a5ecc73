"""What the commands that read a trace have in common: their arguments, their output, their way to fail."""

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from rubinprof.cli import COMMANDS, as_help
from rubinprof.errors import RubinprofError
from rubinprof.reports import terminal

if TYPE_CHECKING:
    from rubinprof.trace import Trace

EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2

TEXT_ROWS = 20

Run = Callable[[argparse.Namespace], int]


def parser(subparsers, name: str, example: str, run: Run, sentence: str | None = None) -> argparse.ArgumentParser:
    """A subcommand's parser, with what it does (as in `COMMANDS`, unless ``sentence`` says it) and an example below its options."""
    sentence = sentence or COMMANDS[name]
    made = subparsers.add_parser(
        name,
        help=as_help(sentence),
        description=sentence,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run)
    return made


def add_traces(command: argparse.ArgumentParser, meaning: str = "a trace file, a directory of them, or several of either", metavar: str = "TRACE") -> None:
    command.add_argument("traces", metavar=metavar, nargs="+", help=meaning)
    command.add_argument(
        "--symbols", type=use_symbols, metavar="DIR", help="the symbol bundle that a trace leaves its names to (default: RUBINPROF_SYMBOLS, then where it was)"
    )
    command.add_argument(
        "-j", dest="jobs", type=jobs, default=0, metavar="N",
        help="processes read at the same time, each on a core and in memory (default: as there are cores)",
    )  # fmt: skip


def use_symbols(directory: str) -> str:
    """The type of ``--symbols``: the analyzer, and its workers, look there first."""
    known = os.environ.get("RUBINPROF_SYMBOLS")
    os.environ["RUBINPROF_SYMBOLS"] = os.path.abspath(directory) + (os.pathsep + known if known else "")
    return directory


def jobs(text: str) -> int:
    """The type of ``-j``."""
    if not text.isdecimal() or not 1 <= int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes to read at the same time: 1 or more")
    return int(text)


def metrics() -> list[str]:
    """The words of ``--metric``."""
    from rubinprof.metrics import METRICS  # here: commands without it need no extension

    return list(METRICS)


def mapped_metrics() -> list[str]:
    """Those of rows alone."""
    from rubinprof.metrics import MAPPED  # as above

    return MAPPED


def add_metric(command: argparse.ArgumentParser, meaning: str = "what to order by", more: list[str] | None = None) -> None:
    words = metrics() + (more or [])
    command.add_argument(
        "-m", "--metric", choices=words, metavar="M", help=f"{meaning}: {', '.join(words)} (default: cpu; peak where CPU time was off)"
    )


def add_region(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--region", metavar="R", help="only what happened in this region: its name, or its number in 'rubinprof regions'"
    )


def add_interval(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--from", dest="from_s", type=float, default=0.0, metavar="S", help="only what happened from then on: seconds since the run began"
    )
    command.add_argument("--to", dest="to_s", type=float, default=0.0, metavar="S", help="only what happened up to then")


def whole_number(text: str) -> int:
    """The type of an option that the analyzer takes as a number of 64 bits."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if not -(2**63) <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{text} is too large a number")
    return value


def row_count(text: str) -> int:
    """The type of ``-n``."""
    if (value := whole_number(text)) == 0:
        raise argparse.ArgumentTypeError("0 rows are none: give how many at most, or -1 for all")
    return value


def add_rows(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-n", type=row_count, default=0, metavar="N", help=f"rows at most; -1 for all (default: {TEXT_ROWS}, all with --json and --csv)"
    )


def rows_wanted(args: argparse.Namespace) -> int | None:
    """Rows at most, or None for all."""
    return None if args.n < 0 or (args.n == 0 and args.format != "text") else args.n or TEXT_ROWS


def add_names(command: argparse.ArgumentParser) -> None:
    command.add_argument("--full-names", action="store_true", help="show C++ names whole, with template arguments")
    command.add_argument(
        "--keep-dispatch", action="store_true", help="show the interpreter's own frames and pybind11's dispatcher too"
    )


def add_format(command: argparse.ArgumentParser, *, csv: bool = False) -> Any:
    """The forms of output, as a group that more may be added to."""
    command.set_defaults(format="text")
    group = command.add_mutually_exclusive_group()
    group.add_argument("--json", dest="format", action="store_const", const="json", help="print JSON, every figure unrounded")
    if csv:
        group.add_argument("--csv", dest="format", action="store_const", const="csv", help="print CSV")
    return group


def add_width(command: argparse.ArgumentParser) -> None:
    command.add_argument("--width", type=_width, default=0, metavar="COLUMNS", help="of the text (default: the window's; in a pipe as many as names need)")


def _width(text: str) -> int:
    if not text.isdecimal() or not 40 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no width: 40 to 10000 columns")
    return int(text)


def default_output(trace: str, suffix: str) -> str:
    """Named after the trace, in the working directory."""
    return os.path.basename(os.path.abspath(trace)).removesuffix(".rprof") + suffix


def add_page(command: argparse.ArgumentParser, first: str) -> None:
    """The options of a page about traces; ``first`` is what the metric decides."""
    add_traces(command)
    command.add_argument("-o", "--output", metavar="X.html", help="the page (default: named after the trace, in this directory)")
    add_metric(command, first)
    add_region(command)
    command.add_argument("--keep-dispatch", action="store_true", help="keep the interpreter's own frames and pybind11's dispatcher")


def page_output(args: argparse.Namespace) -> str:
    """Where the page goes."""
    output = args.output or default_output(args.traces[0], ".html")
    if is_one_of(output, args.traces):
        raise ValueError(f"{output} is the trace itself; choose another file with -o")
    return output


def is_one_of(output: str, traces: list[str]) -> bool:
    """Whether writing the output would destroy a trace."""
    return os.path.exists(output) and any(os.path.exists(path) and os.path.samefile(output, path) for path in traces)


def fail(sentence: object, status: int = EXIT_BAD_INPUT) -> int:
    """One sentence on stderr."""
    print(f"rubinprof: {sentence}", file=sys.stderr)
    return status


def plain_errors(run: Run) -> Run:
    """Turns what can go wrong with input and output into one sentence and an exit status."""

    @functools.wraps(run)
    def guarded(args: argparse.Namespace) -> int:
        try:
            status = run(args)
            sys.stdout.flush()
            return status
        except BrokenPipeError:
            # The reader has seen enough. Python would complain once more when it closes stdout: let it close another.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except (RubinprofError, ValueError) as error:
            return fail(error)
        except ImportError as error:
            return fail(f"the analyzer cannot be loaded: {error}; install rubinprof again")
        except MemoryError:
            return fail("there is not enough memory for this trace; try one file of it, or one --region")
        except OSError as error:
            where = f"{error.filename}: " if error.filename else "writing the output: "
            return fail(f"{where}{error.strerror or error}")
        except KeyboardInterrupt:
            return 130

    return guarded


@contextlib.contextmanager
def output(stream: TextIO) -> Iterator[Callable[[bytes], object]]:
    """A function that writes the analyzer's UTF-8 bytes to a text stream."""
    stream.flush()
    binary = getattr(stream, "buffer", None)
    if binary is None:  # replaced by a program's own object, as in tests and notebooks
        collected: list[bytes] = []
        yield collected.append
        stream.write(b"".join(collected).decode())
    else:
        yield binary.write
        binary.flush()


def show(args: argparse.Namespace, name: str, status_of: Callable[["Trace"], int] | None = None, beyond_pipe: bool = False, **options) -> int:
    """Prints one report of the trace that the arguments name; returns 0, or what ``status_of`` makes of the trace."""
    from rubinprof.trace import Trace  # here: --help needs no extension

    if args.format == "text":
        from rubinprof.reports.style import wants_colour

        options |= {"width": getattr(args, "width", 0) or terminal.width(sys.stdout, beyond_pipe=beyond_pipe), "ascii": terminal.needs_ascii(sys.stdout), "colour": wants_colour(sys.stdout)}
    with Trace(*args.traces, jobs=args.jobs, index=True) as trace, terminal.Progress("reading") as progress, output(sys.stdout) as write:
        wipe = functools.partial(_write_after_wiping, progress, write)
        trace.report(name, args.format, write=wipe, progress=progress, **options)
        return status_of(trace) if status_of else 0


def _write_after_wiping(progress: terminal.Progress, write: Callable[[bytes], object], chunk: bytes) -> None:
    progress.__exit__()
    write(chunk)


def losses(trace: "Trace") -> str:
    """What is missing from the trace: what every report in text begins with. Empty when nothing is."""
    from rubinprof.reports.style import wants_colour

    text = trace.report("losses", "text", ascii=terminal.needs_ascii(sys.stdout), colour=wants_colour(sys.stdout))
    assert text is not None
    return text.decode()
