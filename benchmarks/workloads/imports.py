"""Imports what a science task imports, some 300 shared objects, and ends."""

import importlib
import sys

MODULES = "numpy scipy.optimize scipy.stats scipy.signal scipy.ndimage galsim treecorr piff astropy.table sklearn.linear_model pyarrow".split()


def main():
    there = []
    for name in MODULES:
        try:
            importlib.import_module(name)
            there.append(name)
        except ImportError:
            continue
    with open("/proc/self/maps") as maps:
        objects = {line.split()[-1] for line in maps if ".so" in line}
    print("imports", len(there), "shared objects:", len(objects) // 50 * 50, "or more")


if __name__ == "__main__":
    sys.exit(main())
