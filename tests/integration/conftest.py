import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # import-mode=importlib does not, and the tests share both_ways and traced_program

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """The directory of libhelper.so, libplugin.so and libopenmp.so."""
    directory = tmp_path_factory.mktemp("libraries")
    for name, source, more in (("helper", "helper.c", []), ("plugin", "plugin.c", []), ("openmp", "plugin.c", ["-fopenmp"])):
        command = ["cc", "-shared", "-fPIC", "-O1", "-g", *more, "-o", f"lib{name}.so", PROGRAMS / source, "-lpthread", "-lrt"]
        subprocess.run(command, cwd=directory, check=True)
    return directory
