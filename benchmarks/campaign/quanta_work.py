"""Fifty quanta of three kinds, of some 40 ms each: what units.py traces."""

import json
import random
import re
import sys
import zlib

import rubinprof

rng = random.Random(int(sys.argv[1]))


def catalogue(n):
    return [{"id": i, "flux": rng.gauss(100, 10), "name": f"star-{i % 97}"} for i in range(n)]


def fit(values):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def isr(n):
    rows = catalogue(n)
    return fit([row["flux"] for row in rows]) + len(zlib.compress(json.dumps(rows).encode(), 6))


def match(n):
    text = " ".join(row["name"] for row in catalogue(n))
    return len(re.findall(r"star-(\d)\1", text)) + len(sorted(text.split(), key=lambda word: word[::-1]))


def coadd(n):
    image = [[rng.random() for _ in range(64)] for _ in range(n // 64)]
    return sum(fit(row) for row in image) + len(repr(image))


for i in range(50):
    task = (isr, match, coadd)[i % 3]
    with rubinprof.region(task.__name__, task=task.__name__, quantum_id=f"{sys.argv[1]}-{i}", run="u/bench", data_id=f"detector={i}, visit={sys.argv[1]}"):
        for _ in range(4):
            task(2000)
