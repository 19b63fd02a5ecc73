"""rubinprof campaign: questions to millions of quanta."""

import argparse
import csv
import json
import sys

from rubinprof.cli import COMMANDS, as_help, campaign_compare
from rubinprof.cli import trace_command as command

EXAMPLE = """
  rubinprof campaign add STORE SPOOL                      # what pipetask --rubinprof SPOOL wrote; again and again
  rubinprof campaign table STORE --by task
  rubinprof campaign table STORE --by band --where 'task = isr and memory > 6 GB'
  rubinprof campaign report STORE -o campaign.html
  rubinprof campaign requests STORE -o requestMemory.yaml
  rubinprof campaign check STORE budgets.toml
  rubinprof campaign diff BEFORE AFTER --fail-on 'cpu of isr > +5 %'
"""

COUNTS = ("quanta", "not_done", "over", "without_rss", "without_trace", "calls", "allocations", "processes", "line", "earlier_attempts")
SHARES = ("cpu_efficiency", "share", "cpu_of_butler")
HOURS = ("wall_s", "cpu_s", "over_wall_s", "self_cpu_s")
TITLES = {
    "not_done": "not done", "wall_s": "wall", "cpu_s": "CPU", "cpu_efficiency": "CPU/wall", "wall_p50_s": "wall p50", "wall_p99_s": "wall p99",
    "memory_p50_bytes": "memory p50", "memory_p95_bytes": "p95", "memory_p99_bytes": "p99", "memory_max_bytes": "max", "over_wall_s": "its wall",
    "self_cpu_s": "self CPU", "self_cpu_s_error": "±", "allocated_bytes": "allocated", "allocated_bytes_error": "±",
    "leaked_bytes": "leaked", "leaked_bytes_error": "±",
}  # fmt: skip
HIDDEN = ("leaked_max_bytes", "without_rss", "without_trace", "cpu_of_butler", "kind", "earlier_attempts", "earlier_wall_s", "earlier_cpu_s")
WIDE_ONLY = (
    "cpu_efficiency", "wall_p50_s", "wall_p99_s", "memory_p50_bytes", "memory_p95_bytes", "allocations", "calls", "allocated_bytes_error", "leaked_bytes_error",
)  # fmt: skip
WIDE = 130  # columns of a terminal that has room for all


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "campaign",
        help=as_help(COMMANDS["campaign"]),
        description="Ask questions of a whole campaign. A store is a directory that 'add' fills from traces; needs rubinprof[campaign].",
        epilog="examples:" + EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, ask=None)
    asks = parser.add_subparsers(dest="ask", metavar="COMMAND", title="commands", required=True)

    add = command.parser(asks, "add", "rubinprof campaign add STORE SPOOL", _add, "Add the traces of spools to a store, made where it is missing.")
    add.add_argument("store", metavar="STORE")
    add.add_argument("spools", metavar="SPOOL", nargs="+", help="a directory of traces, or a trace; or a URL: davs, webdavs, https, s3, …")
    add.add_argument("--symbols", type=command.use_symbols, metavar="DIR", help="the symbol bundle that traces leave their names to (default: RUBINPROF_SYMBOLS, then where it was)")
    where = add.add_mutually_exclusive_group()
    where.add_argument("--workers", type=command.whole_number, metavar="N", help="processes that read; 0 for this one alone (default: one a core)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask scheduler whose workers read, such as tcp://node:8786")
    where.add_argument("--slurm", type=command.whole_number, metavar="N", help="so many Slurm jobs that read, by way of dask-jobqueue; its configuration says queue, account and walltime")
    add.add_argument("--delete-added", action="store_true", help="delete each trace once its rows are in the store")
    command.add_format(add)

    metadata = command.parser(
        asks, "metadata", "rubinprof campaign metadata STORE --butler REPO --collections u/me/run", _metadata,
        "Add the middleware's own figures, also of quanta without a trace.",
    )  # fmt: skip
    metadata.add_argument("store", metavar="STORE")
    metadata.add_argument("--butler", metavar="REPO", help="the repository whose '<label>_metadata' is read")
    metadata.add_argument("--collections", metavar="C,C,…", help="where to look in it")
    metadata.add_argument("--provenance", metavar="FILE", nargs="+", default=[], help="files that 'butler aggregate-graph' wrote; those in the repository are read anyway")
    metadata.add_argument("--summary", metavar="FILE", nargs="+", default=[], help="files of 'pipetask --summary': how quanta failed")

    table = command.parser(asks, "table", "rubinprof campaign table STORE --by task", _table, "Sum the campaign by something, the largest first.")
    table.add_argument("store", metavar="STORE")
    table.add_argument("--view", metavar="VIEW", help="a table of its own: time, memory, large, hosts, outliers, modes, drift, tracer, disagreement, usage")
    table.add_argument("--by", default="task", metavar="WHAT", help="task, status, host, run, day, a dimension or label such as band; or function, library, file, line")
    table.add_argument("-m", "--metric", metavar="M", help="what to order by: wall, cpu, memory, quanta, over; of functions cpu, allocated, calls, leaked")
    table.add_argument("--task", metavar="T", help="only quanta of this task")
    table.add_argument("--where", metavar="CONDITION", help="only these quanta, such as 'memory > 6 GB and task = isr'")
    table.add_argument("--over", metavar="SIZE", help="memory above which a quantum counts as large (default: 6 GB; 4 GB in --view memory)")
    table.add_argument("--stages", metavar="FILE", help="for '--by stage': TOML with lists of tasks, or a pipeline's YAML with subsets")
    command.add_rows(table)
    command.add_format(table, csv=True).add_argument("--parquet", dest="format", action="store_const", const="parquet", help="write Parquet to standard output: > X.parquet")

    report = command.parser(asks, "report", "rubinprof campaign report STORE -o campaign.html", _report, "Write the campaign as one page that needs no network.")
    report.add_argument("store", metavar="STORE")
    report.add_argument("-o", "--output", metavar="X.html", help="the page (default: named after the store, in this directory)")
    report.add_argument("--over", default="6 GB", metavar="SIZE", help="memory above which a quantum counts as large (default: 6 GB)")
    report.add_argument("--present", default="4 GB", metavar="SIZE", help="what is asked for now: what requests are compared with (default: 4 GB)")
    report.add_argument("--stages", metavar="FILE", help="TOML with lists of tasks, or a pipeline's YAML with subsets")

    requests = command.parser(asks, "requests", "rubinprof campaign requests STORE -o requestMemory.yaml", _requests, "Advise memory requests for BPS.")
    requests.add_argument("store", metavar="STORE")
    requests.add_argument("-o", "--output", metavar="X.yaml", help="write BPS yaml")
    requests.add_argument("--max-retry-rate", default="1%", metavar="SHARE", help="of all quanta together (default: 1%%)")
    requests.add_argument("--of-each-task", action="store_true", help="--max-retry-rate holds for the quanta of each task")
    requests.add_argument("--steps", metavar="GB,GB,…", help="the sizes there are, in GB (default: every 64 MiB)")
    requests.add_argument("--present", default="4 GB", metavar="SIZE", help="what is asked for now, with a multiplier of 2 (default: 4 GB)")
    requests.add_argument("--clusters", metavar="BPS.yaml", help="with its 'cluster' section: a request for each cluster too, whose tasks share a job")
    requests.add_argument("--where", metavar="CONDITION", help="only these quanta")
    command.add_format(requests)

    export = command.parser(asks, "export", "rubinprof campaign export STORE --format csv -o quanta.csv", _export, "Write the quanta, one row an attempt, or their stacks, for other tools.")
    export.add_argument("store", metavar="STORE")
    formats = ["parquet", "csv", "collapsed", "speedscope", "pprof"]
    export.add_argument("--format", choices=formats, default="parquet", help="of quanta parquet (default) or csv; of stacks the others")
    export.add_argument("-m", "--metric", choices=("cpu", "allocated", "peak"), default="cpu", help="of collapsed stacks (default: cpu)")
    export.add_argument("--by", metavar="WHAT", help="what stands outside of each stack: task, host, a dimension or label")
    export.add_argument("--task", metavar="T", help="only stacks of quanta of this task")
    export.add_argument("--names", choices=("gather-resource-usage", "provenance"), help="of quanta: the last attempts alone, with the columns of these tools under their names")
    export.add_argument("-o", "--output", required=True, metavar="X", help="the file")
    export.add_argument("--where", metavar="CONDITION", help="only these quanta")

    campaign_compare.add_parsers(asks, _needs_extra)

    copy = command.parser(asks, "copy", "rubinprof campaign copy STORE davs://server/path/store", _copy, "Copy a store to a server, or from one; a URL is also read in the place of any STORE.")
    copy.add_argument("source", metavar="STORE")
    copy.add_argument("destination", metavar="TO", help="a URL (davs, webdavs, s3, …), or a directory; what is there already is left")

    verify = command.parser(asks, "verify", "rubinprof campaign verify STORE", _verify, "Check that a store is whole; exit 1 when it is not.")
    verify.add_argument("store", metavar="STORE")


