"""Programs that have tripped tools of this kind (docs/traps.md): each does the same under `rubinprof run` as without, with pymalloc on.

A program prints what it finds; both runs must print the same, write the same on stderr and end alike.
"""

import glob
import importlib.util
import os
import re
import shutil
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

HELPER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int go_on;
static _Thread_local char *of_thread;
static pthread_key_t key;

/* Work that allocates: n blocks, kept in a ring. */
static void churn(int n)
{
	char *ring[16] = { 0 };
	for (int i = 0; i < n; i++) {
		free(ring[i % 16]);
		ring[i % 16] = malloc(16 + i % 5000);
		ring[i % 16][0] = 1;
	}
	for (int i = 0; i < 16; i++)
		free(ring[i]);
}

static void at_thread_end(void *p)
{
	free(p);
	churn(20); /* after the thread's own data is gone */
}

static void *plain_thread(void *arg)
{
	of_thread = malloc(100);
	pthread_setspecific(key, malloc(50));
	churn((int)(intptr_t)arg);
	free(of_thread);
	return NULL;
}

/* Threads that Python never hears of, on stacks of `stack` bytes. Returns how many ended. */
int plain_threads(int n, int stack, int blocks)
{
	pthread_t threads[64];
	pthread_attr_t attr;
	int ended = 0;
	pthread_key_create(&key, at_thread_end);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack);
	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], &attr, plain_thread, (void *)(intptr_t)blocks))
			return -1;
	for (int i = 0; i < n; i++)
		ended += pthread_join(threads[i], NULL) == 0;
	pthread_key_delete(key);
	return ended;
}

static int cleaned;
static void clean_up(void *p)
{
	free(p);
	cleaned++;
}

static void *cancelled_thread(void *arg)
{
	pthread_setcanceltype((int)(intptr_t)arg, NULL);
	char *p = malloc(1000);
	pthread_cleanup_push(clean_up, p);
	go_on = 1;
	for (;;) {
		churn(10);
		pthread_testcancel();
	}
	pthread_cleanup_pop(1);
	return NULL;
}

int cancel_threads(int n)
{
	int cancelled = 0;
	cleaned = 0;
	for (int i = 0; i < n; i++) {
		pthread_t thread;
		void *how;
		go_on = 0;
		if (pthread_create(&thread, NULL, cancelled_thread, (void *)(intptr_t)PTHREAD_CANCEL_DEFERRED))
			return -1;
		while (!go_on)
			sched_yield();
		pthread_cancel(thread);
		pthread_join(thread, &how);
		cancelled += how == PTHREAD_CANCELED;
	}
	return cancelled * 100 + cleaned;
}

static void *spinning_thread(void *arg)
{
	(void)arg;
	while (go_on)
		churn(100);
	return NULL;
}

static void burn(double seconds)
{
	struct timespec t;
	do {
		churn(50);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	} while (t.tv_sec + t.tv_nsec * 1e-9 < seconds);
}

int burn_for(int ms)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	burn(now.tv_sec + now.tv_nsec * 1e-9 + ms / 1000.0);
	return ms;
}

/* poll, select, nanosleep and read while another thread uses the CPU, each after some CPU time of its own. How many said EINTR. */
int interrupted_waits(void)
{
	pthread_t thread;
	int interrupted = 0, fds[2];
	struct timespec now;
	go_on = 1;
	pthread_create(&thread, NULL, spinning_thread, NULL);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	double used = now.tv_sec + now.tv_nsec * 1e-9;
	if (pipe(fds))
		return -1;
	for (int i = 0; i < 40; i++) {
		struct timespec short_time = { 0, 2000000 };
		struct timeval tv = { 0, 2000 };
		struct pollfd p = { fds[0], POLLIN, 0 };
		burn(used += 0.0008);
		interrupted += nanosleep(&short_time, NULL) != 0;
		burn(used += 0.0008);
		interrupted += poll(&p, 1, 2) < 0;
		burn(used += 0.0008);
		interrupted += select(0, NULL, NULL, NULL, &tv) < 0;
	}
	go_on = 0;
	pthread_join(thread, NULL);
	close(fds[0]), close(fds[1]);
	return interrupted;
}

