"""The include table: calls between the rooms that look at the program go one way, and their system headers are theirs alone."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ci"))
import check_layers  # noqa: E402

DOWN = ["alloc", "cpu", "stack", "frames"]


@pytest.mark.parametrize("room", [*DOWN, "names"])
def test_a_call_against_the_direction_is_a_finding(room):
    user = check_layers.CSRC / room / f"{room}.c"
    allowed = check_layers.MAY_INCLUDE[room]
    above = {"names": ["alloc", "cpu", "frames"]}.get(room, ["names", *DOWN[: DOWN.index(room) if room in DOWN else 0]])
    for other in above:
        assert check_layers.complaint(f"{other}/{other}.h", True, user, room, allowed) == f"{room} may not include {other}"


def test_a_door_beside_the_door_is_named():
    user = check_layers.CSRC / "alloc" / "alloc_hook.c"
    allowed = check_layers.MAY_INCLUDE["alloc"]
    assert check_layers.complaint("stack/elf_walk.h", True, user, "alloc", allowed) is None
    assert "entered through" in check_layers.complaint("stack/cfi.h", True, user, "alloc", allowed)


@pytest.mark.parametrize("header", ["elfutils/libdw.h", "libelf.h", "gelf.h", "dwarf.h"])
def test_names_alone_uses_libdw(header):
    for room in check_layers.MAY_INCLUDE:
        said = check_layers.complaint(header, False, check_layers.CSRC / room / "any.c", room, [])
        assert (said is None) == (room == "names")


def test_the_picture_has_every_room_of_probes_in_the_order_of_calls():
    (picture,) = (part for part in (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("```") if "alloc ──" in part)
    places = [picture.index(f"{room} ") for room in DOWN[:-1]] + [picture.index("► frames")]
    assert places == sorted(places)
    assert "names" in picture