def run(args):
    return args.run(args)


PAGE_TASKS = 20  # with a call tree of their own on the page: those that take most CPU time


def _needs_extra(run):
    """A missing library of the extra is one sentence."""

    def guarded(args):
        try:
            import rubinprof.campaign  # noqa: F401
        except ImportError as error:
            return command.fail(f"campaigns need {error.name}, which is not installed: pip install 'rubinprof[campaign]'")
        return command.plain_errors(run)(args)

    return guarded


@_needs_extra
def _add(args):
    from rubinprof import campaign
    from rubinprof.reports.terminal import Progress

    if args.workers is not None and args.workers < 0:
        return command.fail("--workers is a number of processes, 0 or more")
    with Progress("reading") as progress:
        added = campaign.add(args.store, *args.spools, workers=args.workers, scheduler=args.scheduler, slurm=args.slurm, delete_added=args.delete_added, progress=progress)
    if args.format == "json":
        json.dump(added._asdict(), sys.stdout)
        sys.stdout.write("\n")
        return 0
    print(f"{added.new:,} traces added; {added.known:,} were there.")
    if added.growing:
        print(f"{len(added.growing):,} may still be growing and are left for the next time.")
    for entry in added.refused[:10]:
        print(f"Not read: {entry['reason']}")
    if len(added.refused) > 10:
        print(f"{len(added.refused) - 10:,} more could not be read; {args.store}/refused.json lists them.")
    return 0


