"""What `mixed_runs.py` runs: steps drawn by it, all of them on each of some threads at once. Prints what came of each, in a fixed order."""

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading

import rubinprof

LIBRARY, THREADS, SEED, *STEPS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]
cancel_round = ctypes.CDLL(LIBRARY).cancel_round
fork_lock = threading.Lock()  # of Python's own state: one fork at a time


def work(n):
    return sum(len(bytes(i)) for i in range(n))


def ended(pid):
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def fork(chance):
    """A child that ends as its thread returns from a fork in the middle of work."""
    with fork_lock:
        pid = os.fork()
    if pid == 0:
        work(300)
        os._exit(chance.randrange(5))
    return ended(pid) < 5


def exit_thread(chance):
    """A child, forked in a thread, whose last thread returns from its function: the process ends with it."""

    def body(status):
        with fork_lock:
            pid = os.fork()
        status.append(pid if pid else 0)

    status = []
    thread = threading.Thread(target=body, args=(status,))
    mine = os.getpid()
    thread.start()
    thread.join()
    return ended(status[0]) if os.getpid() == mine else None


def cancel(chance):
    return cancel_round(chance.randrange(2), 3, chance.randrange(1000), chance.randrange(3000))


def exec_(chance):
    how = chance.randrange(3)
    if how == 0:
        return subprocess.run([sys.executable, "-S", "-c", "print('run')"], capture_output=True).stdout
    if how == 1:
        return os.system("exit 3")
    return ended(os.posix_spawn("/bin/true", ["true"], os.environ))


def kill(chance):
    process = subprocess.Popen([sys.executable, "-c", "while True: [bytes(i) for i in range(99)]"])
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(chance.random() * 0.1)
    process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
    return process.wait() in (-signal.SIGKILL, -signal.SIGTERM)


def regions(chance):
    async def turn(n):
        with rubinprof.region("turn", n=n):
            for _ in range(5):
                work(50)
                await asyncio.sleep(0)

    async def all_of_them():
        await asyncio.gather(*(turn(n) for n in range(6)))

    asyncio.run(all_of_them())
    return 6


def pool(chance):
    with fork_lock, multiprocessing.get_context("fork").Pool(2) as workers:
        return workers.map(work, [10, 20, 30])


DOES = {"fork": fork, "exit_thread": exit_thread, "cancel": cancel, "exec": exec_, "kill": kill, "regions": regions, "pool": pool}


def body(index, results):
    chance = random.Random(SEED * 100 + index)
    for step in STEPS:
        results[index].append((step, DOES[step](chance)))


def main():
    results = [[] for _ in range(THREADS)]
    threads = [threading.Thread(target=body, args=(i, results)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, lines in enumerate(results):
        print(index, lines)


main()
