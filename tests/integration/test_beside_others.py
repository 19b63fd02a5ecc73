"""Beside other profilers, debuggers and evaluators of Python: a program does the same under `rubinprof run` as without."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
import rubinprof
from both_ways import both

pytestmark = pytest.mark.linux

TOOLS = {
    "cprofile": """
import cProfile, io, pstats
def leaf(n): return [n] * 3
def work():
    for n in range(50): leaf(n)
profile = cProfile.Profile()
profile.runcall(work)
stats = pstats.Stats(profile, stream=io.StringIO())
print(sorted((key[2], row[0], row[1]) for key, row in stats.stats.items()))
""",
    "settrace and setprofile": """
import sys, threading
seen = []
def tracer(frame, event, arg):
    if frame.f_globals is globals(): seen.append((frame.f_code.co_name, event, frame.f_lineno))
    return tracer
def profiler(frame, event, arg):
    if frame.f_globals is globals(): seen.append((frame.f_code.co_name, event, getattr(arg, "__name__", None)))
class Made:
    def __init__(self): self.x = max(1, 2)
def generator():
    yield 1
    yield 2
def fails(): raise KeyError
def work():
    made = [Made() for _ in range(40)]
    try: fails()
    except KeyError: pass
    return list(generator()), len(made)
for setter, function in ((sys.settrace, tracer), (sys.setprofile, profiler)):
    setter(function)
    work()
    setter(None)
    threading_setter = getattr(threading, setter.__name__)
    threading_setter(function)
    thread = threading.Thread(target=work); thread.start(); thread.join()
    threading_setter(None)
print(seen)
""",
    "pdb": """
import pdb, io
def f(n):
    x = n + 1
    return x * 2
debugger = pdb.Pdb(stdin=io.StringIO("break f\\ncontinue\\nstep\\np n\\nup\\nwhere\\ncontinue\\nquit\\n"), stdout=(out := io.StringIO()), nosigint=True)
debugger.use_rawinput = False
try: debugger.run("f(3)", globals())
except BaseException as error: print(type(error))
print(out.getvalue())
""",
    "stack trampoline": """
import sys
def f(n): return n and f(n - 1)
for name in ("activate", "deactivate"):
    if hasattr(sys, name + "_stack_trampoline"):
        print(sys.is_stack_trampoline_active(), f(20))
""",
    "tracemalloc": """
import tracemalloc
tracemalloc.start(5)
kept = [bytes(1000) for _ in range(50)]
print(tracemalloc.get_object_traceback(kept[3]), tracemalloc.is_tracing())
tracemalloc.stop()
""",
    "faulthandler": """
import faulthandler, sys, threading
def waits(): event.wait()
event = threading.Event()
threading.Thread(target=waits, daemon=True, name="t").start()
faulthandler.enable()
faulthandler.dump_traceback(sys.stderr, all_threads=False)
faulthandler.dump_traceback_later(60); faulthandler.cancel_dump_traceback_later()
faulthandler._sigsegv()
""",
}


@pytest.mark.parametrize("name", TOOLS)
def test_beside_another_tool(tmp_path, name):
    both(tmp_path, TOOLS[name])


MONITORING = """
import sys
m, seen = sys.monitoring, []
class Made:
    def __init__(self): pass
def generator():
    yield 1
def work():
    for _ in range(40): Made()
    return list(generator())
work()
for tool in range(6):
    if tool == m.OPTIMIZER_ID and sys.version_info >= (3, 13): continue
    m.use_tool_id(tool, "mine")
    E = m.events
    for event in (E.PY_START, E.PY_RETURN, E.PY_YIELD, E.PY_RESUME):
        m.register_callback(tool, event, lambda code, *rest, tool=tool, event=event: seen.append((tool, event, code.co_name)))
    m.set_events(tool, E.PY_START | E.PY_RETURN | E.PY_YIELD | E.PY_RESUME)
    work()
    m.set_events(tool, 0)
    m.free_tool_id(tool)
print(len(seen), seen)
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
def test_beside_tools_of_sys_monitoring(tmp_path):
    both(tmp_path, MONITORING)