@_needs_extra
def _metadata(args):
    from rubinprof.campaign import metadata, provenance
    from rubinprof.reports.terminal import Progress

    if (args.butler is None) != (args.collections is None) or not (args.butler or args.summary or args.provenance):
        return command.fail("name a repository and its collections (--butler REPO --collections C), files of --summary or of --provenance")
    new = 0
    if args.butler:
        with Progress("reading") as progress:
            new += metadata.add_butler(args.store, args.butler, args.collections.split(","), progress=progress)
    if args.provenance:
        new += provenance.add_provenance(args.store, *args.provenance)
    if args.summary:
        new += metadata.add_summaries(args.store, *args.summary)
    print(f"{new:,} quanta and attempts added.")
    return 0


@_needs_extra
def _table(args):
    from rubinprof import campaign
    from rubinprof.metrics import parse_quantity
    from rubinprof.reports.terminal import Progress

    over = parse_quantity(args.over, "bytes") if args.over else None
    if args.format == "parquet" and sys.stdout.isatty():
        return command.fail("--parquet writes binary data, and this is a terminal: write it into a file with > X.parquet")
    if args.by == "stage" and not args.stages:
        return command.fail("--by stage needs --stages FILE: which tasks each stage has")
    if args.view or args.by == "stage":
        return _view(args, over)
    over_bytes = campaign.query.OVER_BYTES if over is None else over
    with Progress("asking") as progress, campaign.open(args.store).watched(progress) as opened:
        found = opened.table(args.by, args.metric, task=args.task, where=args.where, over_bytes=over_bytes, n=command.rows_wanted(args))
        names, rows = found.columns, found.fetchall()
    if args.format == "json":
        json.dump({"schema": 1, "by": args.by, "rows": [dict(zip(names, row, strict=True)) for row in rows]}, sys.stdout, default=str)
        sys.stdout.write("\n")
    elif args.format == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([names, *(["" if cell is None else cell for cell in row] for row in rows)])
    elif args.format == "parquet":
        _put_parquet(names, rows)
    else:
        sys.stdout.write(_text(names, rows, args.over or "6 GB"))
    return 0


