"""Which C sources make which product, and the flags they are built with.

setup.py, the C unit tests and every script in ci/ ask here, so that a new .c file is picked up
by all of them without an edit, and a new room needs one word in the lists below.
"""

import ast
import os
import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"

# What looks at the program: each with a contract of its own, at the top of its door.
PROBE_ROOMS = ["frames", "stack", "alloc", "cpu", "names"]
CAPTURE_ROOMS = ["base", "format", "record", *PROBE_ROOMS, "sink", "session"]
PORTABLE_ROOMS = ["base", "os", "format", "reader", "native", "aggregate", "index", "report"]
# extension module -> its rooms, and its files in csrc/ext
MODULES = {
    "_capture": (CAPTURE_ROOMS, ["capture_module", "wrappers", "bundle_parts"]),
    "_analyze": (PORTABLE_ROOMS, ["analyze_module", "analyzer_text"]),
}
# Rooms of the capture half that have no Python.h inside.
PYTHONLESS_CAPTURE_ROOMS = ["record", "sink"]

CAPTURE_LIBRARIES = ["liblz4", "libzstd", "liburing", "libdw", "libelf"]
PORTABLE_LIBRARIES = ["liblz4", "libzstd"]

MATH = [] if sys.platform == "win32" else ["-lm"]

INCLUDE_DIRS = [CSRC, CSRC / "include"]
COMMON_FLAGS = ["-std=gnu11", "-O2", "-g", "-fvisibility=hidden"]
WARNING_FLAGS = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]
# pthread_cancel and foreign C++ exceptions pass through our hooks: their frames need unwind tables.
CAPTURE_FLAGS = ["-fexceptions"]


def _is_for(path: Path, platform: str) -> bool:
    """False for a file behind os.h that belongs to another system."""
    if path.name == "os_windows.c":
        return platform == "win32"
    if path.name == "os_posix.c":
        return platform != "win32"
    return True


def sources(rooms, platform=sys.platform):
    """All translation units of these rooms for a system (in the words of sys.platform), as paths relative to the repository."""
    found = []
    for room in rooms:
        found += sorted(p for p in (CSRC / room).glob("*.c") if _is_for(p, platform))
    return [str(p.relative_to(ROOT)) for p in found]


def module_sources(module, platform=sys.platform):
    """What _capture or _analyze, the two extension modules, are made of."""
    return sources(MODULES[module][0], platform) + ext_sources(module)


def ext_sources(module):
    """Its files in csrc/ext."""
    return [f"csrc/ext/{name}.c" for name in MODULES[module][1]]


def pythonless_probes():
    """Sources of the rooms that look at the program, but for those that need CPython's headers."""
    needs_python = re.compile(r'#include (<Python\.h>|"frames/pyframe\.h")')
    paths = sources([room for room in PROBE_ROOMS if room != "frames"])
    return [path for path in paths if not needs_python.search((ROOT / path).read_text(encoding="utf-8"))]


def headers():
    """Everything a translation unit may include."""
    return sorted(str(p.relative_to(ROOT)) for p in CSRC.rglob("*.h"))


def warning_flags():
    werror = ["-Werror"] if os.environ.get("RUBINPROF_WERROR") == "1" else []
    return WARNING_FLAGS + werror


def _constant(name):
    """What version.py, which need not be importable yet, calls so."""
    text = (ROOT / "python" / "rubinprof" / "version.py").read_text(encoding="utf-8")
    return ast.literal_eval(re.search(rf"^{name} = (.+)", text, re.M).group(1))


def version() -> str:
    return _constant("VERSION")


class MissingLibrary(Exception):
    """A library that pkg-config does not know; str() is a sentence for people."""


def pkg_config(libraries):
    """(compile flags, link flags) of these libraries.

    Where there is no pkg-config (a Mac or Windows laptop), only LZ4 and zstd are needed. They are taken
    from the compiler's own search path, or from RUBINPROF_LZ4_CFLAGS and RUBINPROF_LZ4_LIBS, RUBINPROF_ZSTD_CFLAGS and _LIBS.
    """
    cflags, ldflags = [], []
    for library in libraries:
        word = "RUBINPROF_" + library.removeprefix("lib").upper()
        if library in PORTABLE_LIBRARIES and f"{word}_LIBS" in os.environ:
            cflags += os.environ.get(f"{word}_CFLAGS", "").split()
            ldflags += os.environ[f"{word}_LIBS"].split()
            continue
        try:
            cflags += _pkg_config_query("--cflags", library)
            ldflags += _pkg_config_query("--libs", library)
        except (OSError, subprocess.CalledProcessError):
            if library in PORTABLE_LIBRARIES and sys.platform != "linux":
                name = library.removeprefix("lib")
                ldflags += [f"{name}.lib" if sys.platform == "win32" else f"-l{name}"]
                continue
            raise MissingLibrary(
                f"rubinprof needs the development files of {library} and pkg-config to build: "
                "run ci/system_deps.sh, or install them with your package manager."
            ) from None
    return list(dict.fromkeys(cflags)), list(dict.fromkeys(ldflags + MATH))


def _pkg_config_query(question, library):
    command = [os.environ.get("PKG_CONFIG", "pkg-config"), question, library]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def why_no_capture():
    """Why _capture cannot be built for this Python, as a sentence, and whether it is only too new; (`None`, False) where it can be built."""
    python = f"{platform.python_implementation()} {sys.version_info[0]}.{sys.version_info[1]}"
    known, is_cpython = _constant("TRACED_PYTHONS"), sys.implementation.name == "cpython"
    without_gil = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    if is_cpython and not without_gil and sys.version_info[:2] in known:
        return None, False
    traced = ", ".join("%d.%d" % version for version in known)
    if is_cpython and not without_gil and sys.version_info[:2] > max(known):
        return f"rubinprof cannot trace {python} yet, only CPython {traced}: it is installed without its tracing half, and reads traces.", True
    return (
        f"rubinprof traces CPython {traced}, not {python}{' without the GIL' if without_gil else ''}; to read traces here, install the other half alone: "
        "RUBINPROF_WITHOUT_CAPTURE=1 pip install ..."
    ), False
