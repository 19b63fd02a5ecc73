"""The results as one page: tables and bars, no script."""

import html
from statistics import geometric_mean

import ratios

STYLE = """
:root { color-scheme: light dark; --bar: #2a4eb8; --peer: #8a8f98; --line: #8884; }
@media (prefers-color-scheme: dark) { :root { --bar: #a1c4f1; --peer: #767e87; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.2rem; } table { border-collapse: collapse; width: 100%; }
td, th { padding: .15rem .5rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: middle; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } td.n, td:first-child { white-space: nowrap; }
svg { display: block; } .why { color: #b05d02; }
"""
WIDTH = 160


def write(results, path, released=None):
    """Write the page of ``results`` (the JSON of bench.py) to ``path``; ``released``: what released.read() gives."""
    machine = results["machine"]
    said = f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, CPython {machine['python']}, commit {machine['commit']}, {machine['at']} UTC"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>What tracing costs</title>",
        f"<style>{STYLE}</style><h1>What tracing costs</h1><p>{html.escape(said)}. Factors over the untraced run of the same round: the middle of the rounds (lowest to highest).</p>",
    ]
    if released:
        parts.append(f"<p>Beside today's CPU factors are those of {html.escape(released['name'])}, measured {released['at']} on {html.escape(released['cpu'])}, CPython {released['python']}.</p>")
    parts.append(_overview(results, released))
    for name, rounds in results["programs"].items():
        parts.append(_program(name, rounds, results["counted"].get(name), released))
    if results.get("analysis"):
        parts.append(_analysis(results["analysis"]))
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def rows(rounds):
    """(tool, wall factor, CPU factor, bytes written, extra resident bytes, why it failed) of one program, cheapest first."""
    found = []
    for tool in dict.fromkeys(name for one in rounds for name in one if name != "untraced"):
        why = next((one[tool]["why"] for one in rounds if tool in one and one[tool]["why"]), "")
        if why:
            found.append((tool, None, None, None, None, why))
            continue

        def ratio(key, tool=tool):
            return ratios.spread(ratios.of_rounds(rounds, lambda one: one[tool][key] / one["untraced"][key]))

        out = ratios.spread([one[tool]["out_bytes"] for one in rounds if tool in one])
        rss = ratios.spread(ratios.of_rounds(rounds, lambda one, tool=tool: one[tool]["rss_bytes"] - one["untraced"]["rss_bytes"]))
        found.append((tool, ratio("wall_s"), ratio("cpu_s"), out, rss, ""))
    return sorted(found, key=lambda row: row[1][0] if row[1] else float("inf"))


def _overview(results, released):
    """Each tool over all programs that it runs: geometric means of the factors, as ratios have no arithmetic one.

    Beside the release's the mean is of the programs that both have, for one program more or less moves it.
    """
    factors, both = {}, {}
    for name, rounds in results["programs"].items():
        for tool, wall, cpu, *_ in rows(rounds):
            if wall and name != "start and stop":
                factors.setdefault(tool, []).append((wall[0], cpu[0]))
                then = _then(released, name, tool)
                if then:
                    both.setdefault(tool, []).append((cpu[0], then))
    table = [(tool, len(of), *map(geometric_mean, zip(*of))) for tool, of in factors.items()]
    longest = max([row[2] for row in table], default=1)
    parts = ["<h2>All programs</h2><table><tr><th>tool<th>sees<th class=n>programs<th class=n>wall<th><th class=n>CPU" + _then_head(released)]
    for tool, n, wall, cpu in sorted(table, key=lambda row: row[2]):
        parts.append(
            f"<tr><td>{html.escape(tool)}<td>{html.escape(results['sees'][tool])}<td class=n>{n}<td class=n>{wall:.2f}<td>{_bar(tool, wall, longest)}<td class=n>{cpu:.2f}"
            + (_then_cell(*map(geometric_mean, zip(*both[tool]))) if tool in both else "<td>" if released else "")
        )
    return "".join(parts) + "</table>"


def _then(released, program, tool):
    """The release's factor, or `None`."""
    return released["factors"].get(program, {}).get(tool) if released else None


def _then_head(released):
    return f"<th class=n>now / {html.escape(released['name'])}" if released else ""


def _then_cell(now, then):
    return f"<td class=n>{now:.2f} / {then:.2f}" if then else "<td>"


def _program(name, rounds, counted, released):
    base = ratios.spread([one["untraced"]["wall_s"] for one in rounds])
    table = rows(rounds)
    longest = max([row[1][0] for row in table if row[1]], default=1)
    head = f"<h2>{html.escape(name)}</h2><p>Untraced {base[0]:.2f} s ({base[1]:.2f} to {base[2]:.2f}), {len(rounds)} rounds.</p>"
    head += "<table><tr><th>tool<th class=n>wall<th><th class=n>CPU" + _then_head(released) + "<th class=n>written<th class=n>memory added"
    if counted:
        head += f"<th class=n>CPU added a {html.escape(counted[0])}" + (f"<th class=n>bytes a {html.escape(counted[0])}" if counted[1] > 1 else "")
    return head + "".join(_row(row, longest, _then_cell(row[2][0] if row[2] else 0, _then(released, name, row[0])) if released else "") + _each(row, rounds, counted) for row in table) + "</table>"


def _each(row, rounds, counted):
    """What a tool adds to each of what was counted."""
    tool, _, _, out, _, why = row
    if why or not counted:
        return ""
    _, count, unit = counted
    added = ratios.spread(ratios.of_rounds(rounds, lambda one: (one[tool]["cpu_s"] - one["untraced"]["cpu_s"]) / count))
    return f"<td class=n>{added[0] * {'ns': 1e9, 'ms': 1e3}[unit]:.0f} {unit}" + (f"<td class=n>{out[0] / count:.2f}" if count > 1 else "")


def _bar(tool, value, longest):
    colour = "--bar" if tool.startswith("rubinprof") else "--peer"
    return f"<svg width={WIDTH} height=12 role=img aria-label='{value:.2f}'><rect width={WIDTH * value / longest:.1f} height=12 style='fill:var({colour})'/></svg>"


def _row(row, longest, then):
    tool, wall, cpu, out, rss, why = row
    if why:
        return f"<tr><td>{html.escape(tool)}<td colspan=8 class=why>fails: {html.escape(why.strip().splitlines()[-1])}"
    return (
        f"<tr><td>{html.escape(tool)}<td class=n>{wall[0]:.2f} ({wall[1]:.2f}–{wall[2]:.2f})<td>{_bar(tool, wall[0], longest)}"
        f"<td class=n>{cpu[0]:.2f}{then}<td class=n>{out[0] / 1e6:.2f} MB<td class=n>{rss[0] / 2**20:.0f} MiB"
    )


def _analysis(analysis):
    parts = ["<h2>Analysis of the GalSim run</h2><table><tr><th>trace of<th>report<th class=n>time<th class=n>memory<th class=n>page"]
    for tool, reports in analysis.items():
        if tool == "events":
            continue
        for name, runs in reports.items():
            wall, rss, out = (ratios.spread([run[key] for run in runs]) for key in ("wall_s", "rss_bytes", "out_bytes"))
            page = f"{out[0] / 1e6:.1f} MB" if out[0] else ""
            parts.append(f"<tr><td>{html.escape(tool)}<td>{name}<td class=n>{wall[0]:.2f} s<td class=n>{rss[0] / 2**20:.0f} MiB<td class=n>{page}")
    return "".join(parts) + "</table>"
