"""Sampled at 10 kHz while frames come and go in every way CPython knows, on several threads; then reads its trace."""

import asyncio
import gc
import json
import sys
import threading
import time

import rubinprof


def leaf(n):
    return sum(i * i for i in range(n))


def recurse(n):
    return leaf(5) if n == 0 else recurse(n - 1) + 1


def raises(n):
    if n == 0:
        raise ValueError
    try:
        raises(n - 1)
    finally:
        leaf(3)


def numbers(n):
    for _ in range(n):
        yield leaf(10)


def delegates(n):
    yield from numbers(n)
    yield from (leaf(2) for _ in range(n))


class Fleeting:
    def __init__(self):
        self.kept = [leaf(3)]

    def __del__(self):
        leaf(2)


def code_that_dies():
    for n in range(20):
        names = {}
        exec(f"def f{n}(x):\n    return sum(y for y in range(x))\n", names)
        names[f"f{n}"](50)


async def sleeper(n):
    for _ in range(n):
        await asyncio.sleep(0)
        leaf(5)


async def sleepers():
    await asyncio.gather(*(sleeper(5) for _ in range(5)))


def everything(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        recurse(300)
        try:
            raises(30)
        except ValueError:
            pass
        list(delegates(30))
        [Fleeting() for _ in range(50)]
        code_that_dies()
        sorted(range(200), key=lambda i: -i)
        asyncio.run(sleepers())
        bytearray(100_000)
        gc.collect(0)
        threading.Thread(target=leaf, args=(1000,)).start()


sys.setrecursionlimit(5000)
with rubinprof.Tracker(sys.argv[1], cpu="sampled", memory="sampled", sample_hz=10000, pymalloc=True):
    threads = [threading.Thread(target=everything, args=(0.2,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    everything(0.2)
    for thread in threads:
        thread.join()
print(json.dumps(rubinprof.open(sys.argv[1]).stats()))
