"""zig's C compiler: it builds for other systems and CPUs from here, with the glibc that is asked for."""

import os
from concurrent.futures import ThreadPoolExecutor

import cbuild
import csources
import environment
from environment import ROOT

FLAGS = [*csources.COMMON_FLAGS, *csources.WARNING_FLAGS, "-Werror"]
FLAGS += [f"-I{place}" for place in csources.INCLUDE_DIRS] + [f'-DRUBINPROF_VERSION="{csources.version()}"']


def program(python):
    """The command of zig, from PyPI, in an environment below build/."""
    return [str(environment.tools("zig-venv", python, "ziglang==0.15.1") / "python"), "-m", "ziglang"]


def cc(python):
    return [*program(python), "cc"]


def compile_whole(command, made):
    """The object, under its name once it is whole: a run that was stopped leaves no half one for the next."""
    part = made.with_suffix(".part")
    cbuild.run_tool([*command, "-o", part])
    part.replace(made)


def objects(command, sources, flags, home):
    """Objects of our sources below home, each made again where the source or a header is newer; the caller names another home for other flags."""
    newest_shared = max(os.path.getmtime(ROOT / path) for path in csources.headers())

    def compile_one(source):
        made = home / (source.replace("/", "-") + ".o")
        if not made.exists() or made.stat().st_mtime < max(newest_shared, os.path.getmtime(ROOT / source)):
            compile_whole([*command, *flags, "-c", ROOT / source], made)
        return made

    home.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, sources))


def foreign_objects(command, target, home, lz4, zstd):
    """LZ4 and zstd of these source folders, with flags of their own: their warnings are not ours."""
    made = []
    home.mkdir(parents=True, exist_ok=True)
    for path in [lz4 / "lz4.c", *(path for part in ("common", "compress", "decompress") for path in sorted((zstd / part).glob("*.c")))]:
        made.append(home / f"{path.stem}.o")
        if not made[-1].exists():
            # Their own word for what is visible goes before the compiler's.
            hidden = ["-fvisibility=hidden", *(f"-D{word}_VISIBLE=" for word in ("ZSTDLIB", "ZSTDERRORLIB")), "-DLZ4LIB_VISIBILITY="]
            hidden += ["-fPIC"] if "windows" not in target else []
            compile_whole([*command, "-target", target, "-O2", "-w", *hidden, "-DZSTD_DISABLE_ASM", f"-I{zstd}", "-c", path], made[-1])
    return made
