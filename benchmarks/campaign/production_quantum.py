"""One quantum as long as those of production: what its trace takes.

    python -m rubinprof run -o X.rprof --cpu sampled --memory sampled --bytes 16k benchmarks/campaign/production_quantum.py 146

So many CPU seconds in one region, by turns in NumPy, galsim, treecorr, scipy and CPython's parser. The last has a stack of its own for nearly each sample, and memory that grows while the quantum runs. All
imports are inside, as a task's are.
"""

import sys
import time

import rubinprof

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 146.0

with rubinprof.region("isr", task="isr", quantum_id="production", run="u/bench", data_id="detector=1, visit=1"):
    import ast
    import json
    import pathlib
    import random
    import zlib

    import galsim
    import numpy as np
    import treecorr
    from scipy import ndimage, optimize

    rng = random.Random(1)
    noise = np.random.default_rng(1)
    SOURCES = [path.read_text() for path in sorted(pathlib.Path(ast.__file__).parent.glob("*.py")) if 4_000 < path.stat().st_size < 60_000]
    kept = []

    def detrend():
        image = noise.normal(100.0, 3.0, (512, 512))
        flat = ndimage.gaussian_filter(image, 8)
        return float(np.median(ndimage.median_filter(image / flat, 3)))

    def detect():
        labels, count = ndimage.label(ndimage.gaussian_filter(noise.normal(size=(512, 512)), 2) > 0.2)
        return count + float(ndimage.sum_labels(np.ones_like(labels), labels, range(1, min(count, 50))).sum())

    def psf():
        image = galsim.ImageF(64, 64, scale=0.2)
        for _ in range(5):
            one = galsim.Kolmogorov(fwhm=rng.uniform(0.6, 0.9)).shear(g1=rng.uniform(-0.05, 0.05), g2=0.0)
            galsim.Convolve(one, rng.choice([galsim.Exponential(half_light_radius=0.5), galsim.Sersic(n=2.5, half_light_radius=0.6)]).withFlux(1e4)).drawImage(image)
            galsim.hsm.FindAdaptiveMom(image, strict=False)
        kept.append(image)
        return float(image.array.sum())

    def correlate():
        x, y = noise.uniform(0, 100, (2, 4000))
        pairs = treecorr.NNCorrelation(min_sep=1, max_sep=50, nbins=12, num_threads=1)
        pairs.process(treecorr.Catalog(x=x, y=y))
        return float(pairs.npairs.sum())

    def fit():
        x = np.linspace(0, 1, 200)
        y = np.exp(-((x - 0.4) ** 2) / 0.02) + noise.normal(0, 0.05, 200)
        return float(optimize.curve_fit(lambda t, a, b, c: a * np.exp(-((t - b) ** 2) / c**2), x, y, p0=[0.8, 0.5, 0.2])[0].sum())

    def deblend():
        return sum(len(ast.unparse(ast.parse(source))) for source in rng.sample(SOURCES, 2))

    def catalogue():
        rows = [{"id": i, "flux": rng.gauss(100, 10), "name": f"star-{i % 97}"} for i in range(4000)]
        kept.append(rows if len(kept) % 7 == 0 else None)
        return len(zlib.compress(json.dumps(rows).encode(), 6))

    total = 0.0
    while time.process_time() < SECONDS:
        total += sum(work() for work in (detrend, detect, psf, correlate, fit, deblend, catalogue))
print("production_quantum", bool(total), len(kept))
