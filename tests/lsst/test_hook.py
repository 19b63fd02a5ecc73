"""The ``.pth`` file beside rubinprof: plain ``pipetask`` has the flag, other programs notice nothing."""

import sys
import sysconfig
from pathlib import Path

import pytest

from pipeline_run import PIPETASK, ROOT, call, must_call

pytestmark = [pytest.mark.lsst, pytest.mark.linux]

PTH = Path(sysconfig.get_path("purelib")) / "rubinprof-pipetask.pth"
needs_pth = pytest.mark.skipif(not PTH.exists(), reason="an editable install does not bring the .pth file")
PRINT_STATE = "import sys; print([m for m in sys.modules if 'rubinprof' in m], [type(f).__name__ for f in sys.meta_path])"


@needs_pth
@pytest.mark.parametrize("command", ["run", "run-qbb"])
def test_plain_pipetask_has_the_option(command, tmp_path):
    assert "--rubinprof DIR" in must_call([*PIPETASK, command, "--help"], tmp_path)


@needs_pth
def test_other_programs_import_nothing_of_rubinprof(tmp_path):
    output = must_call([sys.executable, "-c", PRINT_STATE], tmp_path)
    assert output.startswith("[] ")
    assert "CommandsFinder" not in output


@needs_pth
def test_the_hook_waits_without_loading_the_middleware(tmp_path):
    program = tmp_path / "pipetask"
    program.write_text("import sys; print('lsst' in sys.modules, type(sys.meta_path[0]).__name__)")
    assert must_call([sys.executable, program], tmp_path) == "False CommandsFinder\n"


@needs_pth
def test_the_hook_leaves_the_commands_as_they_were(tmp_path):
    program = tmp_path / "pipetask"
    program.write_text(
        "import sys\n"
        "from lsst.ctrl.mpexec.cli import cmd\n"
        "print(type(cmd.__loader__).__name__, type(cmd.__spec__.loader).__name__, bool(cmd.__path__))\n"
        "print([type(f).__name__ for f in sys.meta_path].count('CommandsFinder'))\n"
    )
    output = must_call([sys.executable, "-W", "ignore", program], tmp_path)
    assert output == "SourceFileLoader SourceFileLoader True\n0\n"


@pytest.mark.parametrize("fault", ["raise RuntimeError('broken')", "import no_such_module", "def"])
def test_a_broken_rubinprof_breaks_nothing(fault, tmp_path):
    package = tmp_path / "rubinprof"
    package.mkdir()
    (package / "__init__.py").write_text(fault)
    run_line = f"import sys; sys.orig_argv.append('pipetask'); exec({pth_line()!r}); print('alive', len(sys.meta_path))"
    output = must_call([sys.executable, "-c", run_line], tmp_path, PYTHONPATH=str(tmp_path))
    assert output == f"alive {finders_of_a_plain_python(tmp_path)}\n"


@needs_pth
def test_a_rubinprof_that_is_gone_leaves_pipetask_silent(tmp_path):
    package = tmp_path / "rubinprof"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('half uninstalled')")
    code, output = call([*PIPETASK, "run", "--rubinprof", "x"], tmp_path, PYTHONPATH=str(tmp_path))
    assert code == 2
    assert "No such option" in output
    assert "half uninstalled" not in output


def pth_line():
    [line] = (ROOT / "python" / "rubinprof-pipetask.pth").read_text().splitlines()
    return line


def finders_of_a_plain_python(cwd):
    return int(must_call([sys.executable, "-c", "import sys; print(len(sys.meta_path))"], cwd))
