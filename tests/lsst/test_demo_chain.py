"""A quantum of the demo, seen from ``runQuantum`` down to a C++ function of GalSim with file and line."""

import sys

import pytest

import rubinprof
from pipeline_run import DEMO, FRONT_END, made_once, must_call, quantum_regions

pytestmark = [pytest.mark.lsst, pytest.mark.linux]

STARS = 100
CHAIN = ["DrawStarsTask.runQuantum", "DrawStarsTask.run", "DrawStarsTask.draw_star", "GSObject.drawImage"]


@pytest.fixture(scope="module")
def traces(pipeline):
    """One traced ``drawStars`` quantum, run by a worker."""
    directory = pipeline.directory / "demo"
    with made_once(directory) as missing:
        if missing:
            must_call([sys.executable, DEMO / "make_repo.py", directory / "repo", "--stars", STARS], directory)
            command = [*FRONT_END, "run", "-b", directory / "repo", "-i", "demo/inputs", "--output-run", "demo/run"]
            command += ["-p", f"{DEMO / 'pipeline.yaml'}#drawStars", "--register-dataset-types", "-j", "2"]
            command += ["-d", "instrument='DemoCamera' AND exposure=1001 AND detector=0"]
            must_call([*command, "--rubinprof", directory / "traces"], directory)
    return directory / "traces"


def test_chain_from_run_quantum_to_cpp(traces):
    """The chain is there, and its C++ has CPU time and allocations."""
    nodes = rubinprof.open(traces).tree(region="drawStars")["nodes"]
    found = [node for node in nodes if is_galsim_cpp(node)]
    assert any(is_subsequence(CHAIN, chain_above(nodes, node)) for node in found)
    assert max(node["total"]["cpu_s"] for node in found) > 0
    assert max(node["total"]["allocations"] for node in found) >= STARS


def test_quantum_is_measured(traces):
    [row] = quantum_regions(traces)
    assert row["labels"]["status"] == "done"
    assert row["labels"]["data_id"] == "instrument=DemoCamera, detector=0, exposure=1001"
    dimensions = {"instrument": "DemoCamera", "detector": "0", "exposure": "1001", "band": "r", "physical_filter": "demo_r"}
    assert dimensions.items() <= row["labels"].items()
    assert 0 < row["cpu_s"] <= row["wall_s"]
    assert row["peak_above_start_bytes"] > 1024 * 1024 * 4  # at least the image, of 4-byte pixels


def is_galsim_cpp(node):
    """Whether a node of the tree is a C++ function of GalSim whose place is known."""
    return (
        node["kind"] == "native"
        and "galsim::" in (node["function"] or "")
        and (node["file"] or "").endswith((".cpp", ".h"))
        and (node["line"] or 0) > 0
    )


def chain_above(nodes, node):
    """Return the functions from the root down to a node."""
    chain = [node["function"]]
    while node["parent"] >= 0:
        node = nodes[node["parent"]]
        chain.append(node["function"])
    return chain[::-1]


def is_subsequence(wanted, chain):
    """Whether all of ``wanted`` stand in ``chain``, in this order."""
    rest = iter(chain)
    return all(name in rest for name in wanted)