COVERAGE = """
import coverage, sys
def work(n):
    if n % 2:
        return generator_of(n)
    return None
def generator_of(n):
    return list(x for x in range(n))
class Made:
    def __init__(self, n):
        self.n = n
        if n > 100:
            self.n = 0
measure = coverage.Coverage(data_file=None, branch=True, include=[__file__])
measure.start()
[work(n) for n in range(10)], [Made(n) for n in range(90)]
measure.stop()
data = measure.get_data()
for file in data.measured_files():
    print(sorted(data.lines(file)), sorted(data.arcs(file) or []))
"""


@pytest.mark.skipif(importlib.util.find_spec("coverage") is None, reason="coverage is not installed")
@pytest.mark.parametrize("core", ["ctrace", "sysmon", "pytrace"])
def test_beside_coverage(tmp_path, core):
    if core == "sysmon" and sys.version_info < (3, 12):
        pytest.skip("sys.monitoring came with 3.12")
    both(tmp_path, COVERAGE, environment={"COVERAGE_CORE": core})


PROFILERS = {
    "memray": """
import memray, os
if os.path.exists("memray.bin"): os.unlink("memray.bin")
def work(): return [bytes(5000 + n) for n in range(100)]
with memray.Tracker("memray.bin", native_traces=True):
    kept = work()
records = memray.FileReader("memray.bin").get_allocation_records()
print(sum(1 for record in records if record.size > 5000 and any(frame[0] == "work" for frame in record.stack_trace(max_stacks=3))))
""",
    "viztracer": """
import collections, json, viztracer
def leaf(n): return [n] * 3
class Made:
    def __init__(self): self.kept = leaf(2)
def generator():
    yield leaf(0)
    yield leaf(1)
def work(): return list(generator()), [Made() for _ in range(20)], [leaf(n) for n in range(30)]
with viztracer.VizTracer(output_file="viztracer.json", verbose=0, ignore_c_function=True):
    work()
events = json.load(open("viztracer.json"))["traceEvents"]
names = collections.Counter(event["name"].split(" ")[0] for event in events if event["ph"] == "X")
print({name: names[name] for name in ("work", "leaf", "generator", "Made.__init__")})
""",
}


@pytest.mark.parametrize("name", PROFILERS)
def test_beside_another_profiler(tmp_path, name):
    pytest.importorskip(name)
    both(tmp_path, PROFILERS[name])


DEBUGGER = """
import debugpy, subprocess, sys, threading
CLIENT = r'''
import json, socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
stream, events, number = connection.makefile("rb"), [], 0
def read():
    length = 0
    while (line := stream.readline().strip()):
        if line.lower().startswith(b"content-length:"): length = int(line[15:])
    return json.loads(stream.read(length))
def send(command, **arguments):
    global number
    number += 1
    body = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments}).encode()
    connection.sendall(b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
    return number
def answer(asked):
    while (got := read())["type"] != "response" or got["request_seq"] != asked:
        if got["type"] == "event": events.append(got)
    assert got["success"], got
    return got.get("body")
def ask(command, **arguments): return answer(send(command, **arguments))
def event(name):
    while not (found := [e for e in events if e["event"] == name]):
        if (got := read())["type"] == "event": events.append(got)
    events.remove(found[0])
    return found[0].get("body")
ask("initialize", adapterID="test")
attached = send("attach", justMyCode=True, subProcess=False)
event("initialized")
ask("setBreakpoints", source={"path": sys.argv[2]}, breakpoints=[{"line": int(n), "condition": "n == 7"} for n in sys.argv[3:]])
ask("configurationDone")
answer(attached)
for then in ("stepOut", "next", "continue", "continue", "disconnect"):
    stopped = event("stopped")
    frames = ask("stackTrace", threadId=stopped["threadId"])["stackFrames"]
    shown = ask("evaluate", expression="n * 1000", frameId=frames[0]["id"])["result"] if frames[0]["name"] == "leaf" else ""
    print(stopped["reason"], [(f["name"], f["line"]) for f in frames], shown)
    ask(then, threadId=stopped["threadId"])
'''
class Made:
    def __init__(self, n):
        self.n = n  # a breakpoint
def leaf(n):
    made = Made(n)
    return made.n  # a breakpoint
def work():
    total = 0
    for n in range(20):
        total += leaf(n)
    return total
for _ in range(20): leaf(0)
port = debugpy.listen(("127.0.0.1", 0))[1]
lines = [str(n) for n, line in enumerate(open(__file__), 1) if line.endswith("# a breakpoint\\n")]
client = subprocess.Popen([sys.executable, "-S", "-c", CLIENT, str(port), __file__, *lines], stdout=subprocess.PIPE, text=True)
debugpy.wait_for_client()
print(work())
thread = threading.Thread(target=work); thread.start(); thread.join()
print(client.communicate()[0])
"""


