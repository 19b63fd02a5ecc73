"""What a start and a stop cost a process with 300 loaded libraries, symbols included.

    python benchmarks/micro/start_stop.py [--rounds 7] [--seconds 1] [--json]

Each round is a fresh process that imports galsim, treecorr, piff, astropy, scikit-learn and SciPy (pip install them), starts a tracer with
everything on, works in all of them for some time, and stops it. Printed are the middle and the spread of the wall time of the two calls, of
the time between them, and what was named.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

PACKAGES = ["numpy", "scipy.optimize", "scipy.ndimage", "scipy.interpolate", "scipy.stats", "galsim", "treecorr", "piff",
            "astropy.table", "astropy.wcs", "astropy.io.fits", "sklearn.ensemble", "sklearn.cluster"]  # fmt: skip


def work(seconds):
    """Call into every package, over and over: C, C++ and inlined code at some thousand addresses."""
    import galsim
    import numpy as np
    import scipy.ndimage
    import scipy.optimize
    import sklearn.cluster
    import treecorr
    from astropy.table import Table

    random = np.random.default_rng(1)
    end = time.monotonic() + seconds
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        rounds += 1
        x, y = random.uniform(0, 100, (2, 500))
        treecorr.NNCorrelation(min_sep=1, max_sep=50, nbins=10).process(treecorr.Catalog(x=x, y=y), num_threads=1)
        galaxy = galsim.Convolve(galsim.Sersic(n=2.5, half_light_radius=1), galsim.Moffat(beta=3, fwhm=0.7))
        image = galaxy.drawImage(nx=48, ny=48, scale=0.2)
        image.FindAdaptiveMom()
        scipy.ndimage.gaussian_filter(image.array, 2)
        scipy.optimize.minimize(lambda p: float((p**2).sum()), np.ones(4))
        sklearn.cluster.KMeans(3, n_init=1).fit(np.c_[x, y])
        Table({"x": x, "y": y}).group_by("x")
        np.linalg.svd(random.normal(size=(40, 40)))
        sorted(map(str, x))


def loaded_objects():
    """Count the shared objects of this process."""
    with open("/proc/self/maps") as maps:
        return len({line.split()[-1] for line in maps if ".so" in line and " r-xp " in line})


def one_round(path, seconds, options):
    """Start, work and stop once; return the figures."""
    for name in PACKAGES:
        __import__(name)
    import rubinprof

    work(0)  # what is imported and cached at a first call is not the tracer's cost
    tracker = rubinprof.Tracker(path, **options)
    times = [time.perf_counter()]
    tracker.__enter__()
    times.append(time.perf_counter())
    work(seconds)
    times.append(time.perf_counter())
    tracker.__exit__(None, None, None)
    times.append(time.perf_counter())
    start, run, stop = (b - a for a, b in zip(times, times[1:]))
    return {"start_ms": start * 1e3, "stop_ms": stop * 1e3, "both_ms": (start + stop) * 1e3, "run_s": run, "objects": loaded_objects()}


def main():
    """Parse the command line and run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--options", default="{}", help="JSON: keywords of the Tracker")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one_round(options.one, options.seconds, json.loads(options.options))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        for i in range(options.rounds):
            path = os.path.join(directory, f"{i}.rprof")
            command = [sys.executable, __file__, "--one", path, "--seconds", str(options.seconds), "--options", options.options]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            import rubinprof

            nodes = rubinprof.open(path).tree()["nodes"]
            rows[-1]["native_functions"] = len({n["function"] for n in nodes if n["kind"] == "native"})
            os.unlink(path)
    if options.json:
        print(json.dumps({"rounds": rows}))
        return
    for key in rows[0]:
        values = sorted(row[key] for row in rows)
        print(f"{key:>18}  {statistics.median(values):8.1f}   ({values[0]:.1f} to {values[-1]:.1f})")


if __name__ == "__main__":
    main()
