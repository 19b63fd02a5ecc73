"""rubinprof and its peers side by side: what each adds to a program, writes, keeps in memory, and needs to show a result.

    make bench                         everything (about an hour, by calculation), results in build/bench/
    make bench ARGS="--rounds 2 --programs calls,galsim --tools rubinprof,memray"

Every round runs each tool once on a program, in an order drawn anew; figures are ratios within a round, given as the middle of the rounds with the
lowest and the highest. A tool that makes a program several times as long is run on it twice, and the demo, which takes most of a minute, once. `--page FILE` draws the page again from the results there are, beside the last release's (released.py).
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "ci")]
RESULTS = ROOT / "build" / "bench"
# Most of the time of a whole set goes to tools that are compared with ours at a factor of 4 to 60: two rounds say that.
DEAR_FACTOR, DEAR_ROUNDS = 3, 2


def main():
    options = parse()
    if not options.inside:
        return enter_environment()
    import page
    import programs
    import released
    import tools

    if options.page or options.keep:
        results = json.loads((RESULTS / "results.json").read_text())
        if options.keep:
            released.keep(results, options.keep)
        if options.page:
            page.write(results, Path(options.page), released.read())
        return 0
    if options.one_core:  # of this process, and so of all that it starts: what a job on a batch node has
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    wanted = [tools.UNTRACED, *(tool for tool in tools.TOOLS if chosen(tool.name, options.tools))]
    every = [*programs.workloads(options.scale), programs.start_stop(), *programs.pyperformance()]
    check_words("program", options.programs, [*(program.name for program in every), "demo pipeline"])
    check_words("tool", options.tools, [tool.name for tool in tools.TOOLS])
    with tempfile.TemporaryDirectory(prefix="rubinprof-bench-demo-") as home:
        measured = [program for program in every if chosen(program.name, options.programs)]
        if chosen("demo pipeline", options.programs):
            measured.append(programs.Demo(home))
        counted = {program.name: program.counted for program in measured if program.counted}
        sees = {tool.name: tool.sees for tool in wanted}
        results = {"machine": machine(), "options": vars(options), "programs": {}, "counted": counted, "sees": sees, "analysis": {}}
        for program in measured:
            rounds = measure_program(program, wanted, min(options.rounds, program.rounds_max))
            if not rounds:
                continue
            results["programs"][program.name] = rounds
            save(results)
            page.write(results, RESULTS / "page.html", released.read())
    if chosen("galsim", options.programs):
        results["analysis"] = measure_analysis(wanted, options.scale, options.rounds)
        save(results)
    page.write(results, RESULTS / "page.html", released.read())
    print(f"\nresults: {RESULTS / 'results.json'}\npage:    {RESULTS / 'page.html'}")
    return 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each program (default: 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="how much of their usual work the workloads do (default: 1.0)")
    parser.add_argument("--programs", default="", help="names, separated by commas; a part of a name is enough")
    parser.add_argument("--tools", default="", help="likewise")
    parser.add_argument("--one-core", action="store_true", help="all on one core, as a job of a batch node may be")
    parser.add_argument("--page", metavar="FILE", help="only draw the page of the last results, beside those of the last release")
    parser.add_argument("--keep", metavar="RELEASE", help="only keep the last results as those of a release, in released.json")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def words_of(text):
    return [word.strip() for word in text.split(",") if word.strip()]


def chosen(name, text):
    """Whether the list of the command line has this name, or a part of it; all are chosen where there is no list."""
    words = words_of(text)
    return not words or any(word in name for word in words)


def check_words(what, text, names):
    for word in words_of(text):
        if not any(chosen(name, word) for name in names):
            print(f"bench.py: no {what} has {word!r} in its name; there are: {', '.join(names)}", file=sys.stderr)
            sys.exit(2)


def enter_environment(script=__file__):
    """Make .venvs/bench, where the peers are, and run ``script`` in it."""
    import environment

    python = environment.pythons()[0]
    environment.system_deps("--python", python.path)
    env = environment.Environment(environment.VENVS / "bench", python, environment.fetch_uv(python))
    env.create()
    env.install_requirements("benchmarks/peers/requirements.txt", "benchmarks/demo/requirements.txt")
    env.install_rubinprof()
    return subprocess.run([env.python, script, "--inside", *sys.argv[1:]]).returncode


def is_settled(found, tool):
    """Whether a tool has been measured often enough for what it is compared with: none of ours is that dear."""
    taken = [one for one in found if tool in one]
    return len(taken) >= DEAR_ROUNDS and all(one[tool]["wall_s"] > DEAR_FACTOR * one["untraced"]["wall_s"] for one in taken)


def measure_program(program, tools, rounds):
    """A list of rounds: name of the tool to what its run took. One that makes the program several times as long takes part in the first rounds alone."""
    import measure

    found, broken = [], set()
    first = measure.run_program(tools[0], program)  # untraced, not counted: makes its bytecode files, and prints what it is to print
    if first.why:
        print(f"   {program.name} fails untraced, and is left out: {first.why.strip().splitlines()[-1]}", flush=True)
        return found
    expected = next((line for line in first.said.strip().splitlines() if line), "")
    for n in range(rounds):
        order = random.sample(tools, len(tools))
        one = {}
        for tool in order:
            if tool.name in broken or is_settled(found, tool.name):
                continue
            taken = measure.run_program(tool, program)
            if program.check and not taken.why and expected not in taken.said.strip().splitlines():
                taken.why = "the program printed something else under this tool"
            if taken.why:
                broken.add(tool.name)
                print(f"   {tool.name} fails on {program.name}: {taken.why.strip().splitlines()[-1]}", flush=True)
            one[tool.name] = taken.as_dict()
        if tools[0].name in broken:  # nothing to compare this round's others with
            return found
        found.append(one)
        print(f"{program.name}, round {n + 1} of {rounds}: " + factors(one), flush=True)
    return found


def factors(one):
    base = one["untraced"]["wall_s"]
    return f"{base:.2f} s; " + ", ".join(f"{name} {taken['wall_s'] / base:.2f}" for name, taken in one.items() if name != "untraced" and not taken["why"])


def measure_analysis(tools, scale, rounds):
    """What the reports of one GalSim run take, by tool and report."""
    import measure
    import programs

    program = next(p for p in programs.workloads(scale) if p.name == "galsim")
    found = {}
    with tempfile.TemporaryDirectory(prefix="rubinprof-bench-") as home:
        for tool in [t for t in tools if t.analyses]:
            kept = str(Path(home) / tool.name.replace(" ", "-"))
            if measure.run_program(tool, program, keep=kept).why or not os.path.exists(kept):
                continue
            for name, command in tool.analyses.items():
                page = str(Path(home) / "page.html")
                runs = []
                for _ in range(min(rounds, 3)):
                    Path(page).unlink(missing_ok=True)
                    runs.append(measure.run([word.format(page=page) for word in command(kept)], page).as_dict())
                found.setdefault(tool.name, {})[name] = runs
                print(f"{tool.name}, {name}: {runs[0]['wall_s']:.2f} s, {runs[0]['rss_bytes'] / 2**20:.0f} MiB, page {runs[0]['out_bytes'] / 1e6:.1f} MB", flush=True)
        found["events"] = events(home)
    return found


def events(home):
    """What rubinprof counted in the traces there are: calls, allocations, and bytes for each."""
    import rubinprof

    found = {}
    for path in sorted(Path(home).glob("rubinprof*")):
        stats = rubinprof.open(str(path)).stats()
        found[path.name] = {key: stats.get(key) for key in ("calls", "allocations", "deallocations", "events", "file_bytes", "raw_bytes", "overhead_s")}
    return found


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version(), "commit": commit,
            "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), "load": os.getloadavg()}  # fmt: skip


def save(results):
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "results.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    sys.exit(main())
