"""A parent and CHILDREN forked ones; each opens a region and does STEPS times its number of steps. Words: CHILDREN STEPS."""

import os
import sys

import rubinprof

kept = []


def work(n):
    with rubinprof.region("work", part=n):
        for i in range(steps * n):
            kept.append(bytearray(100 * n))
            sorted(range(n * 20))


children, steps = map(int, sys.argv[1:])
for n in range(1, children + 1):
    if not os.fork():
        work(n)
        sys.exit(0)
for n in range(children):
    os.wait()
work(9)
