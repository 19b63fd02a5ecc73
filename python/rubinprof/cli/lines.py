"""rubinprof lines: figures per source line."""

import json
import sys

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "lines",
        "rubinprof lines isr.rprof tasks/measure.py",
        run,
    )
    command.add_traces(parser)
    parser.add_argument("file", metavar="FILE", help="the source file: its path from here, or the end of its path")
    command.add_metric(parser)
    command.add_interval(parser)
    command.add_format(parser, csv=True)
    command.add_width(parser)


@command.plain_errors
def run(args):
    options = {"metric": args.metric, "from_s": args.from_s, "to_s": args.to_s, "n": -1}
    from rubinprof.reports import lines_text
    from rubinprof.reports.source_file import SourceTexts
    from rubinprof.reports.source_path import is_own_code
    from rubinprof.reports.style import Style, safe, wrap
    from rubinprof.reports.terminal import Progress
    from rubinprof.trace import Trace

    with Trace(*args.traces, jobs=args.jobs, index=True) as trace, Progress("reading") as progress:
        trace.report("lines", n=1, progress=progress)  # all that is asked for of the whole run below is in what is kept of this
        files = trace._files_meant(args.file) or [args.file]
        if len(files) > 1 and args.format == "text":
            cpu_s = {row["file"]: row["self_cpu_s"] or 0 for row in trace.table("file")}
            files.sort(key=lambda file: (not is_own_code(file), -cpu_s.get(file, 0)))
        if args.format != "text":
            progress.__exit__()
            for chunk in _in_one([trace.report("lines", args.format, file=file, **options) for file in files], args.format):
                sys.stdout.write(chunk)
            return 0
        found = [trace._json("lines", progress=progress, file=file, **options) for file in files]
        texts = SourceTexts(trace)
        head = command.losses(trace)
        whole_cpu_s = trace._json("stats", from_s=args.from_s, to_s=args.to_s)["cpu_s"]
    style = Style(sys.stdout, args.width)
    if len(files) > 1:
        head += style.paint(wrap(f"{len(files)} files of the trace end in {safe(args.file)}, own code and the heaviest first: more of the path chooses one", style), "yellow") + "\n\n"
    sys.stdout.write(head + lines_text.render(found[0]["columns"], [row for one in found for row in one["rows"]], style, texts, whole_cpu_s))
    return 0


def _in_one(reports, format):
    """The reports of several files as one."""
    if len(reports) == 1:
        return [reports[0].decode()]
    if format == "csv":
        return [part.decode() if i == 0 else part.decode().split("\n", 1)[1] for i, part in enumerate(reports)]
    first, *more = map(json.loads, reports)
    for other in more:
        first["rows"] += other["rows"]
        first["rows_total"] += other["rows_total"]
    return [json.dumps(first, separators=(",", ":")), "\n"]
