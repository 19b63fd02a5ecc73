"""rubinprof stats: one screen about a trace."""

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "stats",
        "rubinprof stats isr.rprof",
        run,
    )
    command.add_traces(parser)
    command.add_interval(parser)
    command.add_format(parser)
    command.add_width(parser)


@command.plain_errors
def run(args):
    return command.show(args, "stats", from_s=args.from_s, to_s=args.to_s)
