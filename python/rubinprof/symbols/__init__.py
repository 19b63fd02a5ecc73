"""Symbol bundles: the names of a release, made once, so that the traces of its jobs need not carry them (docs/symbol-bundles.md)."""

from .build import build_bundle
from .bundle import BundleError, open_bundle

__all__ = ["BundleError", "build_bundle", "open_bundle"]
