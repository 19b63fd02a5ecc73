"""Builds _capture (Linux only), _analyze and the program rubinprof-analyze (everywhere).

RUBINPROF_WITHOUT_CAPTURE=1 leaves _capture out on Linux too: what a laptop gets, for machines that only read traces. It is also left out
for a CPython newer than those whose insides are known; a build without the GIL is refused.

Metadata is in pyproject.toml; which sources make what is in ci/csources.py.
"""

import hashlib
import os
import shutil
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "ci"))
import csources  # noqa: E402

EXPORTS_MAP = "csrc/ext/exports.map"
PTHS = ["rubinprof-pipetask.pth", "rubinprof-exec.pth"]
TOOL_DIR = "rubinprof/_bin"
TOOL_SOURCE = "csrc/tool/rubinprof_analyze.c"
LIMITED_API, STABLE_TAG = "0x030B0000", "cp311"
IS_LINUX = sys.platform == "linux"
WITH_CAPTURE = IS_LINUX and os.environ.get("RUBINPROF_WITHOUT_CAPTURE") != "1"
IS_MSVC = sys.platform == "win32" and os.environ.get("MINGW_PREFIX") is None


def compile_flags():
    if IS_MSVC:
        return ["/std:c11", "/O2"]
    return csources.COMMON_FLAGS + csources.warning_flags()


def link_flags():
    if not IS_LINUX:
        return []
    # Written list of exports: nothing of ours, or of a static library, meets the traced program's symbols.
    return ["-Wl,--exclude-libs,ALL", f"-Wl,--version-script={EXPORTS_MAP}"]


def is_stable():
    """Whether one wheel is for this CPython and all newer ones: the half that reads traces asks for the stable ABI alone."""
    return not WITH_CAPTURE and sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")


def extension(name, sources, libraries, extra_flags=()):
    cflags, ldflags = csources.pkg_config(libraries)
    limited = [("Py_LIMITED_API", LIMITED_API)] if is_stable() else []
    return Extension(
        name,
        sources=sources,
        include_dirs=[str(d.relative_to(ROOT)) for d in csources.INCLUDE_DIRS],
        define_macros=[("RUBINPROF_VERSION", f'"{csources.version()}"'), *limited],
        extra_compile_args=[*compile_flags(), *extra_flags, *cflags],
        extra_link_args=[*link_flags(), *ldflags],
        depends=[*csources.headers(), EXPORTS_MAP],
        language="c",
        py_limited_api=is_stable(),
    )


def extensions():
    found = [
        extension(
            "rubinprof._analyze",
            csources.module_sources("_analyze"),
            csources.PORTABLE_LIBRARIES,
        )
    ]
    if WITH_CAPTURE:
        found.append(
            extension(
                "rubinprof._capture",
                csources.module_sources("_capture"),
                csources.CAPTURE_LIBRARIES,
                csources.CAPTURE_FLAGS,
            )
        )
    return found


class BuildExtensions(build_ext):
    """Compiles file by file on all cores, again only what changed, and adds rubinprof-analyze."""

    def build_extensions(self):
        super().build_extensions()
        if (ROOT / TOOL_SOURCE).exists():
            self._build_tool()

    def build_extension(self, ext):
        # The objects are made here; setuptools is left with linking them.
        sources, ext.sources = ext.sources, []
        ext.extra_objects = self._compile(ext, sources)
        ext.depends = [*ext.depends, *ext.extra_objects]
        try:
            super().build_extension(ext)
        finally:
            ext.sources = sources

    def _compile(self, ext, sources):
        """Objects of these sources, made with the flags of ext where they are not fresh."""
        flags = list(ext.extra_compile_args)
        # Flags are part of the directory name: an object made with other flags is never reused.
        key = hashlib.sha256(repr((flags, ext.define_macros, self.compiler.__dict__.get("compiler_so"))).encode())
        output_dir = os.path.join(self.build_temp, ext.name.rsplit(".", 1)[-1] + "-" + key.hexdigest()[:8])
        newest_shared = max(os.path.getmtime(p) for p in [*csources.headers(), "setup.py", "ci/csources.py"])

        for room in {os.path.dirname(source) for source in sources}:
            os.makedirs(os.path.join(output_dir, room), exist_ok=True)

        def compile_one(source):
            (obj,) = self.compiler.object_filenames([source], output_dir=output_dir)
            wanted_after = max(newest_shared, os.path.getmtime(source))
            if self.force or not os.path.exists(obj) or os.path.getmtime(obj) <= wanted_after:
                self.compiler.compile(
                    [source], output_dir, ext.define_macros, ext.include_dirs, extra_postargs=flags
                )
            return obj

        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            return list(pool.map(compile_one, sources))

    def _build_tool(self):
        analyze = next(e for e in self.extensions if e.name == "rubinprof._analyze")
        portable = [s for s in analyze.sources if not s.startswith("csrc/ext/")]
        _, ldflags = csources.pkg_config(csources.PORTABLE_LIBRARIES)
        self.compiler.link_executable(
            self._compile(analyze, [*portable, TOOL_SOURCE]),
            "rubinprof-analyze",
            output_dir=os.path.join(self.build_lib, TOOL_DIR),
            extra_postargs=ldflags,
        )

    def copy_extensions_to_source(self):
        """An editable install runs what lies in the source tree."""
        super().copy_extensions_to_source()
        for program in Path(self.build_lib, TOOL_DIR).glob("rubinprof-analyze*"):
            shutil.copy2(program, ROOT / "python" / TOOL_DIR)


class BuildPython(build_py):
    """Also puts the .pth files at the root of site-packages, where Python looks for them."""

    def run(self):
        super().run()
        if not self.editable_mode:
            os.makedirs(self.build_lib, exist_ok=True)
            for name in PTHS:
                shutil.copy2(ROOT / "python" / name, os.path.join(self.build_lib, name))


if WITH_CAPTURE:
    reason, is_too_new = csources.why_no_capture()
    if is_too_new:
        print(reason, file=sys.stderr)
        WITH_CAPTURE = False
    elif reason:
        sys.exit(reason)
try:
    options = {"bdist_wheel": {"py_limited_api": STABLE_TAG}} if is_stable() else {}
    setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExtensions, "build_py": BuildPython}, options=options)
except csources.MissingLibrary as missing:
    sys.exit(str(missing))
