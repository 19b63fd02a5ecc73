"""A PSF fitted to drawn stars: NumPy, SciPy and GalSim in one (needs `piff`)."""

import sys

import galsim
import piff


def stars(n):
    drawn = []
    for i in range(n):
        psf = galsim.Moffat(beta=3.0, fwhm=0.8 + 0.002 * i, flux=5000.0)
        image = psf.drawImage(nx=25, ny=25, scale=0.26)
        image.addNoise(galsim.GaussianNoise(galsim.BaseDeviate(50 + i), sigma=0.5))
        weight = galsim.ImageD(image.array * 0 + 4.0)
        data = piff.StarData(image, image.true_center, weight=weight)
        drawn.append(piff.Star(data, None))
    return drawn


def main(rounds):
    total = 0.0
    for _ in range(rounds):
        model = piff.GSObjectModel(galsim.Moffat(beta=3.0, half_light_radius=1.0), fastfit=True)
        fitted = [model.fit(model.initialize(star)) for star in stars(20)]
        total += sum(float(star.fit.params[0]) for star in fitted)
    print("piff_fit", f"{total:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
