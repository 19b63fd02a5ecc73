"""The analysis half as a wheel for macOS and Windows, one a system for CPython 3.11 and every newer one (the stable ABI), compiled by zig.

Each is opened: what it loads, what it shows, and what it asks of Python. No Mac is at hand: those for macOS are not run. The one of Windows is installed and asked
under Wine where that is here, by a CPython that Maven has, whose headers are used, too. That CPython comes without python3.dll, which on Windows is a list of
names and where they are; stand_in() makes one of the names that are asked for. abi3info says of each name that it is in the stable ABI: so the real one has it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cbuild
import cross
import csources
import debian_source
import environment
import fetch_python
import wheel_tree
import zig
from environment import ROOT

ABI = "0x030B0000"
HOME = ROOT / "build" / "wheels-reading"
# what Maven calls it -> target of zig, platform of the wheel, suffix of the module and of the program
SYSTEMS = {
    "macosx-arm64": ("aarch64-macos.11.0", "macosx_11_0_arm64", ".abi3.so", ""),
    "macosx-x86_64": ("x86_64-macos.11.0", "macosx_11_0_x86_64", ".abi3.so", ""),
    "windows-x86_64": ("x86_64-windows-gnu", "win_amd64", ".pyd", ".exe"),
}
# Every library that may be asked for is part of the system, or is Python.
MAY_LOAD = {
    "macosx": {"/usr/lib/libSystem.B.dylib"},
    "windows": {"python3.dll", "kernel32.dll", "ntdll.dll", "advapi32.dll"},
}
MAY_SHOW = {"PyInit__analyze", "main", "__dso_handle", "_mh_dylib_header", "_mh_execute_header"}
OPEN_MACOS = """
import sys
from macholib.MachO import MachO
from macholib.mach_o import LC_LOAD_DYLIB
for header in MachO(sys.argv[1]).headers:
    for command, _, data in header.commands:
        if command.cmd == LC_LOAD_DYLIB:
            print("loads", data.rstrip(b"\\0").decode())
from macholib.SymbolTable import SymbolTable
names = SymbolTable(MachO(sys.argv[1]))
for word, symbols in (("shows", names.extdefsyms), ("asks", names.undefsyms)):
    for symbol, name in symbols:
        print(word, name.decode().removeprefix("_"))
"""
OPEN_WINDOWS = """
import sys, pefile
program = pefile.PE(sys.argv[1])
for entry in program.DIRECTORY_ENTRY_IMPORT:
    print("loads", entry.dll.decode().lower())
    for symbol in entry.imports:
        print("asks", symbol.name.decode())
for symbol in getattr(program, "DIRECTORY_ENTRY_EXPORT", None) and program.DIRECTORY_ENTRY_EXPORT.symbols or []:
    print("shows", symbol.name.decode())
