"""Waiting for what another process does."""

import time

PATIENCE_S = 60


def wait_for(what):
    """What a function returns once that is true; TimeoutError after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.1)
    raise TimeoutError(what)
