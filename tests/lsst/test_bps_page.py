"""What docs/guide/bps.md says of BPS's yaml, asked of BPS itself."""

import pytest

from pipeline_run import ROOT

pytestmark = pytest.mark.lsst

PAGE = ROOT / "docs" / "guide" / "bps.md"
OPTION = "--rubinprof {submitPath}/rubinprof --rubinprof-mode sampled"
WORDS = {
    "wmsServiceClass": "lsst.ctrl.bps.BaseWmsService",
    "butlerConfig": "repo", "qgraphNodeId": "1", "submitPath": "/submit", "qgraphFile": "run.qg",
    "pipetask": {"fgcmFitCycle": {"extraRunQuantumOptions": "--cores-per-quantum 4"}},
}  # fmt: skip


def block(first_line):
    """The block of yaml on the page that begins with a line."""
    [found] = [text for text in PAGE.read_text().split("```yaml\n") if text.startswith(first_line)]
    return found.partition("```")[0]


def command(tmp_path, text):
    """The command of fgcmFitCycle, which has options of its own, in a run with this yaml."""
    import yaml
    from lsst.ctrl import bps

    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(WORDS | yaml.safe_load(text)))
    config = bps.BpsConfig(str(path), defaults=bps.BPS_DEFAULTS)
    return config.search("runQuantumCommand", opt={"curvals": {"curr_pipetask": "fgcmFitCycle"}})[1].split()


def test_the_command_on_the_page_keeps_the_options_of_a_task(tmp_path):
    words = command(tmp_path, block("runQuantumCommand"))
    expected = OPTION.replace("{submitPath}", "/submit").split()
    at = words.index("--rubinprof")
    assert words[at : at + len(expected)] == expected
    assert words[-2:] == ["--cores-per-quantum", "4"]
    own = command(tmp_path, "operator: me")
    assert (words[:at] + words[at + len(expected) :])[1:] == own[1:] and own[0].endswith("pipetask")  # no more than BPS's own


def test_options_of_a_task_replace_those_of_the_run(tmp_path):
    """When this fails, BPS has changed, and the page can say that one line is enough."""
    assert "--rubinprof" not in command(tmp_path, f'extraRunQuantumOptions: "{OPTION}"')
