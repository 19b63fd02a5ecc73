"""Quanta of real libraries, in one process: what spool.py traces and draws from.

    python -m rubinprof run -o X.rprof --cpu sampled --memory sampled benchmarks/campaign/real_quanta.py SEED (plain|dense) [killed]

Plain: fifty of three tasks, of some 40 ms, with few stacks. Dense: ten of three tasks, of one to three seconds, most with many more stacks than are kept of a quantum. All imports are in a region of their own,
so that what the process does is what its regions do.
"""

import os
import random
import signal
import sys

import rubinprof

SEED, KIND = int(sys.argv[1]), sys.argv[2]
rng = random.Random(SEED)

with rubinprof.region("imports", task="[imports]"):
    import ast
    import json
    import pathlib
    import re
    import zlib

    if KIND == "dense":
        import galsim

        SOURCES = [path.read_text() for path in sorted(pathlib.Path(ast.__file__).parent.glob("*.py")) if 4_000 < path.stat().st_size < 60_000]


def catalogue(n):
    return [{"id": i, "flux": rng.gauss(100, 10), "name": f"star-{i % 97}"} for i in range(n)]


def spread(values):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def isr(n):
    rows = catalogue(n)
    return spread([row["flux"] for row in rows]) + len(zlib.compress(json.dumps(rows).encode(), 6))


def match(n):
    text = " ".join(row["name"] for row in catalogue(n))
    return len(re.findall(r"star-(\d)\1", text)) + len(sorted(text.split(), key=lambda word: word[::-1]))


def coadd(n):
    image = [[rng.random() for _ in range(64)] for _ in range(n // 64)]
    return sum(spread(row) for row in image) + len(repr(image))


def deblend():
    """Walks trees: a stack of its own for nearly each sample."""
    return sum(len(ast.unparse(ast.parse(source))) for source in rng.sample(SOURCES, 3))


def calibrate():
    image = galsim.ImageF(64, 64, scale=0.2)
    for _ in range(12):
        psf = galsim.Kolmogorov(fwhm=rng.uniform(0.6, 0.9)).shear(g1=rng.uniform(-0.05, 0.05), g2=0.0)
        galaxy = rng.choice([galsim.Exponential(half_light_radius=0.5), galsim.Sersic(n=2.5, half_light_radius=0.6), galsim.Gaussian(sigma=0.4)])
        galsim.Convolve(psf, galaxy.withFlux(1e4)).drawImage(image)
        galsim.hsm.FindAdaptiveMom(image, strict=False)
    return float(image.array.sum())


def plain(task):
    for _ in range(4):
        task(2000)


def measure():
    """Some of everything."""
    return deblend() + calibrate() + sum(work(300) for work in (isr, match, coadd))


def dense(task):
    for _ in range(30):
        task()


QUANTA = 50 if KIND == "plain" else 10
for i in range(QUANTA):
    task = ((isr, match, coadd) if KIND == "plain" else (deblend, measure, calibrate))[i % 3]
    with rubinprof.region(task.__name__, task=task.__name__, quantum_id=f"{SEED}-{i}", run="u/bench", data_id=f"detector={i}, visit={SEED}"):
        (plain if KIND == "plain" else dense)(task)
        if i == QUANTA - 1 and "killed" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
