"""rubinprof regions: one row a region; a quantum of a pipeline is one."""

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "regions",
        "rubinprof regions traces/",
        run,
    )
    command.add_traces(parser)
    command.add_format(parser, csv=True)


@command.plain_errors
def run(args):
    return command.show(args, "regions")
