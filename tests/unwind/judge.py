"""`make unwind-judge`: our unwinder beside libunwind, and our reader of frame information beside libdw's.

Each program runs with both loaded into it (walk_judge.c, row_judge.c). While it runs, its running threads are interrupted at any instruction, and both walk the
same stack from there, frame by frame. At its end each row of each loaded object is read by both. Two walks may part at code without frame information, where
either can but guess, and nowhere else. `make unwind-judge ARGS="scipy --every-us 100 --places 20"` chooses.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "ci"))
import cbuild  # noqa: E402
import csources  # noqa: E402

SOURCES = [*(f"csrc/stack/{name}.c" for name in ("cfi", "cfi_expr", "elf_walk", "native_walk")), "csrc/base/bytes.c"]
WORKLOADS = ["galsim_draw", "small_numpy", "treecorr_pairs", "imports"]
PROGRAMS = ["pyarrow", "scipy", "polars", "crypto"]
KINDS = ["same", "differ", "theirs_ends", "ours_ends", "ours_cut", "both_cut"]
ROWS = ["plain", "expression", "other_register", "refused", "none"]
SECONDS_MAX = 600

FIRST, PLACES_MAX, OBJECTS_MAX = 8, 4096, 4096
U64 = ctypes.c_uint64


class Place(ctypes.Structure):
    _fields_ = [(name, U64) for name in ("pc", "ours", "theirs", "times", "depth")] + [("kind", ctypes.c_int32), ("row", ctypes.c_int32)]


class Walks(ctypes.Structure):
    _fields_ = [(name, U64) for name in ("n_walks", "n_frames", "n_asked", "n_unasked")]
    _fields_ += [("kinds", U64 * len(KINDS)), ("rows", U64 * len(ROWS)), ("n_places", U64), ("places", Place * PLACES_MAX)]


class Object(ctypes.Structure):
    _fields_ = [("path", ctypes.c_char * 512), ("rows", U64 * len(ROWS)), ("bytes", U64 * len(ROWS))]
    _fields_ += [(name, U64) for name in ("wrong", "unknown", "debug_frame_bytes")]
    _fields_ += [("first_wrong", Place * FIRST), ("first_refused", Place * FIRST)]


def build():
    """The judges as a library for ctypes; raises csources.MissingLibrary or cbuild.BuildError."""
    flavour = cbuild.Build()
    flavour.directory = ROOT / "build" / "unwind"
    cflags, libraries = csources.pkg_config(["libunwind", "libdw", "libelf"])
    with flavour.lock():
        sources = [source for source in SOURCES if (ROOT / source).exists()]
        objects = flavour.objects([*sources, *(str(path.relative_to(ROOT)) for path in sorted(HERE.glob("*.c")))], ["-fPIC", *cflags])
        target = flavour.directory / "judge.so"
        if not target.exists() or any(target.stat().st_mtime_ns < Path(path).stat().st_mtime_ns for path in objects):
            cbuild.run_tool([flavour.cc, "-shared", "-o", target, *objects, *libraries, "-pthread", "-ldl"])
    return target


class Judge:
    """Both judges, in this process."""

    def __init__(self, library):
        self._library = ctypes.CDLL(str(library))
        self._library.judge_walks_stop.restype = ctypes.POINTER(Walks)

    def start(self, every_us):
        if self._library.judge_walks_start(every_us):
            raise OSError("the walks cannot be started")

    def walks(self):
        found = self._library.judge_walks_stop().contents
        maps = mappings()
        return {
            "walks": found.n_walks, "frames": found.n_frames, "asked": found.n_asked, "unasked": found.n_unasked,
            "ends": dict(zip(KINDS, found.kinds)), "rows": dict(zip(ROWS, found.rows)),
            "places": [
                {"kind": KINDS[p.kind], "row": ROWS[p.row], "times": p.times, "depth": p.depth,
                 **{name: where(maps, getattr(p, name)) for name in ("pc", "ours", "theirs")}}
                for p in sorted(found.places[: found.n_places], key=lambda p: -p.times)
            ],
        }  # fmt: skip

    def rows(self):
        objects = (Object * OBJECTS_MAX)()
        n, maps = self._library.judge_rows(objects, OBJECTS_MAX), mappings()

        def places(o, name):
            return [
                {"object": o.path.decode(), "pc": where(maps, p.pc), "row": ROWS[p.row], "ours": f"{p.ours:016x}", "theirs": f"{p.theirs:016x}"}
                for p in getattr(o, name) if p.pc
            ]  # fmt: skip

        found = objects[: min(n, OBJECTS_MAX)]
        total = {name: sum(getattr(o, name) for o in found) for name in ("wrong", "unknown", "debug_frame_bytes")}
        total |= {name: {row: sum(getattr(o, name)[i] for o in found) for i, row in enumerate(ROWS)} for name in ("rows", "bytes")}
        return {"objects": n, **total, "first_wrong": [p for o in found for p in places(o, "first_wrong")],
                "first_refused": [p for o in found for p in places(o, "first_refused")]}  # fmt: skip


def mappings():
    lines = (line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines())
    return [(*(int(x, 16) for x in f[0].split("-")), int(f[2], 16), f[5] if len(f) > 5 else "?") for f in lines]


def where(maps, address):
    for start, end, offset, path in maps:
        if start <= address < end:
            return f"{os.path.basename(path)}+{address - start + offset:#x}"
    return f"{address:#x}"


def judged(words, library, every_us):
    """Runs a program in this process; what both judges say of it."""
    import runpy

    judge = Judge(library)
    judge.start(every_us)
    sys.argv = words
    try:
        runpy.run_path(words[0], run_name="__main__")
    finally:
        walks = judge.walks()
    return {"walks": walks, "rows": judge.rows()}


def ask(words, every_us, library):
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--in-process", str(library), "--every-us", str(every_us), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
    if done.returncode:
        raise RuntimeError(f"{words}: exit {done.returncode}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def faults(found):
    """What must not be: rows that are read differently, and walks that part where there is frame information."""
    rows, walks = found["rows"], found["walks"]
    parted = [p for p in walks["places"] if p["row"] != "none" and p["kind"] != "same"]
    return rows["first_wrong"] + (rows["first_refused"] if rows["rows"]["refused"] else []) + parted


def program_of(name):
    return [ROOT / "benchmarks" / "workloads" / f"{name}.py"] if name in WORKLOADS else [HERE / "big_wheels.py", name]


def table_row(name, found):
    walks, rows = found["walks"], found["rows"]
    ends, coded = walks["ends"], rows["rows"]
    at_none = sum(p["times"] for p in walks["places"] if p["row"] == "none")
    cells = [name, walks["walks"], walks["frames"], ends["same"], at_none, walks["asked"], walks["unasked"], len(faults(found)),
             rows["objects"], sum(coded.values()), coded["other_register"], coded["refused"], rows["wrong"], rows["debug_frame_bytes"]]  # fmt: skip
    return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in cells) + " |"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help=f"of {', '.join(WORKLOADS + PROGRAMS)}; all by default")
    parser.add_argument("--every-us", type=int, default=150, help="of real time between two looks at the running threads")
    parser.add_argument("--places", type=int, default=3, help="places shown where walks parted")
    parser.add_argument("--in-process", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    args = parse()
    if args.in_process:
        print(json.dumps(judged(args.words, args.in_process, args.every_us)))
        return 0
    library, bad = build(), 0
    print("| program | walks | frames | walks that are equal | parted without a table | asked again | unasked | faults "
          "| objects | rows | by another register | refused | read differently | bytes of .debug_frame |")  # fmt: skip
    print("|" + "---|" * 14, flush=True)
    for name in args.words or WORKLOADS + PROGRAMS:
        found = ask(program_of(name), args.every_us, library)
        print(table_row(name, found), flush=True)
        bad += bool(faults(found))
        for place in [*faults(found)[:10], *found["walks"]["places"][: args.places]]:
            print(f"    {place}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
