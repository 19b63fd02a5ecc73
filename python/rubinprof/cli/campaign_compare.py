"""Campaigns against campaigns, over nights, and against budgets: `rubinprof campaign diff`, `history` and `check`."""

import json
import sys

from rubinprof.cli import trace_command as command


def add_parsers(asks, guarded):
    """Add the three; ``guarded`` is what each function is wrapped in."""
    diff = command.parser(
        asks, "diff", "rubinprof campaign diff BEFORE AFTER --fail-on 'cpu of isr > +5 %'", guarded(_diff), "Compare two campaigns task by task; exit 1 when a limit is broken."
    )  # fmt: skip
    diff.add_argument("a", metavar="STORE_A", help="before")
    diff.add_argument("b", metavar="STORE_B", help="after")
    diff.add_argument("-o", "--output", metavar="X.html", help="also write the difference as a page that needs no network")
    diff.add_argument("--fail-on", action="append", default=[], metavar="LIMIT", help="'FIGURE [of TASK] > +N %%': wall, cpu, memory (medians) or not_done (points); may be repeated")
    diff.add_argument("--where", metavar="CONDITION", help="only these quanta")
    command.add_rows(diff)
    command.add_format(diff)

    history = command.parser(asks, "history", "rubinprof campaign history night1 night2 night3", guarded(_history), "Show tasks over several stores, or over the days of one, and where they changed.")
    history.add_argument("stores", metavar="STORE", nargs="+", help="stores in the order of time; one alone is looked at by day (UTC)")
    history.add_argument("--where", metavar="CONDITION", help="only these quanta")
    command.add_rows(history)
    command.add_format(history)

    check = command.parser(
        asks, "check", "rubinprof campaign check STORE budgets.toml", guarded(_check), "Hold a campaign against budgets; exit 1 when one is broken."
    )  # fmt: skip
    check.add_argument("stores", metavar="STORE", nargs="+", help="the last one is held against the budgets; those before are its history")
    check.add_argument("budgets", metavar="budgets.toml")


def _diff(args):
    from rubinprof import campaign
    from rubinprof.campaign import difference
    from rubinprof.reports import campaign_diff
    from rubinprof.reports.style import Style
    from rubinprof.reports.terminal import Progress

    limits = [difference.parse_limit(text) for text in args.fail_on]
    with Progress("comparing") as progress:
        found = difference.difference(campaign.open(args.a), campaign.open(args.b), where=args.where, progress=progress)
    found["limits"] = difference.judge(found, limits)
    if args.output:
        campaign_diff.write(found, args.output)
    if args.format == "json":
        json.dump(found, sys.stdout)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(campaign_diff.render_text(found, Style(sys.stdout), command.rows_wanted(args)))
    broken = [one for one in found["limits"] if one["broken"]]
    if args.format == "json":
        for one in broken:
            print(f"rubinprof: {one['limit']} is broken: {one['found']}", file=sys.stderr)
    return command.EXIT_CHECK_FAILED if broken else 0


def _history(args):
    from rubinprof.campaign import history
    from rubinprof.reports.campaign_diff import history_text
    from rubinprof.reports.style import Style

    series = _series(args.stores, args.where)
    found = [change for one in series for change in history.changes(one)]
    found.sort(key=lambda one: (-abs(one.change), one.task, one.figure))
    if args.format == "json":
        json.dump({"schema": 1, "changes": [change._asdict() for change in found], "series": history.rows(series)}, sys.stdout)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(history_text(series, found, Style(sys.stdout), command.rows_wanted(args)))
    return 0


def _series(stores, where=None):
    from rubinprof import campaign
    from rubinprof.campaign import history
    from rubinprof.reports.terminal import Progress

    if len(stores) == 1:
        return history.of_days(campaign.open(stores[0]), where)
    opened = []
    with Progress("opening") as progress:
        for path in stores:
            opened.append(campaign.open(path))
            progress(len(opened), len(stores))
    return history.of_stores(opened, where)


def _check(args):
    from rubinprof import campaign
    from rubinprof.campaign import budgets

    wanted = budgets.read(args.budgets)
    verdicts = budgets.check(campaign.open(args.stores[-1]), wanted)
    if len(args.stores) > 1:
        verdicts += budgets.check_history(_series(args.stores), wanted)
    for verdict in verdicts:
        print(("BROKEN  " if verdict.is_broken else "kept    ") + verdict.sentence)
    return command.EXIT_CHECK_FAILED if any(verdict.is_broken for verdict in verdicts) else 0
