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
    for y, x in np.argwhere(image > 1000):
        around = image[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        image[y, x] = np.median(around)
    return image


def coadd(count):
    images = [mend(read(number)) for number in range(count)]
    return np.mean(images, axis=0)


if __name__ == "__main__":
    print(f"mean {coadd(int(sys.argv[1])).mean():.2f}")
