"""`make check-aarch64`: capture and analysis built for Linux aarch64 by zig's C compiler, warnings as errors, and run under qemu-user.

Debian's arm64 packages of CPython and of the C libraries are unpacked into build/aarch64; the system is not changed. A program of known answers is traced
in each mode there and here, by CPython 3.11 both. Calls and the program's own allocations must be the same, and so must what both analyzers say of one trace.
qemu-user has no io_uring and no perf events: what falls back is told.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cbuild
import csources
import environment
import zig
from environment import ROOT

HOME = ROOT / "build" / "aarch64"
MINOR = "3.11"  # of Debian 12
TARGET = "aarch64-linux-gnu.2.36"
PACKAGES = [f"python{MINOR}", f"python{MINOR}-dev", "libdw-dev", "liburing-dev", "liblz4-dev", "libzstd-dev"]
# What our sources include of these packages. All of usr/include would hide the compiler's own.
HEADERS = ["lz4.h", "lz4frame.h", "lz4hc.h", "zstd.h", "zstd_errors.h", "liburing.h", "liburing", "elfutils", "libelf.h", "gelf.h", "dwarf.h"]
LIBRARIES = {"_capture": ["lz4", "zstd", "uring", "dw", "elf"], "_analyze": ["lz4", "zstd"]}
EMULATOR = "qemu-aarch64"

# Calls that are known, 200 blocks by one line, a region, threads, a generator, and exceptions that pass through calls.
PROGRAM = '''
import sys, threading, time
import rubinprof

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def numbers(n):
    for i in range(n):
        yield i

def fails(n):
    if n == 0:
        raise ValueError
    fails(n - 1)

def blocks(n):
    return [bytearray(100_000) for _ in range(n)]

def threaded():
    fib(12)

with rubinprof.region("all", detector=7):
    fib(16)
    sum(numbers(1000))
    for _ in range(20):
        try:
            fails(9)
        except ValueError:
            pass
    kept = blocks(200)
    threads = [threading.Thread(target=threaded) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if "long" in sys.argv:
        begin = time.process_time()
        while time.process_time() < begin + 2:
            fib(18)
'''
# fib(16) has 3,193 calls, fib(12) 465; each of 20 times ten calls of fails; a generator's resumptions are calls (as cProfile counts them).
CALLS = {"fib": 3193 + 3 * 465, "numbers": 1001, "fails": 200, "blocks": 1, "threaded": 3}
REPORTS = [["stats", "--json"], ["table", "--json", "-n", "-1"], ["table", "--by", "line", "--metric", "allocated", "--json", "-n", "-1"], ["regions", "--json"], ["tree", "--json"], ["verify", "--json"]]


def main():
    python = next((p for p in environment.pythons() if p.minor == MINOR), None)
    if not python:
        sys.exit(f"make check-aarch64 compares with CPython {MINOR} of this machine, which is not here")
    environment.system_deps("--for-cross", "--python", python.path)
    root = unpack()
    package = build(zig.cc(python), root)
    there = Machine([EMULATOR, "-L", root, root / "usr" / "bin" / f"python{MINOR}"], package)
    here = Machine([native(python), "-P"], None)
    wrong = 0
    for mode in ("exact", "sampled"):
        wrong += compare(mode, there, here)
    wrong += killed(there, here)
    print("aarch64: all as on this machine" if not wrong else f"aarch64: {wrong} differ")
    return 1 if wrong else 0


def unpack():
    """The packages and all they need, below build/aarch64/root. apt-get is asked with lists and a status of its own."""
    root = HOME / "root"
    if root.exists():
        return root
    if not shutil.which("apt-get"):
        sys.exit("make check-aarch64 needs apt-get, for Debian's packages of arm64")
    places = {"Dir::State::lists": HOME / "apt" / "lists", "Dir::Cache": HOME / "apt" / "cache"}
    for place in (HOME / "apt" / "lists" / "partial", HOME / "apt" / "cache" / "archives" / "partial"):
        place.mkdir(parents=True, exist_ok=True)
    (HOME / "apt" / "status").touch()
    apt = ["apt-get", "-q", "-o", "APT::Architecture=arm64", "-o", "APT::Architectures::=arm64", "-o", f"Dir::State::status={HOME / 'apt' / 'status'}"]
    apt += [word for name, place in places.items() for word in ("-o", f"{name}={place}")]
    apt += ["-o", "APT::Sandbox::User=root", "-o", "APT::Install-Recommends=false"]
    for command in (["update"], ["--download-only", "-y", "install", *PACKAGES]):
        done = subprocess.run([*apt, *command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"the packages of arm64 could not be fetched: {done.stderr.strip().splitlines()[-1]}")
    part = HOME / "root.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for archive in sorted((HOME / "apt" / "cache" / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", archive, part], check=True)
    part.rename(root)
    return root


def headers(root):
    """A folder with the headers of the C libraries."""
    include = HOME / "include"
    shutil.rmtree(include, ignore_errors=True)
    include.mkdir()
    for name in HEADERS:
        source = root / "usr" / "include" / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, include / name)
    return include


def build(command, root):
    """A folder for PYTHONPATH: the package with both modules of aarch64."""
    include = headers(root)
    package = HOME / "package" / "rubinprof"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "python" / "rubinprof", package, ignore=shutil.ignore_patterns("__pycache__", "*.so", "rubinprof-analyze"))
    python = root / "usr" / "include"
    flags = ["-target", TARGET, *zig.FLAGS, "-fPIC", *csources.CAPTURE_FLAGS, f"-I{include}"]
    # Debian's pyconfig.h of each architecture lies below a folder of its name.
    flags += ["-isystem", python / f"python{MINOR}", "-isystem", HOME / "include-python"]
    tree = HOME / "include-python" / "aarch64-linux-gnu" / f"python{MINOR}"
    shutil.rmtree(HOME / "include-python", ignore_errors=True)
    shutil.copytree(python / "aarch64-linux-gnu" / f"python{MINOR}", tree)
    for name, needed in LIBRARIES.items():
        objects = zig.objects(command, csources.module_sources(name, "linux"), flags, HOME / "objects")
        libraries = [root / "usr" / "lib" / "aarch64-linux-gnu" / f"lib{library}.so" for library in needed]
        libraries.append(root / "lib" / "aarch64-linux-gnu" / "libgcc_s.so.1")  # where clang's own runtime has no personality of C
        module = package / f"{name}.cpython-{MINOR.replace('.', '')}-aarch64-linux-gnu.so"
        hide = f"-Wl,--version-script={ROOT / 'csrc/ext/exports.map'}"
        cbuild.run_tool([*command, "-target", TARGET, "-shared", hide, "-o", module, *objects, *libraries, "-lm"])
        print(f"built    {module.name} ({module.stat().st_size / 1e6:.1f} MB)", flush=True)
    return package.parent


def native(python):
    """CPython of this machine with rubinprof in it."""
    env = environment.Environment(HOME / "native", python, environment.fetch_uv(python))
    env.create()
    env.install_rubinprof()
    return env.python


class Machine:
    """A Python with rubinprof, on one of the two architectures."""

    def __init__(self, command, package):
        self.command = [str(word) for word in command]
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "RUBINPROF"))} | {"RUBINPROF_INDEX": "off"}
        if package:
            self.env["PYTHONPATH"] = str(package)
        self.name = "aarch64" if package else "here"

    def rubinprof(self, *words, **options):
        command = [*self.command, "-m", "rubinprof", *map(str, words)]
        return subprocess.run(command, env=self.env, cwd=HOME, capture_output=True, text=True, timeout=600, **options)

    def trace(self, mode, *words):
        """The trace of the program; exits with what was said where it did not end well."""
        path = HOME / f"{self.name}-{mode}.rprof"
        path.unlink(missing_ok=True)
        (HOME / "program.py").write_text(PROGRAM)
        modes = ["--cpu", mode, "--memory", mode] if mode != "exact" else []
        done = self.rubinprof("run", "-o", path, *modes, HOME / "program.py", *words)
        if done.returncode:
            sys.exit(f"{self.name}: the traced program ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return path

    def ask(self, *words):
        done = self.rubinprof(*words)
        if done.returncode:
            sys.exit(f"{self.name}: {' '.join(map(str, words))} ended with {done.returncode}: {done.stderr}")
        return done.stdout


def compare(mode, there, here):
    """How many figures of one mode differ."""
    traces = {machine.name: machine.trace(mode, *(["long"] if mode == "sampled" else [])) for machine in (there, here)}
    wrong = 0
    for report in REPORTS:  # the same trace, read on both
        said = [machine.ask(report[0], traces["aarch64"], *report[1:]) for machine in (there, here)]
        wrong += tell(said[0] == said[1], f"{mode}: {' '.join(report)} of its trace, read on both machines")
    stats = [json.loads(here.ask("stats", path, "--json")) for path in traces.values()]
    wrong += tell(all(s["complete"] for s in stats), f"{mode}: complete")
    if mode == "exact":
        for machine, path in traces.items():
            calls = functions(here, path, "calls")
            wrong += tell(all(calls.get(name) == n for name, n in CALLS.items()), f"exact: calls on {machine}, {({n: calls.get(n) for n in CALLS})}")
        blocks = [functions(here, path, "allocations")["blocks.<locals>.<listcomp>"] for path in traces.values()]
        wrong += tell(blocks[0] == blocks[1] and blocks[0] >= 200, f"exact: allocations by the line of blocks: {blocks}")
        below = here.ask("tree", traces["aarch64"], "--metric", "allocated", "--json")
        wrong += tell("PyByteArray_Resize" in below, "exact: the native stack of an allocation is named")
    else:
        cpu = [functions(here, path, "self_cpu_s") for path in traces.values()]
        share = [of["fib"] / sum(v or 0 for v in of.values()) for of in cpu]
        wrong += tell(all(s > 0.3 for s in share), f"sampled: fib has {share[0]:.0%} and {share[1]:.0%} of the CPU time")
    return wrong


def killed(there, here):
    """A killed program leaves all its calls."""
    path = HOME / "aarch64-killed.rprof"
    path.unlink(missing_ok=True)
    (HOME / "killed.py").write_text(PROGRAM + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    there.rubinprof("run", "-o", path, HOME / "killed.py")
    calls = functions(here, path, "calls")
    return tell(all(calls.get(name) == n for name, n in CALLS.items()), "killed: no call is lost")


def functions(machine, path, column):
    """A figure of each Python function of the program."""
    rows = json.loads(machine.ask("table", path, "--by", "function", "--json", "-n", "-1"))["rows"]
    return {row["function"]: row[column] for row in rows if "program.py" in str(row.get("file")) or "killed.py" in str(row.get("file"))}


def tell(good, what):
    print(f"{'equal' if good else 'DIFFERS'}    {what}", flush=True)
    return not good


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (cbuild.BuildError, csources.MissingLibrary) as error:
        sys.exit(str(error))
