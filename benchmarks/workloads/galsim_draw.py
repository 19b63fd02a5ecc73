"""Galaxies drawn through pybind11 into C++."""

import sys
import zlib

import galsim


def draw(i):
    psf = galsim.Moffat(beta=2.5, fwhm=0.7 + 0.01 * (i % 10))
    galaxy = galsim.Sersic(n=1 + i % 4, half_light_radius=0.8, flux=1000.0).shear(g1=0.01 * (i % 5), g2=0.02)
    rng = galsim.BaseDeviate(1000 + i)
    image = galsim.Convolve([galaxy, psf]).drawImage(nx=48, ny=48, scale=0.2)
    image.addNoise(galsim.GaussianNoise(rng, sigma=0.3))
    if i % 5 == 0:
        galsim.hsm.FindAdaptiveMom(psf.drawImage(nx=32, ny=32, scale=0.2))
    return zlib.crc32(image.array.round(3).tobytes())


def main(rounds):
    total = 0
    for i in range(rounds):
        total = (total * 31 + draw(i)) % 1000003
    print("galsim_draw", total)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 250)