def _view(args, over):
    from rubinprof import campaign
    from rubinprof.campaign import stages, views
    from rubinprof.reports import campaign_view
    from rubinprof.reports.style import Style
    from rubinprof.reports.terminal import Progress

    if args.metric:
        return command.fail("a view has an order of its own; leave --metric out")
    question = views.Question(args.by, args.where, over, stages.read(args.stages) if args.stages else None)
    with Progress("asking") as progress, campaign.open(args.store).watched(progress) as opened:
        found = views.view(args.view or "large", opened, question, command.rows_wanted(args))
    if args.format == "json":
        json.dump({"schema": 1, "view": args.view or "large", "rows": found.dicts(), "notes": found.notes}, sys.stdout, default=str)
        sys.stdout.write("\n")
    elif args.format == "parquet":
        _put_parquet(found.columns, [list(row.values()) for row in found.dicts()])
    elif args.format == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([found.columns, *(["" if cell is None else cell for cell in row.values()] for row in found.dicts())])
    else:
        sys.stdout.write(campaign_view.render(found, Style(sys.stdout)))
    return 0


def _put_parquet(names, rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    # As wide as any of them: a column of which nothing is known is a text of nulls.
    columns = [pa.array([row[i] for row in rows]) for i in range(len(names))]
    columns = [column.cast(pa.string()) if pa.types.is_null(column.type) else column for column in columns]
    pq.write_table(pa.table(columns, names=list(names)), pa.PythonFile(sys.stdout.buffer, "w"), compression="zstd")


def _text(names, rows, over):
    from rubinprof.reports.style import Column, Style, table

    if not rows:
        return "No quantum fits.\n"
    style = Style(sys.stdout)
    shown = [i for i, name in enumerate(names) if name not in HIDDEN and (style.width >= WIDE or name not in WIDE_ONLY)]
    titles = {**TITLES, "over": f"> {over}"}
    texts = [i for i in shown if isinstance(rows[0][i], str)]
    columns = [Column(titles.get(names[i], names[i]), i in texts, i in texts[1:] or texts == [i]) for i in shown]  # the first name stays whole
    # What a row is about comes last, where a long name has room.
    order = sorted(range(len(shown)), key=lambda place: columns[place].is_text)
    cells = [[_cell(names[shown[place]], row[shown[place]]) for place in order] for row in rows]
    text = table(style, [columns[place] for place in order], cells)
    if "without_rss" in names and any(row[names.index("without_rss")] for row in rows):
        text += "Where a trace has no resident memory, memory is the high-water mark that the middleware gives, else the heap since tracing began.\n"
    if "earlier_attempts" in names and (earlier := sum(row[names.index("earlier_attempts")] for row in rows)):
        spent = sum(row[names.index("earlier_wall_s")] or 0 for row in rows)
        text += f"Of each quantum the last attempt counts; {_cell('earlier_attempts', earlier)} earlier, not in this table, took {_cell('wall_s', spent)}.\n"
    if "without_trace" in names and (missing := sum(row[names.index("without_trace")] or 0 for row in rows)):
        text += f"{missing:,} of these quanta have no trace; their figures are the middleware's.\n"
    return text


def _cell(name, value):
    from rubinprof.metrics import text_of

    if value is None:
        return "?"
    if isinstance(value, str):
        return value
    if name in SHARES:
        return f"{value:.1%}".replace("%", " %")
    if name in COUNTS:
        return text_of(value, "count")
    if name in HOURS and value >= 36000:
        return f"{value / 3600:,.0f} h"
    return text_of(value, "s" if name.endswith(("_s", "_s_error")) else "bytes")


@_needs_extra
def _report(args):
    from rubinprof import campaign
    from rubinprof.campaign.flame import page_trees
    from rubinprof.campaign.stages import read
    from rubinprof.campaign.summary import summary
    from rubinprof.metrics import parse_quantity
    from rubinprof.reports import campaign_page
    from rubinprof.reports.terminal import Progress

    over, present = (parse_quantity(text, "bytes") for text in (args.over, args.present))
    stages = read(args.stages) if args.stages else None
    output = args.output or command.default_output(args.store, ".html")
    with Progress("asking") as progress:
        asked = campaign.open(args.store)
        document = summary(asked, over_bytes=over, stages=stages, present_bytes=present, progress=progress)
        heaviest = sorted(document["tasks"], key=lambda row: -(row["cpu_s"] or 0))[:PAGE_TASKS]
        flames = asked.flames([row["task"] for row in heaviest])
    campaign_page.write(document, output, page_trees(flames))
    print(output)
    return 0


@_needs_extra
def _requests(args):
    from rubinprof import campaign
    from rubinprof.campaign import requests
    from rubinprof.metrics import parse_quantity

    rate = args.max_retry_rate.strip()
    try:
        share = float(rate.removesuffix("%")) / (100 if rate.endswith("%") else 1)
        steps = [float(word) * 1024**3 for word in args.steps.split(",")] if args.steps else []
    except ValueError:
        return command.fail("--max-retry-rate is a share such as 1%, and --steps are sizes in GB such as 4,6,10")
    if not 0 < share < 1 or any(size <= 0 for size in steps):
        return command.fail("--max-retry-rate lies between 0 and 100 %, and every size of --steps above 0")
    advice = requests.advise(
        campaign.open(args.store), present_bytes=parse_quantity(args.present, "bytes"), retry_rate_max=share, steps=steps, where=args.where,
        clusters=requests.read_clusters(args.clusters) if args.clusters else None, is_of_task=args.of_each_task,
    )  # fmt: skip
    if args.output:
        requests.write_yaml(advice, args.output)
    if args.format == "json":
        together = requests.total(advice)
        rows = [{key: value for key, value in one._asdict().items() if key != "replay"} | {"request": one.request and one.request._asdict()} for one in advice]
        json.dump({"schema": 1, "rows": rows, "total": together and together._asdict()}, sys.stdout)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(_advice_text(advice))
    return 0


def _advice_text(advice):
    from rubinprof.campaign.requests import total
    from rubinprof.metrics import text_of
    from rubinprof.reports.style import Column, Style, table

    rows = []
    for one in filter(lambda one: one.request, advice):
        saving = f"{one.saving[0]:.0%} ± {one.saving[1]:.0%}".replace("%", " %")
        rows.append([text_of(one.request.bytes, "bytes"), f"{one.request.multiplier:g}", f"{one.retry_rate:.2%}".replace("%", " %"), saving,
                     text_of(one.quanta, "count"), one.task + (" (cluster, of jobs)" if one.is_cluster else "")])  # fmt: skip
    columns = [Column("request"), Column("multiplier"), Column("retried"), Column("saves (95 %)"), Column("quanta"), Column("task or cluster", True, True)]
    text = table(Style(sys.stdout), columns, rows) if rows else ""
    if together := total(advice):
        told = f"{together.cost:.0%} ± {together.error:.1%} of the GB h of the present request, {together.retry_rate:.2%} tried again"
        text += f"All tasks, on quanta that the requests were not made from: {told}.\n".replace("%", " %")
    return text + "".join(f"No request for {one.task}: {one.why_not}.\n" for one in advice if one.request is None)


@_needs_extra
def _export(args):
    from rubinprof import campaign
    from rubinprof.campaign.flame import FORMATS
    from rubinprof.reports.terminal import Progress

    if args.format in FORMATS:
        if args.names:
            return command.fail("--names is of quanta: --format parquet or csv")
        with Progress("writing") as progress, campaign.open(args.store).watched(progress) as opened:
            flame = opened.flame(task=args.task, where=args.where, by=args.by)
        if len(flame.parent) == 1:
            return command.fail("no stack of a quantum fits")
        flame.export(args.output, args.format, args.metric)
        return 0
    if args.by or args.task:
        return command.fail("--by and --task are of stacks: --format collapsed, speedscope or pprof")
    with Progress("writing") as progress, campaign.open(args.store).watched(progress) as opened:
        rows = opened.export(args.output, args.format, args.where, names=args.names)
    print(f"{args.output}: {rows:,} rows")
    return 0


@_needs_extra
def _copy(args):
    from rubinprof import campaign
    from rubinprof.metrics import text_of
    from rubinprof.reports.terminal import Progress

    with Progress("copying") as progress:
        copied = campaign.copy(args.source, args.destination, progress=progress)
    print(f"{text_of(copied, 'bytes')} copied.")
    return 0


@_needs_extra
def _verify(args):
    from rubinprof import campaign

    store = campaign.Store.open(args.store)
    problems = store.verify()
    for problem in problems:
        print(problem)
    if not problems:
        print(f"The store is whole: {store.count():,} traces in {len(store.commits()):,} commits.")
    return command.EXIT_CHECK_FAILED if problems else 0
