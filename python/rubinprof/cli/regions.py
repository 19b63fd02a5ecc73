"""rubinprof regions: one row a region, or a row a name; a quantum of a pipeline is one."""

import sys

from rubinprof.cli import trace_command as command

SORT = {"wall": "wall_s", "cpu": "process_cpu_s", "peak": "peak_bytes", "allocated": "allocated_bytes", "leaked": "leaked_bytes"}


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "regions",
        "rubinprof regions traces/ --tree --sort wall",
        run,
    )
    command.add_traces(parser)
    parser.add_argument("--tree", action="store_true", help="a row for all regions of a name below those of another, with their sums")
    parser.add_argument("--sort", choices=list(SORT), metavar="M", help=f"largest first: by {', '.join(SORT)} (default: as they began)")
    parser.add_argument("-n", type=command.row_count, default=-1, metavar="N", help="rows at most (default: all)")
    command.add_format(parser, csv=True)
    command.add_width(parser)


@command.plain_errors
def run(args):
    if args.tree:
        return _show_tree(args)
    if args.sort:
        return command.show(args, "table", beyond_pipe=True, by="region", metric=args.sort, n=args.n)
    return command.show(args, "regions", beyond_pipe=True, n=args.n)


def _show_tree(args):
    if args.format != "text":
        raise ValueError("--tree is for people; --json and --csv have a row a region, with its parent")
    from rubinprof.reports import regions_text, terminal
    from rubinprof.reports.style import Style
    from rubinprof.trace import Trace

    with Trace(*args.traces, jobs=args.jobs, index=True) as trace, terminal.Progress("reading") as progress:
        found = trace._json("regions", progress=progress)
        head = command.losses(trace)
    style = Style(sys.stdout, args.width or terminal.width(sys.stdout, beyond_pipe=True))
    sys.stdout.write(head + regions_text.render(found["rows"], style, sort=SORT.get(args.sort or ""), n=args.n))
    return 0
