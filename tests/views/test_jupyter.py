"""A notebook, executed in a real kernel, and what its cells show."""

import base64
import gzip
import html
import json
import re
import shutil

import pytest

import rubinprof

pytestmark = pytest.mark.linux

CELLS = [
    "%load_ext rubinprof",
    "%%rubinprof --table -m peak --name result\ndef keep():\n    return bytearray(3_000_000)\nblock = keep()\nlen(block)",
    "print(result.trace.stats()['complete'], type(result).__name__)\n"
    "print([row['calls'] for row in result.trace.table() if row['function'] == 'keep'])",
    "%%rubinprof -m allocated\nblock = keep()",
    "%%rubinprof --table -o cell.rprof\n1 / 0",
    "%rubinprof --table -m peak block = keep()",
    "%%rubinprof --metric beauty\n1",
]
# What must stop the cells that follow, as it does without the magic; then the text that is shown.
FAILING = {
    "%%rubinprof --table\nraise ValueError('so')": "ValueError",
    "%%rubinprof --table\nimport sys\nsys.exit(3)": "SystemExit",
    "%%rubinprof --table\n1 +": "invalid syntax",
    "%%rubinprof -o /nonexistent/x.rprof\n1": "UsageError: rubinprof: /nonexistent/x.rprof cannot be created",
    "%%rubinprof --metric beauty\nran = True": "beauty",
    "%%rubinprof words\nran = True": "is no option",
    "%rubinprof --table 1 / 0": "ZeroDivisionError",
    "%%rubinprof --table\nawait asyncio.sleep(0)\n1 / 0": "ZeroDivisionError",
    "tracker = rubinprof.Tracker('own.rprof')\ntracker.start()\nget_ipython().run_line_magic('rubinprof', 'ran = True')": "traced already",
    "tracker.stop()\nassert not hasattr(__main__, 'ran')\nraise KeyError": "KeyError",
}
GOOD = [
    "import asyncio, rubinprof, __main__\n%load_ext rubinprof",
    "%%rubinprof --table --name result\nasync def later():\n    await asyncio.sleep(0)\n    return 'seven'\nawait later()",
    "print([row['calls'] for row in result.trace.table() if row['function'] == 'later'])",
    "place = 'of a name.rprof'\nbraces = '{place}'",
    '%%rubinprof --table -o "$place"\n"in {place} and $place"',
    '%rubinprof --table -o "of a line.rprof" print(\'{place} and $place\')',
    "%unload_ext rubinprof\nawait asyncio.sleep(0)",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Outputs by cell; one kernel for all."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    directory = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True)
    client.execute(cwd=str(directory))
    outputs = [cell.outputs for cell in notebook.cells]
    outputs.append(directory)
    return outputs


@pytest.fixture(scope="module")
def replies(tmp_path_factory):
    """(status, outputs) by cell; one kernel for all, asked cell by cell."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    directory = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in [*GOOD[:-1], *FAILING, GOOD[-1]]])
    statuses = {}

    def note(cell, cell_index, execute_reply):
        statuses[cell.source] = execute_reply["content"]["status"]

    client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True, on_cell_executed=note)
    client.execute(cwd=str(directory))
    replies = {cell.source: (statuses.get(cell.source), cell.outputs) for cell in notebook.cells}
    replies["directory"] = directory
    return replies


@pytest.mark.parametrize("cell", FAILING)
def test_a_cell_that_fails_stops_the_notebook(replies, cell):
    status, outputs = replies[cell]
    assert status == "error", outputs
    assert FAILING[cell] in re.sub(r"\x1b\[[0-9;]*m", "", str(outputs))
    assert sum(out["output_type"] == "error" for out in outputs) <= 1  # told once


def test_a_cell_that_awaits(replies):
    status, outputs = replies[GOOD[1]]
    assert status == "ok" and outputs[0]["data"]["text/plain"] == "'seven'" and "<table>" in outputs[1]["data"]["text/html"]
    assert replies[GOOD[2]][1][0]["text"] == "[2]\n"  # each turn of a coroutine is one
    assert replies[GOOD[-1]][0] == "ok"


def test_options_take_names_and_quotes_and_the_code_is_left_alone(replies):
    assert {"of a name.rprof", "of a line.rprof"} <= {path.name for path in replies["directory"].iterdir()}
    assert replies[GOOD[4]][1][0]["data"]["text/plain"] == "'in {place} and $place'"
    assert replies[GOOD[5]][1][0]["text"] == "{place} and $place\n"


def text_of(cell_outputs):
    return "\n".join(out.get("text", "") or out.get("data", {}).get("text/plain", "") for out in cell_outputs)


def test_the_result_of_the_cell_and_a_table(outputs):
    shown = outputs[1]
    assert shown[0]["data"]["text/plain"] == "3000000"  # the cell's own
    page = shown[1]["data"]["text/html"]
    assert "<table>" in page and "keep" in page and "<iframe" not in page
    assert re.search(r"peak [23]\.\d+ MiB", page)


def test_the_result_is_an_open_trace(outputs):
    assert outputs[2][0]["text"].split("\n")[:2] == ["True CellResult", "[1]"]


def test_a_flame_graph_in_a_frame(outputs):
    (shown,) = outputs[3]
    page = shown["data"]["text/html"]
    assert page.count("<iframe") == 1 and "Content-Security-Policy" in html.unescape(page)
    assert "keep" in shown["data"]["text/plain"]  # where no HTML is shown
    # The cell's own <module> is the root: "keep" is called by it, and it by nobody.
    packed = re.search(r'id="rp-data-flame">([^<]*)<', html.unescape(page))[1]
    flame = json.loads(gzip.decompress(base64.b64decode(packed)))
    name = lambda node: flame["strings"][flame["frames"]["name"][flame["nodes"]["frame"][node]]]
    parent = flame["nodes"]["parent"]
    assert (name(1), parent[1]) == ("<module>", 0) and "keep" in {name(i) for i in range(2, len(parent)) if parent[i] == 1}


def test_an_exception_is_the_cells_own_and_the_trace_is_there(outputs):
    kinds = [out["output_type"] for out in outputs[4]]
    assert "ZeroDivisionError" in str(outputs[4]) and kinds.index("display_data") < kinds.index("error")
    assert rubinprof.open(outputs[-1] / "cell.rprof").stats()["complete"]


def test_a_statement_and_bad_use(outputs):
    assert "keep" in outputs[5][-1]["data"]["text/html"]
    assert "beauty" in str(outputs[6])


@pytest.mark.browser
def test_the_frame_draws_itself(outputs, tmp_path, playwright):
    (shown,) = outputs[3]
    page_file = tmp_path / "page.html"
    page_file.write_text(f"<!doctype html><meta charset=utf-8><body>{shown['data']['text/html']}")
    program = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])))
    browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(page_file.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("canvas").first.wait_for(state="visible", timeout=60_000)
    page.screenshot(path=str(tmp_path / "jupyter.png"))
    packed = frame.locator("#rp-data-flame").text_content()
    browser.close()
    assert errors == []
    flame = json.loads(gzip.decompress(base64.b64decode(packed)))
    strings, frames, nodes = flame["strings"], flame["frames"], flame["nodes"]
    top = [strings[frames["name"][frame]] for frame, parent in zip(nodes["frame"], nodes["parent"], strict=True) if parent == 0]
    assert top[0] == "<module>"  # the cell, not the kernel
    assert all(parent < i for i, parent in enumerate(nodes["parent"]))
