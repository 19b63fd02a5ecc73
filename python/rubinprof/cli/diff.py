"""rubinprof diff: what became slower, faster, bigger, smaller."""

import functools
import json
import os
import sys

from rubinprof.cli import trace_command as command
from rubinprof.reports.terminal import Progress

BY = ["function", "line", "file", "module"]

MORE = """
Several runs of each side give every change an interval that says how far it can be trusted:
  rubinprof diff --a before-*.rprof --b after-*.rprof

A limit is 'METRIC [of FUNCTION] OPERATOR [+|-]NUMBER [UNIT]'. A sign or '%%' asks for the change, else B's figure is meant:
  rubinprof diff main/ branch/ --fail-on 'cpu > +5 %%' --fail-on 'peak > 2 GB' --fail-on 'calls of Psf.fit > +0'
That of a function is of all functions of the name with what they called (its calls alone: their number); 'run' is also each 'X.run'.
What may be noise breaks no limit: a change whose interval holds 0, B's figure where its error reaches the limit. The exit status is 1 when one is broken.
"""


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "diff",
        "rubinprof diff before.rprof after.rprof --by line\n" + MORE.replace("%%", "%"),
        run,
    )
    parser.add_argument("pair", nargs="*", metavar="TRACE", help="A and B: each a trace file, or a directory of the files of one run")
    parser.add_argument("--a", nargs="+", metavar="RUN", help="the runs before, each a trace file or a directory")
    parser.add_argument("--b", nargs="+", metavar="RUN", help="the runs after")
    parser.add_argument("--by", choices=BY, default="function", help="what a row is (default: function)")
    command.add_metric(parser)
    command.add_rows(parser)
    parser.add_argument("--fail-on", action="append", default=[], metavar="LIMIT", help="exit with 1 when it is broken; may be repeated")
    parser.add_argument("-o", "--output", metavar="X.html", help="also write the difference as a page that needs no network")
    command.add_format(parser, csv=True)
    command.add_width(parser)


@command.plain_errors
def run(args):
    from rubinprof import compare
    from rubinprof.compare import limits
    from rubinprof.reports import diff_page, diff_text
    from rubinprof.reports.style import Style

    sides = _sides(args)
    if isinstance(sides, str):
        return command.fail(sides)
    wanted = [limits.parse(text) for text in args.fail_on]  # before minutes of reading
    if args.output and any(command.is_one_of(args.output, side) for side in sides):
        return command.fail(f"{args.output} is a trace itself; choose another file with -o")
    functions = list({(limit.metric, limit.function): None for limit in wanted if limit.function is not None})
    read = functools.partial(compare.read_runs, want_flame=args.output is not None, want_functions=functions)
    a, b = (_read(read, side, args.by, name) for side, name in zip(sides, "AB", strict=True))
    difference = compare.compare_runs(a, b, args.by, args.metric, command.rows_wanted(args))
    verdicts = [limit.judge(_figure(a, b, limit)) for limit in wanted]
    difference["limits"] = [{"limit": v.limit, "broken": v.is_broken, "found": v.found} for v in verdicts]
    if args.output:
        diff_page.write(compare.diff_flame(a, b), compare.compare_runs(a, b, args.by, args.metric, diff_page.ROWS_MAX), args.output)
    if args.format == "json":
        json.dump(difference, sys.stdout, separators=(",", ":"))
        sys.stdout.write("\n")
    elif args.format == "csv":
        diff_text.write_csv(difference, sys.stdout)
    else:
        sys.stdout.write(diff_text.render(difference, Style(sys.stdout, args.width)))
    return command.EXIT_CHECK_FAILED if any(v.is_broken for v in verdicts) else 0


def _sides(args):
    """A and B as lists of runs, or what is wrong in one sentence."""
    if args.a and args.b and not args.pair:
        return args.a, args.b
    if not args.a and not args.b and len(args.pair) == 2:
        return [args.pair[0]], [args.pair[1]]
    if args.a or args.b:
        return "name the runs of both sides, and nothing else: --a RUN… --b RUN…"
    return f"a difference is of two traces, not of {len(args.pair)}; several runs of each: --a RUN… --b RUN…"


def _read(read_runs, paths, by, name):
    runs = []
    for i, path in enumerate(paths, 1):
        what = os.path.basename(os.path.normpath(path)) if len(paths) == 1 else f"{name} {i}/{len(paths)}"
        with Progress(f"reading {what}") as progress:
            # The page pairs files by the table of functions.
            runs += read_runs(path, dict.fromkeys([by, "function"]), progress=progress)
    return runs


def _figure(a, b, limit):
    from rubinprof.compare import difference

    try:
        if limit.function is None:
            found = difference.figure_of_run(limit.metric, a, b)
        else:
            found = difference.figure_of_function(limit.metric, limit.function, a, b)
        return found | {"own_error": difference.error_of_mean(b, limit.metric, limit.function)}
    except LookupError:
        # Nothing would break it, whatever the program does: a misspelt name, or a function that is no more.
        raise ValueError(f"{limit.text!r}: no function in A or B is called {limit.function!r}; 'rubinprof table' lists their names") from None
