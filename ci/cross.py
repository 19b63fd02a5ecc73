"""`make cross`: the analyzer for laptops and other CPUs, built here with zig's C compiler, warnings as errors.

Each target's rubinprof-analyze is linked with an LZ4 and a zstd made from source by the same compiler. The Linux aarch64 one is run under
qemu-user on real traces, and the Windows one under Wine where that is installed: what they write must be the native program's, byte for byte.
Words after it are trace files to compare; without any, traces are made here.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cbuild
import csources
import debian_source
import environment
import zig
from environment import ROOT

# target of zig -> what it is called, suffix of programs
TARGETS = {
    "aarch64-macos": "",
    "x86_64-macos": "",
    "x86_64-windows-gnu": ".exe",
    "aarch64-linux-musl": "",
}
# target -> what runs its programs here; only the first has to be there
EMULATORS = {"aarch64-linux-musl": "qemu-aarch64", "x86_64-windows-gnu": "wine"}
REPORTS = [
    ["stats", "--json"],
    ["table", "--json", "-n", "-1"],
    ["table", "--by", "line", "--metric", "peak", "--json", "-n", "-1"],
    ["tree", "--json"],
    ["lines", "--json"],
    ["regions", "--json"],
    ["json"],
    ["verify", "--json"],
    ["dump", "--json"],
    ["collapsed"],
]
# What is traced for the comparison: calls, allocations with native stacks, regions, threads.
PROGRAM = """
import json, threading, rubinprof
def work(n):
    with rubinprof.region("work", n=n):
        return [json.loads(json.dumps({"a": [i] * 50})) for i in range(n)]
threads = [threading.Thread(target=work, args=(n,)) for n in (300, 600)]
[t.start() for t in threads]; [t.join() for t in threads]
"""


def main(traces):
    python = environment.pythons()[0]
    environment.system_deps("--for-cross", "--python", python.path)
    compiler = zig.cc(python)
    lz4, zstd = debian_source.fetch("lz4") / "lib", debian_source.fetch("libzstd") / "lib"
    with ThreadPoolExecutor(2) as pool:
        programs = dict(zip(TARGETS, pool.map(lambda target: build(compiler, lz4, zstd, target), TARGETS), strict=True))
    for target, program in programs.items():
        print(f"built    {target:<20} {program.relative_to(ROOT)} ({program.stat().st_size / 1e6:.1f} MB)", flush=True)
    native, unlike = cbuild.Build().analyze_program(ROOT / "build" / "rubinprof-analyze"), 0
    with tempfile.TemporaryDirectory() as directory:
        traces = traces or make_traces(Path(directory))
        install_without_capture(python, Path(directory), native, traces)
        for target, emulator in EMULATORS.items():
            if shutil.which(emulator):
                unlike += compare(target, [emulator, programs[target]], native, traces)
            else:
                print(f"not run  {target}: {emulator} is not here")
    return 1 if unlike else 0


def build(command, lz4, zstd, target):
    """rubinprof-analyze for one target; raises cbuild.BuildError with what the compiler said."""
    home = ROOT / "build" / "cross" / target
    system = "win32" if "windows" in target else "posix"
    sources = csources.sources(csources.PORTABLE_ROOMS, system) + ["csrc/tool/rubinprof_analyze.c"]
    foreign = zig.foreign_objects(command, target, home, lz4, zstd)
    program = home / f"rubinprof-analyze{TARGETS[target]}"
    cbuild.run_tool([*command, "-target", target, *zig.FLAGS, f"-I{lz4}", f"-I{zstd}", "-o", program, *sources, *foreign])
    return program


def make_traces(directory):
    """One trace that ended, one that was killed."""
    env = ROOT / ".venv" / "bin" / "python"
    if not env.exists():
        sys.exit("make cross needs .venv to make its traces: run `make dev` first, or name traces.")
    run = [env, "-m", "rubinprof", "run", "--pymalloc"]
    subprocess.run([*run, "-o", directory / "ended.rprof", "-c", PROGRAM], check=True)
    killed = PROGRAM + "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
    subprocess.run([*run, "-o", directory / "killed.rprof", "-c", killed])
    return sorted(directory.glob("*.rprof"))


def install_without_capture(python, directory, native, traces):
    """The install of a laptop, in an environment of its own: it reads traces, and says in one sentence that it makes none."""
    home = directory / "venv"
    subprocess.run([python.path, "-m", "venv", home], check=True)
    env = {**os.environ, "RUBINPROF_WITHOUT_CAPTURE": "1"}
    subprocess.run([home / "bin" / "pip", "install", "-q", "--no-deps", environment.copy_of_product(directory / "product")], check=True, env=env)
    for trace in traces:
        said = subprocess.run([home / "bin" / "rubinprof", "stats", "--json", trace], check=True, capture_output=True, cwd=directory)
        assert said.stdout == subprocess.check_output([native, "stats", "--json", trace]), f"stats of {trace} differ"
    refused = subprocess.run(
        [home / "bin" / "python", "-c", "import rubinprof\nwith rubinprof.Tracker(): pass"], capture_output=True, text=True, cwd=directory
    )
    sentence = refused.stderr.splitlines()[-1]
    assert refused.returncode == 1 and "without its tracing half" in sentence, refused.stderr
    print(f"install  without capture: reads traces; Tracker() says: {sentence}", flush=True)


def compare(target, emulated, native, traces):
    """How many reports the emulated program writes otherwise than the native one."""
    env, unlike, count = {**os.environ, "WINEDEBUG": "-all"}, 0, 0
    for trace in traces:
        for report in REPORTS:
            said = [subprocess.run([*who, *report, trace], capture_output=True, env=env) for who in (emulated, [native])]
            alike = said[0].stdout == said[1].stdout and said[0].returncode == said[1].returncode
            unlike, count = unlike + (not alike), count + 1
            if not alike:
                print(f"DIFFERS  {target:<20} {' '.join(report)} of {Path(trace).name}", flush=True)
    print(f"run      {target:<20} by {emulated[0]}: {count - unlike} of {count} reports the same, byte for byte", flush=True)
    return unlike


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (cbuild.BuildError, csources.MissingLibrary, debian_source.NoSource) as error:
        sys.exit(str(error))
