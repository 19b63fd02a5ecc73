"""What the golden traces are of: a little of everything that a trace can hold.

    program.py TRACE well|killed OPTIONS      the options of a Tracker, as JSON

What it imports is not in the trace, which would be ten times larger with it.
"""

import asyncio
import json
import mmap
import os
import signal
import sys
import tempfile
import threading
import time
import zlib

import rubinprof

KEPT = []


def burn(seconds):
    """In C, by its own CPU time."""
    data = bytes(range(256)) * 200
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        zlib.compress(data, 6)


def count_down(n):
    return count_down(n - 1) if n else len(bytearray(100_000))


def squares(n):
    for i in range(n):
        yield i * i


@rubinprof.region("fit")
def fit():
    burn(0.05)
    raise ValueError("no fit")


async def take_turns(name):
    with rubinprof.region("turn", name=name):
        for _ in range(3):
            await asyncio.sleep(0)
            burn(0.01)


async def both():
    await asyncio.gather(take_turns("a"), take_turns("b"))


def in_thread():
    KEPT.append(bytearray(2_000_000))
    burn(0.05)


def main(ending):
    with rubinprof.region("quantum", task="isr", dataId={"visit": 12, "detector": 3}, instrument="HSC") as quantum:
        KEPT.append(bytearray(3_000_000))
        count_down(30)
        sum(squares(100))
        thread = threading.Thread(target=in_thread, name="worker")
        thread.start()
        thread.join()
        quantum.label(status="done")
    try:
        fit()
    except ValueError:
        pass
    asyncio.run(both())
    with tempfile.TemporaryFile() as file:
        file.truncate(1 << 20)
        with mmap.mmap(file.fileno(), 1 << 20, access=mmap.ACCESS_READ) as mapped:
            zlib.crc32(mapped)
    if not os.fork():
        burn(0.05)
        sys.exit(0)
    os.wait()
    if ending == "killed":
        with rubinprof.region("hang", task="hang"):
            burn(0.05)
            os.kill(os.getpid(), signal.SIGKILL)


path, ending, options = sys.argv[1:]
with rubinprof.Tracker(path, max_memory_bytes=4 << 20, store_command=False, **json.loads(options)):
    main(ending)
