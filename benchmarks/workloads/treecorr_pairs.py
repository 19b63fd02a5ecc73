"""Two-point correlations of a catalogue: long loops in C++, few calls into it (needs `treecorr`)."""

import sys

import numpy as np
import treecorr


def main(rounds):
    rng = np.random.default_rng(3)
    total = 0.0
    for _ in range(rounds):
        n = 4000
        x, y, g1, g2 = rng.random(n) * 100, rng.random(n) * 100, rng.normal(0, 0.05, n), rng.normal(0, 0.05, n)
        catalogue = treecorr.Catalog(x=x, y=y, g1=g1, g2=g2)
        gg = treecorr.GGCorrelation(min_sep=1, max_sep=50, nbins=20, num_threads=1)
        gg.process(catalogue)
        total += float(gg.npairs.sum())
    print("treecorr_pairs", f"{total:.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