def test_beside_a_debugger(tmp_path):
    # debugpy: a trace function on 3.11, sys.monitoring from 3.12 on (it evaluates no frames on these).
    pytest.importorskip("debugpy")
    # It would write of a slow machine, and of frozen modules with the time.
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYDEVD_WARN_EVALUATION_TIMEOUT": "1000", "PYDEVD_WARN_SLOW_RESOLVE_TIMEOUT": "1000"}
    out, _ = both(tmp_path, DEBUGGER, environment=quiet)
    stops = [line.split()[0] for line in out.splitlines()[1:6]]
    assert sorted(stops) == ["breakpoint"] * 4 + ["step"], out
    assert "7000" in out


@pytest.mark.skipif(not shutil.which("gdb"), reason="gdb is not installed")
@pytest.mark.parametrize("options", [[], ["--cpu", "sampled", "--memory", "sampled"]], ids=["exact", "sampled"])
def test_gdb_calls_a_function_of_a_traced_program(tmp_path, libraries, options):
    # As debugpy does to attach to a process. gdb gives a call up at a signal it does not let pass, and leaves half of it on the stack.
    source = "import ctypes, sys\nctypes.CDLL(sys.argv[1])\nprint('ready', flush=True)\nprint('then', sys.stdin.readline())"
    command = [sys.executable, "-m", "rubinprof", "run", "-o", tmp_path / "t.rprof", *options, "-c", source, libraries / "libhelper.so"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline() == "ready\n"
        words = ["set auto-solib-add off", f"attach {program.pid}", "sharedlibrary libhelper", "call (int)burn_for(200)", "detach"]
        plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}  # a sanitizer's runtime is for Python: gdb hangs in it
        gdb = subprocess.run(["gdb", "-nx", "-batch", *(word for w in words for word in ("-ex", w))],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=plain)  # fmt: skip
        out, _ = program.communicate("go on")
    if "ptrace: Operation not permitted" in gdb.stderr:
        pytest.skip("attaching to a process is not allowed here")
    assert "$1 = 200" in gdb.stdout, gdb.stdout + gdb.stderr
    assert (program.returncode, out) == (0, "then go on\n")
    with rubinprof.open(tmp_path / "t.rprof") as trace:
        assert trace.stats()["complete"]


GEVENT = """
import gevent.monkey
gevent.monkey.patch_all()
import gevent, gevent.pool, os, queue, socket, subprocess, threading, time
def leaf(n):
    time.sleep(0.001)
    return bytearray(3000)
def job(n):
    for k in range(5): leaf(k)
    return n
print(gevent.pool.Pool(7).map(job, range(30)))
a, b = socket.socketpair()
def echo(): b.sendall(b.recv(100)[::-1])
greenlet = gevent.spawn(echo)
a.sendall(b"gnip")
print(a.recv(100))
thread = threading.Thread(target=job, args=(1,)); thread.start(); thread.join()
killed = gevent.spawn(time.sleep, 100)
gevent.sleep(0)
killed.kill()
print(subprocess.run(["echo", "x"], capture_output=True).stdout)
print(gevent.get_hub().threadpool.apply(sum, ([1, 2],)))
pid = os.fork()
if pid == 0: os._exit(len(gevent.pool.Pool(3).map(job, range(6))))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")
def test_gevent_with_everything_patched(tmp_path):
    both(tmp_path, GEVENT)