/* Blocks every signal, uses the CPU, and asks for whatever has come. */
int signals_that_came(void)
{
	sigset_t all, before, pending;
	struct timespec none = { 0, 0 };
	int came = 0, signo;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	burn_for(20);
	sigpending(&pending);
	for (int s = 1; s < 65; s++)
		came += sigismember(&pending, s) == 1;
	while ((signo = sigtimedwait(&all, NULL, &none)) > 0)
		came += 1000 * signo;
	pthread_kill(pthread_self(), SIGUSR2);
	if (sigwait(&all, &signo) || signo != SIGUSR2)
		came += 1000000;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return came;
}

static volatile int urgent;
static void count_urgent(int signo)
{
	(void)signo;
	urgent++;
}

/* A program that uses the signal we sample by gets its own, and none of ours; and finds what it would have found. */
int own_urgent_signals(int by_sigaction)
{
	struct sigaction act = { .sa_handler = count_urgent }, old = { .sa_handler = count_urgent };
	int bad = 0;
	urgent = 0;
	if (by_sigaction) {
		sigaction(SIGURG, NULL, &old);
		bad += old.sa_handler != SIG_DFL;
		sigaction(SIGURG, &act, &old);
		bad += old.sa_handler != SIG_DFL;
	} else {
		bad += signal(SIGURG, count_urgent) != SIG_DFL;
	}
	burn_for(100);
	raise(SIGURG);
	return urgent + 1000 * bad;
}

static volatile int handled;
static void allocating_handler(int signo)
{
	(void)signo;
	int saved = errno;
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(p, 4096);
	handled++;
	errno = saved;
}

/* Hooked functions that may be called in a handler, called in one that interrupts hooked functions. */
int handlers_that_map(int n)
{
	struct sigaction act, before;
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 }, old;
	memset(&act, 0, sizeof act);
	act.sa_handler = allocating_handler;
	act.sa_flags = SA_ONSTACK | SA_RESTART;
	sigaltstack(&stack, &old);
	sigaction(SIGUSR1, &act, &before);
	handled = 0;
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, 100000 }, { 0, 100000 } };
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &every, NULL);
	while (handled < n)
		churn(100);
	timer_delete(timer);
	sigaction(SIGUSR1, &before, NULL);
	sigaltstack(&old, NULL);
	free(stack.ss_sp);
	return handled >= n;
}

static char *volatile from_handler;
static void malloc_in_handler(int signo)
{
	int saved = errno;
	free(from_handler);
	from_handler = malloc(300 + signo);
	handled++;
	errno = saved;
}

/* malloc and free in a handler, which a program may call there when it knows what it has interrupted. */
int handlers_that_allocate(int n)
{
	struct sigaction act = { .sa_handler = malloc_in_handler }, before;
	sigaction(SIGUSR1, &act, &before);
	handled = 0;
	for (int i = 0; i < n; i++) {
		churn(3);
		raise(SIGUSR1);
	}
	sigaction(SIGUSR1, &before, NULL);
	return handled;
}

