"""Enforces the include rule of docs/architecture.md: a room is entered only through its door, room/room.h
(a few have a second one), and only by the rooms that may; inside aggregate/, who may know whom. Reads #include lines; the table below is all there is to edit.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"

# room or single file: the rooms whose doors it may open. "public" is csrc/include/rubinprof.
MAY_INCLUDE = {
    "base": [],
    "os": ["base"],
    "format": ["base"],
    "sink": ["format", "base"],
    "record": ["sink", "format", "base"],
    # The five that look at the program. Calls go from alloc down to frames, and from names to stack.
    "frames": ["record", "base"],
    "stack": ["frames", "record", "base"],
    "cpu": ["stack", "frames", "record", "base"],
    "alloc": ["cpu", "stack", "frames", "record", "base"],
    "names": ["stack", "record", "format", "base"],
    "session": ["alloc", "cpu", "stack", "frames", "names", "record", "sink", "base"],
    "reader": ["os", "format", "base", "public"],
    "native": ["reader", "base"],
    "aggregate": ["native", "reader", "os", "base"],
    "index": ["aggregate", "reader", "os", "base"],
    "report": ["index", "aggregate", "native", "reader", "os", "base", "public"],
    "ext/capture_module.c": ["session", "frames", "base"],  # of frames only rp_program_run and rp_turns_set_variable: the session is in between for the rest
    "ext/bundle_parts.c": ["names", "record", "format", "base"],
    "ext/wrappers.c": ["session", "base"],
    "ext/analyze_module.c": ["public"],
    "ext/analyzer_text.c": ["public"],
    "ext": ["public"],
    "tool": ["os", "public"],
    "include": ["public"],
}

# Inside a room: the headers of the same room that a file (X.c and X.h together) may include, beside its own and the room's door. Who is not named may
# include any but those of MAY_BE_INCLUDED_BY. aggregate/ is a star: the replay drives, what it drives and what is filled know no one else.
INSIDE = {
    "aggregate": {
        # what is filled
        "weight": [],
        "bounds": [],
        "call_tree": [],
        "site": ["weight"],
        "kin": ["call_tree"],
        "stack_tree": ["call_tree"],
        "apart": [],
        "range_set": [],
        "heap_table": [],
        "region_leak": ["site"],
        "window": ["apart", "site"],
        # what fills it
        "thread_time": ["call_tree"],
        "sample": ["call_tree", "site"],
        "helper_thread": ["call_tree"],
        "memory": ["site", "window", "apart", "heap_table", "range_set", "region_leak"],
        "region_span": ["window", "site"],
        "timeline": ["call_tree", "grade", "site"],
        "interval": ["timeline"],
        "unit": ["call_tree", "site"],
        "flow": [],
    },
}
MAY_BE_INCLUDED_BY = {
    "aggregate/replay.h": ["replay", "replay_told", "replay_python", "replay_region", "replay_bin", "resolve"],
}

# Doors beside room.h: what only some of those who enter need, or what drags in headers of the system or of CPython.
MORE_DOORS = {
    "format": ["symbol_table.h"],
    "reader": ["bundle.h"],
    "names": ["symbol_file.h"],
    "record": ["known_names.h"],
    "frames": ["pyframe.h"],
    "stack": ["arch.h", "elf_walk.h"],
}

# Public headers that a room may include although it has no "public" above.
PUBLIC_HEADERS = {"base": ["rubinprof/rp_error.h"]}

# A system header, by the beginning of its name: the only rooms that may use it.
SYSTEM_HEADERS = {
    "Python.h": ["frames", "alloc", "ext"],
    "internal/pycore": ["frames"],
    "link.h": ["stack", "names"],
    "elf.h": ["stack"],
    "gelf.h": ["names"],
    "libelf.h": ["names"],
    "elfutils/": ["names"],
    "dwarf.h": ["names"],
    "liburing": ["sink"],
    "lz4": ["format"],
    "zstd": ["format", "index"],
    "pthread.h": ["os", "sink", "record", "frames", "stack", "alloc", "cpu", "names", "session"],
    "windows.h": ["os"],
}

# Which system this is, is asked in these rooms only.
SYSTEM_QUESTION = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*\b(_WIN32|_MSC_VER|__APPLE__)\b")
MAY_ASK_FOR_SYSTEM = ["os"]

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def room_of(path: Path) -> str:
    return path.relative_to(CSRC).parts[0]


def rule_for(path: Path):
    name = path.relative_to(CSRC).as_posix()
    return MAY_INCLUDE.get(name, MAY_INCLUDE.get(room_of(path)))


def resolve(name: str, user: Path):
    """The file of this tree that the include line means, or None."""
    for directory in (user.parent, CSRC, CSRC / "include"):
        if (found := (directory / name).resolve()).is_file() and CSRC in found.parents:
            return found
    return None


def complaint_inside(target: Path, user: Path, own: str):
    """Why this file may not include that one of its own room, or None when it may."""
    if CSRC not in user.parents or target.stem == user.stem or target.name == f"{own}.h":
        return None
    header = target.relative_to(CSRC).as_posix()
    if (few := MAY_BE_INCLUDED_BY.get(header)) and user.stem not in few:
        return f"{header} is for {', '.join(few)}"
    allowed = INSIDE.get(own, {}).get(user.stem)
    return None if allowed is None or target.stem in allowed else f"{user.stem} may not know {target.stem} (INSIDE in ci/check_layers.py)"


def complaint(name: str, quoted: bool, user: Path, own: str, allowed):
    """Why room `own` with the doors `allowed` may not include this, or None when it may."""
    target = resolve(name, user) if quoted or name.startswith("rubinprof/") else None
    if target is None:
        beside_a_test = CSRC not in user.parents and any((d / name).is_file() for d in (user.parent, *user.parent.parents))
        if quoted and not beside_a_test:
            return f'"{name}" is not a file of csrc/; system headers stand in <>'
        for beginning, rooms in SYSTEM_HEADERS.items():
            if name.startswith(beginning) and own not in rooms:
                return f"<{name}> belongs to {' and '.join(rooms)}"
        return None
    room = room_of(target)
    if room == own:
        return complaint_inside(target, user, own)
    if room == "include":
        public = target.relative_to(CSRC / "include").as_posix()
        return None if "public" in allowed or public in PUBLIC_HEADERS.get(own, []) else f"{own} may not use {public}"
    if room not in allowed:
        return f"{own} may not include {room}"
    if target.name != f"{room}.h" and target.name not in MORE_DOORS.get(room, []):
        return f"{room} is entered through {room}/{room}.h, not {target.name}"
    return None


def lines_of(path: Path):
    return enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)


def check_file(path: Path, own: str, allowed):
    for number, line in lines_of(path):
        where = f"{path.relative_to(ROOT)}:{number}"
        if found := INCLUDE.match(line):
            if why := complaint(found[2], found[1] == '"', path, own, allowed):
                yield f"{where}: {why}"
        if CSRC in path.parents and own not in MAY_ASK_FOR_SYSTEM and (asked := SYSTEM_QUESTION.match(line)):
            yield f"{where}: {asked[1]} is asked in {', '.join(MAY_ASK_FOR_SYSTEM)} only"


def findings():
    for path in sorted([*CSRC.rglob("*.c"), *CSRC.rglob("*.h")]):
        if (rule := rule_for(path)) is None:
            yield f"{path.relative_to(ROOT)}: the room {room_of(path)} is not in the table of ci/check_layers.py"
        else:
            yield from check_file(path, room_of(path), rule)
    yield from same_names()
    for path in sorted((ROOT / "tests" / "cunit").glob("*/*.[ch]")):
        # A unit test knows its own room, inside and out, and the doors that room knows.
        room = path.parent.name
        yield from check_file(path, room, [room, *MAY_INCLUDE.get(room, []), "base", "public"])


def same_names():
    """Names are unique in the whole tree, so that a file can be spoken of by its name alone."""
    seen = {}
    for path in sorted(CSRC.rglob("*.[ch]")):
        if (other := seen.setdefault(path.name, path)) != path:
            yield f"{path.relative_to(ROOT)}: {other.relative_to(ROOT)} has the same name"


def main():
    found = list(findings())
    print("\n".join(found) if found else "layers: every room is entered through its door")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
