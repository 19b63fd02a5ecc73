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


def test_an_exception_is_the_cells_own_and_the_trace_is_there(outputs):
    kinds = [out["output_type"] for out in outputs[4]]
    assert "ZeroDivisionError" in str(outputs[4]) and "execute_result" in kinds
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
