"""Gives plain ``pipetask`` its option when it imports its commands.

Armed by ``rubinprof-pipetask.pth`` at interpreter start, and only in a
process whose command line or environment names pipetask. Imports nothing of
``lsst`` by itself, prints nothing and lets no exception out: a user who did
not ask for rubinprof must not be able to tell that it is installed.
"""

import importlib.util
import sys

__all__ = ["arm"]

COMMANDS = "lsst.ctrl.mpexec.cli.cmd"


def arm():
    """Watch for the import of pipetask's commands."""
    if COMMANDS not in sys.modules:
        sys.meta_path.insert(0, CommandsFinder())


class CommandsFinder:
    """Finds one module through all other finders and extends it once loaded."""

    def find_spec(self, name, path=None, target=None):
        """Return the spec of pipetask's commands; nothing for other modules."""
        if name != COMMANDS:
            return None
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
        spec = importlib.util.find_spec(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = ExtendingLoader(spec.loader)
        return spec


class ExtendingLoader:
    """Loads a module through its own loader, then adds the option.

    Parameters
    ----------
    loader : `importlib.abc.Loader`
        The module's own loader.
    """

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        """Leave the making of the module to its own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module):
        """Run the module, as itself, and extend its commands."""
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        try:
            from .option import add_options

            add_options(module)
        except Exception:
            # Without the option pipetask says "No such option: --rubinprof", which is true.
            pass
