"""What one thread stores and another finds, without a lock: no order that C11 allows shows a fault, and a weaker one would."""

import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import c11  # noqa: E402

FILES = sorted(HERE.glob("*.litmus"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_order_shows_a_fault(path):
    said = list(c11.outcomes(c11.parse(path.read_text())))
    assert said and not any(said)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_checker_finds_the_fault_of_a_weaker_program(path):
    relaxed = re.sub(r"memory_order_\w+", "memory_order_relaxed", path.read_text())
    assert any(c11.outcomes(c11.parse(relaxed)))


# What the code did before: the checker has to say why it had to change.
BEFORE = [
    ("sync", "acq_rel", "release"),
    ("kept-place", "(block, 0, memory_order_release)", "(block, 0, memory_order_relaxed)"),
    ("live-buffer", "  atomic_thread_fence(memory_order_acquire);\n", ""),
    ("live-buffer-reused", "  atomic_thread_fence(memory_order_acquire);\n", ""),
]


@pytest.mark.parametrize(("name", "now", "before"), BEFORE, ids=[name for name, _, _ in BEFORE])
def test_what_was_too_weak_is_found(name, now, before):
    text = (HERE / f"{name}.litmus").read_text()
    assert now in text and any(c11.outcomes(c11.parse(text.replace(now, before))))


def program(exists, *threads):
    """Threads as lists of words: `x=1 order`, `x order`, `fence order`; a read's register is named after its place."""
    text = ["C known", "{ x = 0; y = 0; }"]
    for number, words in enumerate(threads):
        text.append(f"P{number} (atomic_int *x) {{")
        for register, word in enumerate(words):
            what, order = word.split()
            if what == "fence":
                text.append(f"  atomic_thread_fence(memory_order_{order});")
            elif "=" in what:
                text.append(f"  atomic_store_explicit({what[0]}, {what[2]}, memory_order_{order});")
            else:
                text.append(f"  int r{register} = atomic_load_explicit({what}, memory_order_{order});")
        text.append("}")
    return c11.parse("\n".join([*text, f"exists ({exists})"]))


def fences(order):
    return program("0:r2=0 /\\ 1:r2=0", ["x=1 relaxed", f"fence {order}", "y relaxed"], ["y=1 relaxed", f"fence {order}", "x relaxed"])


def four(write, read):
    readers = ["x " + read, "y " + read], ["y " + read, "x " + read]
    return program("2:r0=1 /\\ 2:r1=0 /\\ 3:r0=1 /\\ 3:r1=0", ["x=1 " + write], ["y=1 " + write], *readers)


def crossed(read, write):
    return program("0:r0=1 /\\ 1:r0=1", ["x " + read, "y=1 " + write], ["y " + read, "x=1 " + write])


@pytest.mark.parametrize(
    ("known", "is_allowed"),
    [
        (fences("seq_cst"), False), (fences("acq_rel"), True),
        (four("seq_cst", "seq_cst"), False), (four("release", "acquire"), True),
        (crossed("acquire", "release"), False), (crossed("relaxed", "relaxed"), True),
        (program("1:r0=2 /\\ 1:r1=1", ["x=1 relaxed", "x=2 relaxed"], ["x relaxed", "x relaxed"]), False),
    ],
    ids=["SB+sc", "SB+acq_rel", "IRIW+sc", "IRIW+acq", "LB+acq", "LB", "CoRR"],
)  # fmt: skip
def test_the_checker_says_of_known_programs_what_is_known(known, is_allowed):
    assert any(c11.outcomes(known)) is is_allowed
