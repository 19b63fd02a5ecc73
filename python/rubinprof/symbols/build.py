"""Makes a bundle: of everything below some directories that runs as code."""

import contextlib
import hashlib
import multiprocessing
import os
import sys
import tokenize
import types
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from .bundle import TITLE, BundleError, put_file, table_files
from .tables import code_table, object_table

__all__ = ["build_bundle", "bundle_id"]

# As capture has them: longer files are not read.
SOURCE_BYTES_MAX = 512 << 10
ELF_MAGIC = b"\x7fELF"
CHUNK = 64


def bundle_id(directory):
    """What stands for all files of a bundle and what is in them."""
    whole = hashlib.sha256()
    for path in table_files(directory):
        whole.update(f"{path.relative_to(directory).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()[:32]


def build_bundle(prefixes, directory, jobs=None, tell=lambda done, of: None):
    """Make a bundle, or make it anew.

    Parameters
    ----------
    prefixes : `list` [`str`]
        Directories of the release, as its jobs name them.
    directory : `str` or `os.PathLike`
        Where it shall be.
    jobs : `int`, optional
        Processes that read files at the same time.
    tell : `~collections.abc.Callable`
        Called with the files done and their number.

    Returns
    -------
    counts : `dict`
        ``id``, and how many ``objects``, ``codes`` and ``files`` are in it.
    """
    directory = Path(directory)
    prefixes = [os.path.abspath(prefix) for prefix in prefixes]
    for prefix in prefixes:
        if not os.path.isdir(prefix):
            raise BundleError(f"{prefix} is no directory")
    try:
        return _build(prefixes, directory, jobs, tell)
    except OSError as error:
        raise BundleError(f"the bundle cannot be written: {error}") from error


def _build(prefixes, directory, jobs, tell):
    (directory / "bundle").unlink(missing_ok=True)  # until all is there it is none
    sources, objects = _files_of(prefixes)
    roots = _roots(prefixes, sources)
    work = [(path, roots) for path in sources]
    codes, files, kept, done, of = [], [], set(), 0, len(sources) + len(objects)
    with _pool(jobs) as run:
        for found, file in run(_codes_of, work, CHUNK):
            codes += found
            files += [file] if file else []
            done += 1
            if done % CHUNK == 0:
                tell(done, of)
        for name, content in run(_object_of, objects, 4):
            done += 1
            tell(done, of)
            if name and name not in kept:
                kept.add(name)
                put_file(directory / name, content)
    codes += _frozen_codes()
    for old in directory.glob("native/*/*.rpsym"):
        if old.relative_to(directory).as_posix() not in kept:
            old.unlink()
    put_file(directory / "code.rpsym", code_table(codes, files))
    identity = bundle_id(directory)
    put_file(directory / "bundle", f"{TITLE}\nid {identity}\n".encode())
    return {"id": identity, "objects": len(kept), "codes": len(codes), "files": len(files)}


@contextlib.contextmanager
def _pool(jobs):
    """A function like `map`, over so many processes."""
    if jobs == 1:
        yield lambda do, work, _chunk: map(do, work)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda do, work, chunk: pool.map(do, work, chunksize=chunk)


def _files_of(prefixes):
    """Python sources, and files that may be objects, each once."""
    sources, objects, seen = [], [], set()
    for prefix in prefixes:
        for top, directories, names in os.walk(prefix):
            directories[:] = sorted(name for name in directories if name != "__pycache__")
            for name in sorted(names):
                path = os.path.join(top, name)
                if name.endswith(".py"):
                    sources.append(path)
                elif ".so" in name or "." not in name:
                    real = os.path.realpath(path)
                    if real not in seen and _is_object(real):
                        seen.add(real)
                        objects.append(real)
    return sources, objects


def _is_object(path):
    try:
        with open(path, "rb") as file:
            return file.read(4) == ELF_MAGIC
    except OSError:
        return False


def _roots(prefixes, sources):
    """Directories that modules are named from: what would be on sys.path."""
    tails = (f"lib/python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages", "dist-packages", "python")
    found = {os.path.dirname(path) for path in sources}
    above = {parent for directory in found for parent in _parents(directory, prefixes)}
    return sorted((d for d in above if d.endswith(tuple("/" + tail for tail in tails)) or d in prefixes), key=len, reverse=True)


def _parents(directory, prefixes):
    while True:
        yield directory
        if directory in prefixes or os.path.dirname(directory) == directory:
            return
        directory = os.path.dirname(directory)


def _module_of(path, roots):
    for root in roots:
        if path.startswith(root + os.sep):
            parts = path[len(root) + 1 : -len(".py")].split(os.sep)
            return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Path(path).stem


def _codes_of(work):
    """Code objects of a source file, and what the file is."""
    path, roots = work
    try:
        status = os.stat(path)
        with open(path, "rb") as file:
            content = file.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a release's own
            code = compile(content, path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return [], None
    from rubinprof import _capture

    module = _module_of(path, roots)
    file = (path, status.st_size, status.st_mtime_ns, _capture.crc32c(content)) if status.st_size <= SOURCE_BYTES_MAX else None
    return [(c.co_qualname, path, module, c.co_firstlineno, c.co_flags) for c in _nested(code)], file


def _nested(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)


def _frozen_codes():
    """Code of the modules that are part of the interpreter."""
    import _imp

    found = []
    for name in getattr(_imp, "_frozen_module_names", lambda: [])():
        try:
            code = _imp.get_frozen_object(name)
        except ImportError:
            continue
        found += [(c.co_qualname, c.co_filename, name, c.co_firstlineno, c.co_flags) for c in _nested(code)]
    return found


def _object_of(path):
    """Name and content of an object's table; `None` for one without a build id."""
    from rubinprof import _capture

    found = _capture.object_functions(path)
    if found is None:
        return None, None
    build_id = found[0].hex()
    return f"native/{build_id[:2]}/{build_id[2:]}.rpsym", object_table(found[1])
