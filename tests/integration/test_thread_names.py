"""Threads have the names that Python knows, also those that ended long before the stop."""

import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

PROGRAM = """
import concurrent.futures, threading, time, rubinprof

late = threading.Thread(target=lambda: renames_itself(), name="early name")

class Own(threading.Thread):
    def run(self):
        work()

class Odd(threading.Thread):
    def __getattribute__(self, name):  # sees nothing of ours, and runs unrecorded
        return super().__getattribute__(name)

def work():
    end = time.thread_time() + 0.02
    while time.thread_time() < end: pass

def renames_itself():
    threading.current_thread().name = "late name"
    work()

with rubinprof.Tracker("t.rprof", cpu=MODE, memory=MODE, sample_hz=1000):
    for thread in [threading.Thread(target=work, name="ended early"), threading.Thread(target=work, name="longer than fifteen characters"),
                   threading.Thread(target=work, name="na\\N{LATIN SMALL LETTER I WITH DIAERESIS}ve"), Own(name="own"), Odd(target=work, name="odd"), late]:
        thread.start()
        thread.join()
    with concurrent.futures.ThreadPoolExecutor(1, "pool") as pool:
        pool.submit(work).result()
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_names_of_threads_that_have_ended(tmp_path, mode):
    (tmp_path / "program.py").write_text(f"MODE = {mode!r}\n{PROGRAM}", encoding="utf-8")
    subprocess.run([sys.executable, "program.py"], cwd=tmp_path, check=True, timeout=60)
    with rubinprof.open(tmp_path / "t.rprof") as trace:
        names = {row["thread"] for row in trace.table("thread")}
    assert names == {"MainThread", "ended early", "longer than fifteen characters", "naïve", "own", "odd", "pool_0", "late name"}


NATIVE = """
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>
static void *work(void *name)
{
	if (name)
		pthread_setname_np(pthread_self(), name);
	struct timespec t = { 0 };
	while (!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) && t.tv_nsec < 50000000)
		;
	return 0;
}
void workers(void)
{
	pthread_t a, b;
	pthread_create(&a, 0, work, 0);
	pthread_create(&b, 0, work, "its own name");
	pthread_join(a, 0);
	pthread_join(b, 0);
}
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_a_native_thread_does_not_have_the_name_of_the_process(tmp_path, mode):
    (tmp_path / "workers.c").write_text(NATIVE)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "libworkers.so", "workers.c", "-pthread"], cwd=tmp_path, check=True, timeout=60)
    program = "import ctypes; ctypes.CDLL('./libworkers.so').workers()"
    command = [sys.executable, "-m", "rubinprof", "run", "-o", "t.rprof", "--cpu", mode, "--memory", mode, "-c", program]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    with rubinprof.open(tmp_path / "t.rprof") as trace:
        assert {row["thread"] for row in trace.table("thread")} == {"MainThread", "unnamed thread", "its own name"}


OF_BEFORE = """
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>
static pthread_t thread;
static pthread_barrier_t barrier;
static double used; /* by the thread: on a busy host its clock may jump over the end */
static void *work(void *name)
{
	pthread_setname_np(pthread_self(), name);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	struct timespec t = { 0 };
	while (!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) && t.tv_nsec < 80000000)
		;
	used = t.tv_sec + t.tv_nsec / 1e9;
	return 0;
}
void begin(void)
{
	pthread_barrier_init(&barrier, 0, 2);
	pthread_create(&thread, 0, work, "rubinprof-tool");
	pthread_barrier_wait(&barrier);
}
double end(void)
{
	pthread_barrier_wait(&barrier);
	pthread_join(thread, 0);
	return used;
}
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_a_thread_of_the_program_is_not_the_tools_by_its_name(tmp_path, mode):
    (tmp_path / "before.c").write_text(OF_BEFORE)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "libbefore.so", "before.c", "-pthread"], cwd=tmp_path, check=True, timeout=60)
    program = f"""
import ctypes, rubinprof
library = ctypes.CDLL("./libbefore.so")
library.end.restype = ctypes.c_double
library.begin()
with rubinprof.Tracker("t.rprof", cpu={mode!r}, memory={mode!r}):
    print(library.end())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60, stdout=subprocess.PIPE)
    with rubinprof.open(tmp_path / "t.rprof") as trace:
        cpu = {row["thread"]: row["total_cpu_s"] for row in trace.table("thread")}
    assert cpu["rubinprof-tool"] == pytest.approx(float(done.stdout), abs=0.005)
