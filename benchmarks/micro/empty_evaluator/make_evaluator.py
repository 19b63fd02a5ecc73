"""Compiles the evaluator that does nothing."""

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("empty_evaluator.c")


def make_evaluator(python, directory):
    """Compile it for a Python; return the library's path.

    Parameters
    ----------
    python : `str` or `pathlib.Path`
        The interpreter that is to load it.
    directory : `str` or `pathlib.Path`
        Where to put the library.
    """
    ask = "import sysconfig; print(sysconfig.get_paths()['include'])"
    include = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    library = Path(directory, "empty_evaluator.so")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", f"-I{include}", "-o", library, SOURCE], check=True)
    return library
