"""rubinprof flamegraph: one self-contained page."""

from rubinprof.cli import trace_command as command
from rubinprof.reports.terminal import Progress


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "flamegraph",
        "Write a flame graph as one HTML file that needs no network.",
        "rubinprof flamegraph isr.rprof -o isr.html --metric peak",
        run,
    )
    command.add_traces(parser)
    parser.add_argument("-o", "--output", metavar="X.html", help="the page (default: named after the trace, in this directory)")
    command.add_metric(parser, "what the page shows first")
    parser.add_argument("--inverted", action="store_true", help="begin with who calls the functions that do the work")
    command.add_region(parser)
    parser.add_argument("--keep-dispatch", action="store_true", help="keep the interpreter's own frames and pybind11's dispatcher")


@command.plain_errors
def run(args):
    from rubinprof.reports import flamegraph
    from rubinprof.trace import Trace

    output = args.output or command.default_output(args.traces[0], ".html")
    if command.is_one_of(output, args.traces):
        return command.fail(f"{output} is the trace itself; choose another file with -o")
    with Trace(*args.traces) as trace, Progress("reading") as progress:
        flamegraph.write(
            trace,
            output,
            metric=args.metric,
            inverted=args.inverted,
            region=args.region,
            keep_dispatch=args.keep_dispatch,
            progress=progress,
        )
    print(output)
    return 0
