"""rubinprof tree: the call tree."""

from rubinprof.cli import trace_command as command

NOTHING_FOLDED = -1.0  # 0 is the analyzer's word for "as usual"


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "tree",
        "rubinprof tree isr.rprof --metric allocated --depth 12",
        run,
    )
    command.add_traces(parser)
    command.add_metric(parser, "what to show and order by")
    parser.add_argument("--depth", type=command.whole_number, default=0, metavar="D", help="levels shown (default: all)")
    parser.add_argument(
        "--min-share",
        type=float,
        default=None,
        metavar="PERCENT",
        help="fold what is below this share of the whole (default: 0.5, nothing with --json)",
    )
    command.add_region(parser)
    command.add_interval(parser)
    command.add_names(parser)
    command.add_format(parser)
    command.add_width(parser)


@command.plain_errors
def run(args):
    if args.min_share is not None and not 0 <= args.min_share <= 100:
        return command.fail(f"--min-share is a percentage from 0 to 100, not {args.min_share:g}")
    return command.show(
        args,
        "tree",
        metric=args.metric,
        depth=args.depth,
        min_share=0.0 if args.min_share is None else args.min_share / 100 or NOTHING_FOLDED,
        region=args.region,
        from_s=args.from_s,
        to_s=args.to_s,
        full_names=args.full_names,
        keep_dispatch=args.keep_dispatch,
    )
