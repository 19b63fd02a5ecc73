"""rubinprof dump: a trace as text, for bug reports and for curiosity."""

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "dump",
        "rubinprof dump isr.rprof | less",
        run,
    )
    command.add_traces(parser)
    command.add_format(parser)


@command.plain_errors
def run(args):
    return command.show(args, "dump")
