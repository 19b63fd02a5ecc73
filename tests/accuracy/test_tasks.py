"""asyncio: the time of a task stands below the tasks that await it, where that was asked for."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.linux
knows_tasks = pytest.mark.skipif(sys.version_info < (3, 14), reason="CPython knows who awaits a task from 3.14 on")

SETUP = """\
import asyncio, time

def burns(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

async def leaf(seconds):
    await asyncio.sleep(0)
    burns(seconds)

async def child(seconds):
    await leaf(seconds)

async def gathers():
    await asyncio.gather(child(0.2), child(0.1))

async def awaits_a_task():
    await asyncio.create_task(leaf(0.2))

async def has_a_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(child(0.2))

async def waits_for(task):
    await task

async def both_wait():
    shared = asyncio.create_task(leaf(0.2))
    await asyncio.gather(waits_for(shared), waits_for(shared))

async def deep(n):
    if n:
        await asyncio.create_task(deep(n - 1))
    else:
        await asyncio.sleep(0)
        burns(0.1)

async def nested():
    await gathers()

async def main():
    await nested()
    await awaits_a_task()
    await has_a_group()
    await both_wait()
    await deep(3)
    await deep(100)
    burns(0.1)
"""
LOOP = ["<module>", "run", "Runner.run", "BaseEventLoop.run_until_complete", "BaseEventLoop.run_forever", "BaseEventLoop._run_once", "Handle._run"]
# By the functions between the loop and the work.
SECONDS = {
    ("main", "nested", "gathers", "child", "leaf"): 0.3,
    ("main", "awaits_a_task", "leaf"): 0.2,
    ("main", "has_a_group", "TaskGroup.__aexit__", "TaskGroup._aexit", "child", "leaf"): 0.2,
    ("leaf",): 0.2,  # two wait for it: there is no one path
    ("main", "deep", "deep", "deep", "deep"): 0.1,
    ("deep",) * 33: 0.1,  # 32 tasks are looked at, and the one that runs
    ("main",): 0.1,
}


@knows_tasks
def test_time_of_a_task_is_below_those_that_await_it(run_traced):
    traced = run_traced("asyncio.run(main())", setup=SETUP, cpu="sampled", memory="sampled", sample_hz=1000, tasks=True)
    nodes = traced.trace.tree()["nodes"]
    seconds = {}
    for node in nodes:
        if node["function"] != "burns":
            continue
        path, at = [], node
        while (at := nodes[at["parent"]])["parent"] >= 0:
            path.insert(0, at["function"])
        assert path[: len(LOOP)] == LOOP
        inner = tuple(path[len(LOOP) :])
        seconds[inner] = seconds.get(inner, 0) + node["total"]["cpu_s"]
    assert {path: pytest.approx(wanted, abs=0.06) for path, wanted in SECONDS.items()} == seconds, seconds
    assert traced.stats["meta"]["mode.tasks"] == "1"

    # They stand at the line of their await.
    rows = traced.trace.table(by="line")
    awaits = {n + 1 for n, line in enumerate(SETUP.splitlines()) if "await asyncio.gather(child" in line}
    lines = {row["line"] - 2 for row in rows if row["function"] == "gathers" and row["total_cpu_s"] > 0.2}
    assert lines == awaits


@knows_tasks
def test_without_the_word_the_stack_is_what_python_has(run_traced):
    traced = run_traced("asyncio.run(main())", setup=SETUP, cpu="sampled", memory="sampled", sample_hz=1000)
    nodes = traced.trace.tree()["nodes"]
    assert {nodes[node["parent"]]["function"] for node in nodes if node["function"] == "child"} == {"Handle._run"}
    assert "mode.tasks" not in traced.stats["meta"]


@knows_tasks
def test_offsets_are_those_that_asyncio_publishes():
    import _asyncio

    offsets = struct.unpack_from("<7Q", section(getattr(_asyncio, "__file__", None) or sys.executable, ".AsyncioDebug"))
    assert offsets == (168, 136, 96, 108, 109, 128, 152)  # of the task: size, name, awaited_by, is_task, awaited_by_is_set, coro, node
    assert _asyncio.Future.__basicsize__ == 112


def section(path, wanted):
    elf = Path(path).resolve().read_bytes()
    (headers,) = struct.unpack_from("<Q", elf, 40)
    size, count, names_at = struct.unpack_from("<HHH", elf, 58)
    sections = [struct.unpack_from("<IIQQQQ", elf, headers + i * size) for i in range(count)]
    names = sections[names_at][4]
    for name, _, _, _, offset, length in sections:
        begin = names + name
        if elf[begin : elf.index(b"\0", begin)].decode() == wanted:
            return elf[offset : offset + length]
    raise AssertionError(f"{path} has no section {wanted}")


def run_cli(*words):
    command = [sys.executable, "-m", "rubinprof", "run", *words, "-c", "pass"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONHASHSEED": "0"})


@pytest.mark.parametrize("words", [(), ("--cpu", "sampled"), ("--cpu", "sampled", "--memory", "sampled")])
def test_where_tasks_cannot_be_followed_one_sentence_says_so(tmp_path, words):
    possible = words[2:] and sys.version_info >= (3, 14)
    done = run_cli("--tasks", *words, "-o", str(tmp_path / "t.rprof"))
    if possible:
        assert (done.returncode, done.stderr) == (0, "")
        return
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and not list(tmp_path.iterdir())
    assert ("3.14" if words[2:] else "--cpu sampled") in done.stderr
