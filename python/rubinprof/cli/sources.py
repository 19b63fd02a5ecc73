"""rubinprof sources: whose text is inside a trace."""

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "sources",
        "rubinprof sources isr.rprof",
        run,
    )
    command.add_traces(parser)
    command.add_format(parser)


@command.plain_errors
def run(args):
    return command.show(args, "sources")
