"""rubinprof temporary: what was freed at once."""

from rubinprof.cli import trace_command as command

BY = ["line", "function", "file"]


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "temporary",
        "rubinprof temporary isr.rprof --native",
        run,
    )
    command.add_traces(parser)
    parser.add_argument("--by", choices=BY, default="line", help="what a row is (default: line)")
    parser.add_argument("--native", action="store_true", help="C and C++ functions instead of Python ones")
    command.add_rows(parser)
    command.add_region(parser)
    command.add_interval(parser)
    command.add_format(parser, csv=True)
    command.add_width(parser)


@command.plain_errors
def run(args):
    return command.show(args, "temporary", by=args.by, n=args.n, region=args.region, from_s=args.from_s, to_s=args.to_s, native=args.native)