/* A child that no fork handler hears of. It allocates and ends; 7 when all was well. */
int raw_clone(void)
{
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		churn(20000);
		_exit(7);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int load_and_unload(const char *path, int n)
{
	int sum = 0;
	for (int i = 0; i < n; i++) {
		void *library = dlopen(path, RTLD_NOW | (i % 2 ? RTLD_LOCAL : RTLD_GLOBAL));
		if (!library)
			return -1;
		void *(*make)(int) = (void *(*)(int))dlsym(library, "make");
		void *p = make(i);
		sum += *(int *)p;
		free(p);
		dlclose(library);
	}
	return sum;
}
"""
PLUGIN = r"""
#include <stdlib.h>
int parallel(int n) { int sum = 0;
#ifdef _OPENMP
_Pragma("omp parallel for reduction(+:sum)")
#endif
	for (int i = 0; i < n; i++) { int *volatile p = malloc(64); *p = i % 7; sum += *p; free(p); } return sum; }
void *make(int n) { int *p = malloc(sizeof *p); *p = n; return p; }
"""


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    directory = tmp_path_factory.mktemp("libraries")
    flags = ["-shared", "-fPIC", "-O1", "-g"]
    for name, source, more in (("helper", HELPER, []), ("plugin", PLUGIN, []), ("openmp", PLUGIN, ["-fopenmp"])):
        (directory / f"{name}.c").write_text(source)
        command = ["cc", *flags, *more, "-o", f"lib{name}.so", f"{name}.c", "-lpthread", "-lrt"]
        subprocess.run(command, cwd=directory, check=True)
    return directory


def both(cwd, source, *options, environment=None):
    """What the program printed, the same traced and not; and the traces."""
    (cwd / "program.py").write_text(source)
    (cwd / "traces").mkdir()
    results = []
    for prefix in ([], ["-m", "rubinprof", "run", "-o", "traces", "--pymalloc", *options]):
        done = subprocess.run([sys.executable, *prefix, "program.py"], cwd=cwd, env={**os.environ, **(environment or {})},
                              capture_output=True, text=True, timeout=120)  # fmt: skip
        # A crash report names threads by address, and the extension modules that are loaded: ours among them.
        said = re.sub("0x[0-9a-f]+|\n\nExtension modules: rubinprof._capture .*", "", done.stderr)
        results.append((done.returncode, done.stdout, said))
    assert results[1] == results[0]
    return results[0][1], sorted((cwd / "traces").iterdir())


def with_helper(libraries, source):
    return f"import ctypes\nLIBRARIES = {str(libraries)!r}\nc = ctypes.CDLL(LIBRARIES + '/libhelper.so')\n{source}"


# ---- native threads, signals, libraries ----

# What it prints, and how many allocations are made of which there must be an event each.
NATIVE = {
    "plain threads": ("print(c.plain_threads(16, 1 << 20, 2000))", "16", 16 * (2 + 2000 + 20)),
    "small stacks": ("print(c.plain_threads(16, 16384, 200))", "16", 16 * (2 + 200 + 20)),
    "many short threads": ("print(sum(c.plain_threads(20, 65536, 5) for _ in range(20)))", "400", 400 * (2 + 5 + 20)),
    "cancelled": ("print(c.cancel_threads(10))", "1010", 10),
    "waits": ("print(c.interrupted_waits())", "0", 0),
    "sigwait": ("print(c.signals_that_came())", "0", 0),
    "own SIGURG by sigaction": ("print(c.own_urgent_signals(1))", "1", 0),
    "own SIGURG by signal": ("print(c.own_urgent_signals(0))", "1", 0),
    "handlers": ("print(c.handlers_that_map(200))", "1", 200),
    "allocating handlers": ("print(c.handlers_that_allocate(500))", "500", 500 * (3 + 1)),
    "raw clone": ("print(c.raw_clone(), c.raw_clone())", "7 7", 0),
    "plugins": ("print(c.load_and_unload((LIBRARIES + '/libplugin.so').encode(), 50))", str(sum(range(50))), 50),
    "openmp": ("print(ctypes.CDLL(LIBRARIES + '/libopenmp.so').parallel(10000))", str(sum(i % 7 for i in range(10000))), 10000),
}


@pytest.mark.parametrize("name", NATIVE)
def test_native(tmp_path, libraries, name):
    source, expected, allocations = NATIVE[name]
    out, traces = both(tmp_path, with_helper(libraries, source))
    assert out == expected + "\n"
    with rubinprof.open(*traces) as trace:
        stats, rows = trace.stats(), trace.table()
    assert stats["complete"] and stats["lost_events"] == 0
    in_library = ("libhelper.so", "libplugin.so", "libopenmp.so")
    assert sum(row["allocations"] for row in rows if (row["module"] or "").endswith(in_library)) >= allocations


# ---- allocators put in by LD_PRELOAD ----


@pytest.mark.parametrize("library", ["libjemalloc.so.2", "libtcmalloc.so.4"])
def test_a_preloaded_allocator(tmp_path, libraries, library):
    found = glob.glob(f"/usr/lib/*/{library}") or glob.glob(f"/usr/lib*/{library}")
    if not found:
        pytest.skip(f"{library} is not installed")
    source = with_helper(libraries, "print(c.plain_threads(8, 1 << 20, 3000), c.cancel_threads(3), len(bytearray(5_000_000)))\n")
    out, traces = both(tmp_path, source, environment={"LD_PRELOAD": found[0]})
    assert out == "8 303 5000000\n"
    with rubinprof.open(*traces) as trace:
        assert trace.stats()["allocations"] > 8 * 3000


# ---- shutdown ----

SHUTDOWN = """
import atexit, gc, os, sys, threading, time
class Dies:
    def __init__(self, name): self.name, self.ring = name, self
    def __del__(self, write=os.write):
        sorted(map(str, range(200)))
        write(1, f"del {self.name}\\n".encode())
def late():
    kept.append(bytearray(100_000))
    print("atexit", len([str(n) for n in range(300)]))
def spin():
    started.release()
    while True: sum(range(50))
def wait():
    started.release()
    time.sleep(1000)
def generator(write=os.write):
    try: yield 1
    finally: write(1, b"generator closed\\n")
kept, started = [], threading.Semaphore(0)
for target in (spin, spin, wait) if DAEMONS else ():
    threading.Thread(target=target, daemon=True).start()
    started.acquire()
atexit.register(late)
last, open_generator = Dies("global"), generator()
next(open_generator)
sys.kept = Dies("sys")
ending = threading.Thread(target=lambda: (threading.main_thread().join(), print("thread", len([0] * 1000))))
ending.start()
Dies("now")
gc.collect()
print("main ends")
"""


@pytest.mark.parametrize("daemons", [True, False])
def test_shutdown_with_late_work(tmp_path, daemons):
    out, traces = both(tmp_path, f"DAEMONS = {daemons}\n{SHUTDOWN}")
    assert "del now" in out and (daemons or "generator closed" in out)
    with rubinprof.open(*traces) as trace:
        assert trace.stats()["complete"]


# ---- processes and descriptors ----

PROCESSES = """
import os, subprocess, sys
os.closerange(3, 256)
print([n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}")])
first = os.open("/dev/null", os.O_RDWR)
print(first)
done = subprocess.run([sys.executable, "-c", "import os; print([n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}')])"],
                      stdout=subprocess.PIPE, text=True, close_fds=False)
print(done)
print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode, os.system("exit 3"), os.spawnv(os.P_WAIT, "/bin/true", ["true"]))
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.fork()
if pid == 0:
    os.close(first)
    os.execv("/bin/sh", ["sh", "-c", "ls /proc/self/fd | wc -l"])
print(os.waitpid(pid, 0)[1], sorted(name for name in os.environ if "RUBINPROF" in name))
print([bytes(5000) for _ in range(3)] == [bytes(5000)] * 3, os.listdir("/proc/self/task") != [])
"""


def test_processes_and_closed_descriptors(tmp_path):
    out, traces = both(tmp_path, PROCESSES)
    assert len(traces) >= 1
    for path in traces:
        with rubinprof.open(path) as trace:
            assert trace.stats()["lost_events"] == 0


# ---- other tools in the same program ----

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
        gdb = subprocess.run(["gdb", "-nx", "-batch", *(word for w in words for word in ("-ex", w))],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)  # fmt: skip
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


# ---- what the tracer itself does ----


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_network_no_children_no_file_but_the_trace(tmp_path):
    command = ["strace", "-f", "-qq", "-o", "calls", "-e", "trace=%network,execve,execveat,clone,clone3,fork,vfork,openat,open,creat,unlink,rename",
               sys.executable, "-m", "rubinprof", "run", "--pymalloc", "-o", "x.rprof", "-c", "sum(range(1000))"]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    lines = (tmp_path / "calls").read_text().splitlines()
    words = [line.split(None, 1)[1] for line in lines]
    assert sum(word.startswith("execve") for word in words) == 1  # strace's own
    clones = [word for word in words if word.startswith(("clone", "fork", "vfork"))]
    assert all("CLONE_THREAD" in word for word in clones)
    assert not [word for word in words if word.startswith(("socket", "connect", "bind", "sendto"))]
    written = {word.split('"')[1] for word in words if word.startswith("open") and ("O_WRONLY" in word or "O_RDWR" in word)}
    assert {path for path in written if not path.startswith(("/dev/", "/proc/self/"))} == {str(tmp_path / "x.rprof")}


def test_what_was_asked_to_be_left_out_is_not_stored(tmp_path):
    command = [sys.executable, "-m", "rubinprof", "run", "-o", "x.rprof", "--no-command", "-c", "import os; print(os.environ['A_SECRET'])", "arg-secret"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "A_SECRET": "env-secret"}, check=True, capture_output=True)
    raw = subprocess.run([sys.executable, "-m", "rubinprof", "dump", "x.rprof"], cwd=tmp_path, check=True, capture_output=True).stdout
    assert b"secret" not in raw and b"A_SECRET" not in raw
    assert b"secret" not in (tmp_path / "x.rprof").read_bytes()
