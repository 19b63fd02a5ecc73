"""rubinprof flamegraph: one self-contained page."""

from rubinprof.cli import trace_command as command
from rubinprof.reports.terminal import Progress


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "flamegraph",
        "rubinprof flamegraph isr.rprof -o isr.html --metric peak",
        run,
    )
    command.add_page(parser, "what the page shows first")
    parser.add_argument("--inverted", action="store_true", help="begin with who calls the functions that do the work")


@command.plain_errors
def run(args):
    from rubinprof.reports import flamegraph
    from rubinprof.trace import Trace

    output = command.page_output(args)
    with Trace(*args.traces, jobs=args.jobs, index=True) as trace, Progress("reading") as progress:
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
