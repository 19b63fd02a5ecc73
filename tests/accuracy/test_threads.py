"""CPU time of threads that nobody announced, and of threads whose samples came to an end."""

import shutil
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

# A pool as OpenBLAS makes it: its thread begins in the constructor of the library, and neither runs Python nor allocates.
POOL = """
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
static sem_t go, done;
static double wanted;
static volatile unsigned long sink;
static double cpu(void) { struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static void *pool_work(void *arg)
{
#ifdef HOLD_OFF
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, 0);
#endif
	for (;;) {
		sem_wait(&go);
		for (double end = cpu() + wanted; cpu() < end;)
			for (int i = 0; i < 100000; i++)
				sink += i;
		sem_post(&done);
	}
	return arg;
}
__attribute__((constructor)) static void begin(void)
{
	pthread_t t;
	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	pthread_create(&t, 0, pool_work, 0);
}
void burn(double s) { wanted = s; sem_post(&go); sem_wait(&done); }
"""

# As ROOT's libCore.
TAKER = """
#include <signal.h>
static volatile int hits;
static void on_signal(int signo) { hits++; }
__attribute__((constructor)) static void begin(void)
{
	struct sigaction a = { .sa_handler = on_signal };
	sigaction(SIGURG, &a, 0);
}
int signals_met(void) { return hits; }
"""

WAIT = """
import ctypes
pool = ctypes.CDLL("./libpool.so")
pool.burn.argtypes = [ctypes.c_double]
def waits_for_it():
    pool.burn(0.4)
waits_for_it()
"""

SPIN = """
import ctypes, signal, time
def spin(s):
    end = time.thread_time() + s
    while time.thread_time() < end: pass
def before(): spin(0.3)
def after(): spin(0.5)
"""


def compile_library(directory, name, source, *flags):
    compiler = shutil.which("cc") or shutil.which("gcc")
    (directory / f"{name}.c").write_text(source)
    command = [compiler, "-shared", "-fPIC", "-O1", *flags, "-o", f"lib{name}.so", f"{name}.c", "-pthread"]
    subprocess.run(command, cwd=directory, check=True, timeout=60)


def run_command(directory, source, mode):
    (directory / "program.py").write_text(source)
    command = [sys.executable, "-m", "rubinprof", "run", "-o", "t.rprof", "--cpu", mode, "--memory", mode, "program.py"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return rubinprof.open(directory / "t.rprof"), done.stdout


def seen(stats):
    return {entry["what"] for entry in stats["not_seen"]}


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_cpu_time_of_a_thread_made_in_the_constructor_of_a_library(tmp_path, mode):
    compile_library(tmp_path, "pool", POOL)
    trace, _ = run_command(tmp_path, WAIT, mode)
    stats = trace.stats()
    assert stats["cpu_measured_s"] > 0.4
    assert stats["cpu_unseen_s"] < 0.02 and "cpu" not in seen(stats)
    (row,) = [row for row in trace.table(by="function") if row["function"].partition("(")[0] == "pool_work"]
    assert row["total_cpu_s"] == pytest.approx(0.4, rel=0.1)
    assert sum(t["self_cpu_s"] > 0.36 for t in trace.table(by="thread")) == 1


def test_cpu_time_of_a_native_worker_belongs_to_the_only_line_that_can_wait_for_it(tmp_path):
    compile_library(tmp_path, "pool", POOL)
    trace, _ = run_command(tmp_path, WAIT, "exact")
    (row,) = [row for row in trace.table(by="function") if row["function"] == "waits_for_it"]
    assert row["total_cpu_s"] == pytest.approx(0.4, rel=0.1)
    assert row["calls"] == 1 and row["total_wall_s"] < 10 * 0.4


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_cpu_time_of_a_thread_that_holds_all_signals_off(tmp_path, mode):
    compile_library(tmp_path, "pool", POOL, "-DHOLD_OFF")
    trace, _ = run_command(tmp_path, WAIT, mode)
    stats = trace.stats()
    assert stats["cpu_measured_s"] > 0.4 and stats["cpu_unseen_s"] < 0.02
    assert sum(t["self_cpu_s"] > 0.36 for t in trace.table(by="thread")) == 1


def test_cpu_time_that_no_thread_tells_is_told(tmp_path):
    ended_at_once = POOL.replace("for (;;)", "for (int n = 0; n < 1; n++)").replace("sem_post(&done);", "sem_post(&done); return arg;")
    compile_library(tmp_path, "pool", ended_at_once, "-DHOLD_OFF")
    trace, _ = run_command(tmp_path, WAIT.replace("burn(0.4)", "burn(0.15)"), "exact")  # before the second look
    stats = trace.stats()
    assert stats["cpu_measured_s"] + stats["cpu_unseen_s"] > 0.15
    assert ("cpu" in seen(stats)) == (stats["cpu_unseen_s"] >= max(0.02, 0.01 * stats["cpu_measured_s"]))


@pytest.mark.parametrize("mode", ["exact", "sampled"])
@pytest.mark.parametrize(
    "taken",
    [
        "met = ctypes.CDLL('./libtaker.so').signals_met\nafter()\nprint(met())",
        "got = []\nsignal.signal(signal.SIGURG, lambda *a: got.append(a))\nafter()\nprint(len(got))",
    ],
    ids=["by a library's constructor", "by signal.signal"],
)
def test_samples_end_where_the_program_takes_their_signal(tmp_path, mode, taken):
    compile_library(tmp_path, "taker", TAKER)
    trace, output = run_command(tmp_path, SPIN + "before()\n" + taken, mode)
    stats = trace.stats()
    assert output == "0\n"  # none of ours came to the new owner
    assert {"samples", "threads_unsampled"} <= seen(stats)
    assert 0.2 < stats["samples_end_s"] < stats["wall_s"]
    rows = {row["function"]: row for row in trace.table(by="function")}
    if mode == "sampled":
        assert rows["[not sampled]"]["self_cpu_s"] == pytest.approx(0.5, rel=0.2)
        assert rows["before"]["total_cpu_s"] == pytest.approx(0.3, rel=0.3)
    else:
        assert rows["after"]["total_cpu_s"] == pytest.approx(0.5, rel=0.1)


def test_a_thread_that_holds_its_signals_off_is_not_laid_to_its_last_sample(tmp_path):
    hold_off = "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
    trace, _ = run_command(tmp_path, SPIN + "before()\n" + hold_off + "after()\n", "sampled")
    rows = {row["function"]: row for row in trace.table(by="function")}
    assert rows["before"]["total_cpu_s"] == pytest.approx(0.3, rel=0.3)
    assert rows["[not sampled]"]["self_cpu_s"] == pytest.approx(0.5, rel=0.2)
