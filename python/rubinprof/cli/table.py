"""rubinprof table: a ranked table."""

from rubinprof.cli import trace_command as command

BY = ["function", "line", "file", "module", "thread", "region"]


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "table",
        "rubinprof table isr.rprof --by line --metric peak -n 10",
        run,
    )
    command.add_traces(parser)
    parser.add_argument("--by", choices=BY, default="function", help="what a row is (default: function)")
    command.add_metric(parser, more=command.mapped_metrics())
    command.add_rows(parser)
    command.add_region(parser)
    command.add_interval(parser)
    command.add_names(parser)
    command.add_format(parser, csv=True)
    command.add_width(parser)


@command.plain_errors
def run(args):
    return command.show(
        args,
        "table",
        by=args.by,
        metric=args.metric,
        n=args.n,
        region=args.region,
        from_s=args.from_s,
        to_s=args.to_s,
        full_names=args.full_names,
        keep_dispatch=args.keep_dispatch,
    )
