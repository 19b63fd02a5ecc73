"""Adds exposures up to one image, without their cosmic rays."""

import sys

import numpy as np

SIZE = 1000


def read(number):
    random = np.random.default_rng(number)
    image = random.normal(100, 3, (SIZE, SIZE))
    image[random.integers(SIZE, size=3000), random.integers(SIZE, size=3000)] = 60_000
    return image


def mend(image):
    image[image > 1000] = np.median(image[::8, ::8])
    return image


def coadd(count):
    total = np.zeros((SIZE, SIZE))
    for number in range(count):
        total += mend(read(number))
    return total / count


if __name__ == "__main__":
    print(f"mean {coadd(int(sys.argv[1])).mean():.2f}")
