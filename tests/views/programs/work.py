"""Known calls and allocations, in known functions: what the views are held against."""

import sys
import threading

import rubinprof

FACTOR = int(sys.argv[1]) if len(sys.argv) > 1 else 1
kept = []


def fit(n):
    total = 0
    for i in range(n * 1000):
        total += i * i
    return total


def keep(bytes_each):
    kept.append(bytearray(bytes_each))


def pass_by(n):
    for _ in range(n):
        bytearray(50_000)


def recurse(n):
    if n:
        recurse(n - 1)


def visit():
    for _ in range(10 * FACTOR):
        fit(3)
    keep(1_000_000 * FACTOR)
    pass_by(20)
    recurse(20)


def main():
    for detector in range(3):
        with rubinprof.region("visit", detector=detector):
            visit()
    thread = threading.Thread(target=fit, args=(30,), name="worker")
    thread.start()
    thread.join()


main()
