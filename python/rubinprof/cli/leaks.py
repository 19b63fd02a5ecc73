"""rubinprof leaks: what was never freed."""

from rubinprof.cli import trace_command as command

BY = ["line", "function", "file"]


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "leaks",
        "rubinprof leaks isr.rprof --by function",
        run,
    )
    command.add_traces(parser)
    parser.add_argument("--by", choices=BY, default="line", help="what a row is (default: line)")
    command.add_rows(parser)
    command.add_region(parser)
    command.add_interval(parser)
    command.add_format(parser, csv=True)
    command.add_width(parser)


@command.plain_errors
def run(args):
    return command.show(args, "leaks", by=args.by, n=args.n, region=args.region, from_s=args.from_s, to_s=args.to_s)
