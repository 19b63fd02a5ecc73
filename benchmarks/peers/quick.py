"""`make bench-quick`: does rubinprof still cost what it did? Under three minutes; exit 1 when a ratio is above its bar.

A bar lies a little above what docs/performance.md says is reached; the aim beside it is what rubinprof is to cost. Each bar is tried in rounds of one run of each tool it compares. It is held as soon as one round lies at or under it; it is broken when all of seven
do not, which would happen once in 128 times to a ratio that sits on the bar (sign test). Ratios are of CPU time, user and system of all threads: what
the writer's thread takes is in it, and other programs of the machine are not. So a fast machine and a slow one, a quiet and a loud one get the same verdict.
"""

import argparse
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

ROUNDS = 7


def bars():
    """(what, program, tools, figure of a round, bar, aim)."""

    def factor(name):
        return lambda r: r[name].cpu_s / r["untraced"].cpu_s

    def share(name, peer):
        return lambda r: (r[name].cpu_s - r["untraced"].cpu_s) / (r[peer].cpu_s - r["untraced"].cpu_s)

    native = "rubinprof native"
    return [
        ("calls, all on, of untraced", "calls", [native], factor(native), 1.8, 1.5),
        ("calls, added, of cProfile's", "calls", ["rubinprof", "cProfile"], share("rubinprof", "cProfile"), 0.22, 0.2),
        ("NumPy, all on, of untraced", "NumPy", [native], factor(native), 1.22, 1.2),
        ("galsim, all on, of untraced", "galsim", [native], factor(native), 1.2, 1.12),
        ("malloc pairs, added, of memray's", "malloc pairs", ["rubinprof", "memray"], share("rubinprof", "memray"), 0.12, 0.1),
        ("malloc pairs, native, added, of memray's", "malloc pairs", [native, "memray native"], share(native, "memray native"), 0.11, 0.1),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of their usual work the workloads do")
    options = parser.parse_args()
    if not options.inside:
        import bench

        return bench.enter_environment(__file__)
    import programs

    started, broken = time.monotonic(), 0
    by_name = {program.name: program for program in programs.workloads(options.scale)}
    for what, program, names, figure, bar, aim in bars():
        seen = try_bar(by_name[program], names, figure, bar)
        held = min(seen) <= bar
        broken += not held
        print(f"{'held  ' if held else 'BROKEN'} {what:<44} {min(seen):.2f} (bar {bar}, aim {aim}; rounds: {' '.join(f'{v:.2f}' for v in seen)})", flush=True)
    print(f"{len(bars()) - broken} passed, {broken} failed in {time.monotonic() - started:.0f} s")
    return 1 if broken else 0


def try_bar(program, names, figure, bar):
    """The figures of the rounds, until one is at or under the bar."""
    import measure
    import tools

    measure.run_program(tools.BY_NAME["untraced"], program)  # makes its bytecode files
    seen = []
    while len(seen) < ROUNDS and (not seen or min(seen) > bar):
        one = {name: measure.run_program(tools.BY_NAME[name], program) for name in ["untraced", *names]}
        failed = [f"{name} fails on {program.name}: {taken.why}" for name, taken in one.items() if taken.why]
        if failed:
            sys.exit(failed[0])
        seen.append(figure(one))
    return seen


if __name__ == "__main__":
    sys.exit(main())
