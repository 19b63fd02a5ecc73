"""Runs a suite with an evaluator (PEP 523) that does nothing but call CPython's own: under_empty_evaluator.py LIBRARY -m MODULE|FILE ARGUMENTS...

What fails here too fails by the evaluator, not by what rubinprof does in it.
"""

import importlib.util
import os
import runpy
import sys


def main(library, *words):
    spec = importlib.util.spec_from_file_location("empty_evaluator", library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    is_module = words[0] == "-m"
    name, *sys.argv[1:] = words[1:] if is_module else words
    sys.path[0] = os.getcwd() if is_module else os.path.dirname(os.path.abspath(name))
    module.install()
    if is_module:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(name, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
