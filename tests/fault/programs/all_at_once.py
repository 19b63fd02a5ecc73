"""Everything that the tool's threads and the program's do to the same data, at once: calls and allocations in threads, threads that come and go,
libraries loaded and unloaded, regions, syncs, and sessions that stop in the middle of it. For the sanitizers above all.

    all_at_once.py MODE PLUGIN ROUNDS
"""

import ctypes
import sys
import threading
import time

import _ctypes
import rubinprof

mode, plugin, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
go_on = True


def work(n):
    kept = [bytes(300 * i) for i in range(n)]
    return sorted(map(len, kept), key=lambda size: -size)


def calls():
    while go_on:
        work(30)


def short_threads():
    while go_on:
        thread = threading.Thread(target=work, args=(5,))
        thread.start()
        thread.join()


def plugins():
    while go_on:
        library = ctypes.CDLL(plugin)
        library.churn(20)
        _ctypes.dlclose(library._handle)


def regions():
    n = 0
    while go_on:
        with rubinprof.region("stretch", n=n):
            work(3)
        n += 1
        time.sleep(0)


threads = [threading.Thread(target=target) for target in (calls, calls, short_threads, plugins, regions)]
for thread in threads:
    thread.start()
for n in range(rounds):
    with rubinprof.Tracker(f"{n}.rprof", cpu=mode, memory=mode, sample_hz=1000, pymalloc=True):
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            work(10)
        rubinprof.sync()
        work(10)
go_on = False
for thread in threads:
    thread.join()
