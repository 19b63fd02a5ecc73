"""The version: pyproject.toml and the C code have it from here."""

VERSION = "0.1.0.dev0"
