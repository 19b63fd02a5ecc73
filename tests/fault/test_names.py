"""Native code is named while the program runs: a killed trace has names, and the program does not notice who looks them up."""

import os
import signal
import subprocess
import sys
import time

import pytest

import rubinprof

pytestmark = pytest.mark.linux

SECONDS_MAX = 60


def native_names(path):
    return {row["function"] for row in rubinprof.open(path).table(by="function") if row["kind"] == "native"}


def test_a_killed_trace_has_names(tmp_path):
    program = "import rubinprof\nrubinprof.Tracker('k.rprof').start()\nprint('on', flush=True)\nwhile True: bytearray(100_000)\n"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        end = time.monotonic() + SECONDS_MAX
        while not any("bytearray" in name.lower() for name in native_names(tmp_path / "k.rprof")):
            assert time.monotonic() < end, native_names(tmp_path / "k.rprof")
            time.sleep(0.1)  # between two looks
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert rubinprof.open(tmp_path / "k.rprof").stats()["complete"] is False
    assert any("bytearray" in name.lower() for name in native_names(tmp_path / "k.rprof"))


# New code is called all the time, so that there is always something to look up.
FORKS = """
import ctypes, os, rubinprof, sys, warnings
import json, decimal, sqlite3, ssl, zlib, hashlib, xml.dom.minidom
def work(n):
    json.dumps({str(i): i for i in range(n)}); decimal.Decimal(n).sqrt(); zlib.compress(bytes(n)); hashlib.sha256(bytes(n))
    sqlite3.connect(":memory:").execute("select 1"); xml.dom.minidom.parseString("<a><b/></a>")
with rubinprof.Tracker("f.rprof", follow_fork=False):
    for n in range(60):
        work(n)
        pid = os.fork()
        if pid == 0:
            open_now = []
            for fd in os.listdir("/proc/self/fd"):
                try: open_now.append(os.readlink(f"/proc/self/fd/{fd}"))
                except OSError: pass
            os._exit(any(".so" in path or path.startswith("/usr/lib/debug") for path in open_now))
        assert os.waitpid(pid, 0)[1] == 0
"""


def test_a_forked_child_inherits_no_file_of_ours(tmp_path):
    done = subprocess.run([sys.executable, "-c", FORKS], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS_MAX)
    assert (done.returncode, done.stderr) == (0, "")
    assert native_names(tmp_path / "f.rprof")


def test_the_names_are_there_when_the_stop_comes_at_once(tmp_path):
    program = "import rubinprof\nwith rubinprof.Tracker('s.rprof'): bytearray(100_000)\n"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=SECONDS_MAX)
    assert any("bytearray" in name.lower() for name in native_names(tmp_path / "s.rprof"))


def test_a_library_that_is_gone_costs_its_names_only(tmp_path):
    """Deleted after it was loaded and unloaded again while its code is in the trace: the program and the trace go on."""
    (tmp_path / "gone.c").write_text("#include <stdlib.h>\nvoid gone(void) { free(malloc(4242)); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-O0", "-g", "-o", "gone.so", "gone.c"], cwd=tmp_path, check=True)
    program = (
        "import _ctypes, ctypes, os, rubinprof\n"
        "with rubinprof.Tracker('g.rprof'):\n"
        "    library = ctypes.CDLL('./gone.so')\n"
        "    library.gone()\n"
        "    os.unlink('gone.so')\n"
        "    _ctypes.dlclose(library._handle)\n"
        "    for _ in range(1000): bytearray(100_000)\n"
        "print('unharmed')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS_MAX)
    assert (done.returncode, done.stdout, done.stderr) == (0, "unharmed\n", "")
    stats = rubinprof.open(tmp_path / "g.rprof").stats()
    assert stats["complete"] and not stats["lost_events"]


NEVER = """
__attribute__((visibility("hidden"))) void never(int *p) { *p = 1; asm volatile(".fill 40000,1,0x90"); }
"""
ALWAYS = """
#include <cstdlib>
namespace always { __attribute__((noinline)) void *make() { return std::malloc(22222); } }
extern "C" void call() { std::free(always::make()); }
"""


@pytest.mark.parametrize("sources", [{"one.cpp": NEVER + ALWAYS}, {"never.cpp": NEVER, "one.cpp": ALWAYS}], ids=["one_unit", "two_units"])
def test_code_that_the_linker_has_dropped_lends_its_name_to_none(tmp_path, sources):
    """Debug information still has it, at address 0 and as long as it was, which is past all code that is there."""
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    command = ["c++", "-O1", "-g", "-shared", "-fPIC", "-ffunction-sections", "-Wl,--gc-sections", "-o", "dropped.so", *sources]
    subprocess.run(command, cwd=tmp_path, check=True)
    program = "import ctypes, rubinprof\nlibrary = ctypes.CDLL('./dropped.so')\nwith rubinprof.Tracker('d.rprof'):\n    library.call()\n"
    environment = {**os.environ, "RUBINPROF_NAME_CACHE": "off"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, timeout=SECONDS_MAX)
    rows = {row["function"]: row for row in rubinprof.open(tmp_path / "d.rprof").table(by="function") if row["file"].endswith((".cpp"))}
    lines = sources["one.cpp"].splitlines()
    assert {name: lines[row["line"] - 1][:9] for name, row in rows.items()} == {"always::make()": "namespace", "call": 'extern "C'}