"""
STABLE_ABI = """
from abi3info import DATAS, FUNCTIONS
print(*(symbol.name for table in (DATAS, FUNCTIONS) for symbol, it in table.items() if (it.added.major, it.added.minor) <= (3, 11)))
"""


def main(dist):
    python = environment.pythons()[0]
    environment.system_deps("--python", python.path)
    tools, command = wheel_tree.tools(python), zig.program(python)
    with tempfile.TemporaryDirectory() as name:
        tree = wheel_tree.build(python, tools, Path(name), RUBINPROF_WITHOUT_CAPTURE="1")
        wheel_tree.add_licences(tree, ("lz4", "libzstd"))
        for system, (target, platform, *suffixes) in SYSTEMS.items():
            directory = Path(name) / system
            copy = shutil.copytree(tree, directory / tree.name)
            exchange(copy / "rubinprof", system, command, target, suffixes)
            asks = check(copy / "rubinprof" / f"_analyze{suffixes[0]}", system, tools)
            check(copy / "rubinprof" / "_bin" / f"rubinprof-analyze{suffixes[1]}", system, tools)
            made = wheel_tree.pack(copy, tools, directory / "packed", platform=platform)
            wheel = Path(shutil.move(made, dist / made.name))
            print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", flush=True)
            if system.startswith("windows"):
                try_it(wheel, system, tools, stand_in(command, asks, HOME / system))


def exchange(package, system, command, target, suffixes):
    """The module and the program of that system, instead of those of this machine."""
    for old in [*package.glob("_analyze*.so"), package / "_bin" / "rubinprof-analyze"]:
        old.unlink()
    home, windows = HOME / system, "windows" in target
    (include,) = [path.parent for path in fetch_python.unpack(system, HOME / f"cpython-{system}").glob("include/**/Python.h")]
    lz4, zstd = debian_source.fetch("lz4") / "lib", debian_source.fetch("libzstd") / "lib"
    compiler = [*command, "cc"]
    foreign = zig.foreign_objects(compiler, target, home / "foreign", lz4, zstd)
    flags = ["-target", target, *zig.FLAGS, *([] if windows else ["-fPIC"]), f"-DPy_LIMITED_API={ABI}", f"-I{lz4}", f"-I{zstd}", "-isystem", include]
    flags += ["-DMS_WIN64"] if windows else []  # pyconfig.h of Windows finds it out for Microsoft's compiler alone
    portable = csources.sources(csources.PORTABLE_ROOMS, "win32" if windows else "posix")
    objects = zig.objects(compiler, portable, flags, home / "objects")
    module = zig.objects(compiler, csources.ext_sources("_analyze"), flags, home / "objects")
    python = [stable_abi(command, module, home)] if windows else ["-Wl,-undefined,dynamic_lookup"]
    link = [*compiler, "-target", target, "-s"]
    cbuild.run_tool([*link, "-shared", "-o", package / f"_analyze{suffixes[0]}", *objects, *module, *foreign, *python])
    (tool,) = zig.objects(compiler, ["csrc/tool/rubinprof_analyze.c"], flags, home / "objects")
    cbuild.run_tool([*link, "-o", package / "_bin" / f"rubinprof-analyze{suffixes[1]}", *objects, tool, *foreign])
    for left in [*package.glob("*.pdb"), *package.glob("*.lib"), *package.glob("_bin/*.pdb")]:
        left.unlink()


def stable_abi(command, module, home):
    """A library of imports from python3.dll, of the names that the module asks for."""
    said = subprocess.run(["nm", "-u", *module], capture_output=True, text=True, check=True).stdout
    names = sorted({line.split()[-1].removeprefix("__imp_") for line in said.splitlines() if " U " in line and "Py" in line})
    definitions = home / "python3.def"
    data = ("_Struct", "PyExc_")  # variables, not functions
    lines = [name + (" DATA" if name.startswith(data) or name.endswith(data) else "") for name in names]
    definitions.write_text("LIBRARY python3.dll\nEXPORTS\n" + "\n".join(lines) + "\n")
    library = home / "python3.lib"
    cbuild.run_tool([*command, "dlltool", "-m", "i386:x86-64", "-D", "python3.dll", "-d", definitions, "-l", library])
    return library


def stand_in(command, names, home):
    """python3.dll as CPython's own is, of these names alone: each is found in the DLL of one version. For a trial, never for a wheel."""
    made, version = home / "python3.dll", fetch_python.MINOR.replace(".", "")
    empty, definitions = home / "empty.c", home / "forwards.def"
    empty.write_text("int rp_nothing;\n")
    definitions.write_text("LIBRARY python3.dll\nEXPORTS\n" + "".join(f"{name}=python{version}.{name}\n" for name in sorted(names)))
    cbuild.run_tool([*command, "cc", "-target", SYSTEMS["windows-x86_64"][0], "-c", empty, "-o", home / "empty.obj"])
    cbuild.run_tool([*command, "lld-link", "-dll", "-noentry", "-machine:x64", f"-def:{definitions}", f"-out:{made}", home / "empty.obj"])
    return made


