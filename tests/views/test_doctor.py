"""``rubinprof doctor``: a fallback is named with its reason."""

import json
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.linux


def test_without_sys_the_clock_says_why_it_falls_back():
    hide = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none /sys && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*hide, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no namespace of mounts")
    done = subprocess.run([*hide, sys.executable, "-m", "rubinprof", "doctor", "--json"], capture_output=True, text=True, check=False)
    (clock,) = [finding for finding in json.loads(done.stdout) if finding["what"] == "clock"]
    assert clock["works"] == "falls back" and "clocksource0/ cannot be read" in clock["detail"]
