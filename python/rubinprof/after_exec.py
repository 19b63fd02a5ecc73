"""Goes on tracing when a traced program has replaced itself by another Python (os.exec*).

Called by ``rubinprof-exec.pth`` at interpreter start where the environment has the variable that `Tracker` leaves at an exec. The
program does not find it there.
"""

import os

VARIABLE = "RUBINPROF_EXEC"

__all__ = ["VARIABLE", "go_on"]


def go_on():
    """Trace this process into a file beside the one of its former image; lets no exception out."""
    words = os.environ.pop(VARIABLE, None)
    try:
        from rubinprof.tracker import Tracker

        Tracker._go_on_after_exec(words)
    except Exception:
        pass  # the image goes on untraced rather than fail where it would not have