def check(path, system, tools):
    """Exits with a sentence where it loads what is no part of the system, shows more than its one function, or asks Python for more than the stable ABI of
    CPython 3.11. The names that it asks of Python.
    """
    reader = OPEN_WINDOWS if system.startswith("windows") else OPEN_MACOS
    said = subprocess.run([tools / "python", "-c", reader, path], check=True, capture_output=True, text=True).stdout.split("\n")
    loads, shows, asks = ({line.split(" ", 1)[1] for line in said if line.startswith(word)} for word in ("loads ", "shows ", "asks "))
    asks = {name for name in asks if name.startswith(("Py", "_Py"))}
    foreign = {name for name in loads - MAY_LOAD[system.split("-")[0]] if not name.startswith("api-ms-win-crt-")}
    stable = subprocess.run([tools / "python", "-c", STABLE_ABI], check=True, capture_output=True, text=True).stdout.split()
    is_module = path.name.startswith("_analyze")
    if foreign or shows - MAY_SHOW or is_module != bool(asks) or (is_module and "PyInit__analyze" not in shows):
        sys.exit(f"{path.name} for {system} loads {sorted(foreign) or 'nothing foreign'}, shows {sorted(shows)} and asks for {len(asks)} names of Python")
    if unstable := asks.difference(stable):
        sys.exit(f"{path.name} for {system} asks for {sorted(unstable)}, which the stable ABI of CPython 3.11 does not have")
    said = f"; asks for {len(asks)} names of Python, all in the stable ABI of CPython 3.11" if asks else ""
    print(f"opened   {path.name} for {system}: loads {', '.join(sorted(loads))}{said}", flush=True)
    return asks


def try_it(wheel, system, tools, python3_dll):
    """Installed as pip would there; its reports of a trace under Wine, beside those of this machine."""
    if not shutil.which("wine") or not (ROOT / ".venv" / "bin" / "python").exists():
        print(f"not run  {wheel.name}: wine, or the .venv of make dev, is not here")
        return
    home = HOME / "installed"
    shutil.rmtree(home, ignore_errors=True)
    where = ["--platform", "win_amd64", "--python-version", fetch_python.MINOR, "--implementation", "cp", "--only-binary=:all:"]
    subprocess.run([tools / "pip", "install", "-q", "--no-deps", "--no-compile", *where, "--target", home, wheel], check=True)
    there = {**os.environ, "WINEDEBUG": "-all", "PYTHONPATH": str(home), "PYTHONUTF8": "1", "RUBINPROF_INDEX": "off", "WINEPREFIX": str(HOME / "wine")}
    cpython = fetch_python.unpack(system, HOME / f"cpython-{system}")
    shutil.copy2(python3_dll, cpython)
    emulated = ["wine", cpython / "python.exe", "-m", "rubinprof"]
    native = [ROOT / ".venv" / "bin" / "python", "-m", "rubinprof"]
    with tempfile.TemporaryDirectory() as directory:
        (trace, *_) = cross.make_traces(Path(directory))
        for report in (["stats"], ["table"], ["tree"], ["verify"]):
            said = [subprocess.run([*who, *report, "--json", trace], env=env, capture_output=True) for who, env in ((emulated, there), (native, os.environ))]
            words = [answer.stdout.replace(b"\r\n", b"\n") for answer in said]
            if words[0] != words[1] or said[0].returncode != said[1].returncode:
                sys.exit(f"{wheel.name}: {' '.join(report)} under Wine is not that of this machine: {said[0].stderr.decode(errors='replace')[-400:]}")
        refused = subprocess.run([*emulated, "run", "-c", "pass"], env=there, capture_output=True, text=True)
        if refused.returncode != 2 or "Traceback" in refused.stderr:
            sys.exit(f"{wheel.name}: run does not say in one sentence that it cannot trace: {refused.stderr}")
    print(f"run      {wheel.name} by CPython {fetch_python.MINOR} of Windows under Wine, with a python3.dll made here: 4 reports as here; run says: {refused.stderr.strip()}", flush=True)
