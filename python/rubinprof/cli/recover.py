"""rubinprof recover: a clean copy of a cut or damaged trace."""

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "recover",
        "rubinprof recover killed.rprof -o rescued.rprof",
        run,
    )
    parser.add_argument("trace", metavar="TRACE", help="the trace file")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the copy; nothing may exist there")


@command.plain_errors
def run(args):
    from rubinprof.trace import Trace, recover

    print(recover(args.trace, args.output))
    with Trace(args.trace) as original:  # exactly what the copy lacks
        print(original.report("verify", "text").decode(), end="")
    return 0
