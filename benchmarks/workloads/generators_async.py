"""Generators, delegation to sub-generators, and coroutines on an event loop."""

import asyncio
import sys


def numbers(n):
    for i in range(n):
        yield i


def evens(n):
    yield from (i for i in numbers(n) if not i & 1)


async def leaf(i):
    if i % 64 == 0:
        await asyncio.sleep(0)
    return i & 7


async def branch(n):
    total = 0
    for i in range(n):
        total += await leaf(i)
    return total


async def tree(width):
    return sum(await asyncio.gather(*(branch(100) for _ in range(width))))


def main(rounds):
    total = 0
    for _ in range(rounds):
        total = (total * 31 + sum(evens(4000)) + asyncio.run(tree(40))) % 1000003
    print("generators_async", total)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
