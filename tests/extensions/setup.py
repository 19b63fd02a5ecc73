"""Builds the extensions in place of --build-lib; see build.py."""

import pybind11
from setuptools import Extension, setup

FLAGS = ["-g", "-O2", "-fno-optimize-sibling-calls"]

setup(
    name="rubinprof-counted",
    ext_modules=[
        Extension("counted_c", ["counted_c.c"], extra_compile_args=FLAGS),
        *(
            Extension(
                name,
                [f"{name}.cpp"],
                include_dirs=[pybind11.get_include()],
                extra_compile_args=[*FLAGS, "-std=c++17"],
                language="c++",
            )
            for name in ("counted_cpp", "timed_cpp")
        ),
    ],
)
