"""rubinprof verify: is the trace whole?"""

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "verify",
        "rubinprof verify traces/",
        run,
    )
    command.add_traces(parser)
    command.add_format(parser)


@command.plain_errors
def run(args):
    return command.show(args, "verify", lambda trace: 0 if trace.is_whole() else command.EXIT_CHECK_FAILED)
