"""The version: pyproject.toml and the C code have it from here."""

VERSION = "0.1.0"

# The insides of these are known (csrc/frames/pyframe_3xx.h), of builds with the GIL.
TRACED_PYTHONS = [(3, 11), (3, 12), (3, 13), (3, 14), (3, 15)]
