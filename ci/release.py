"""`make release`: dist/ as a release uploads it, every part of it built, checked and used. `--trial` passes over what only a release has.

1. The version is that of a release, CHANGELOG.md has its section, and the recipe of conda-forge says the same version.
2. The source archive. It is installed from where there is no git, and a program is traced with it.
3. The wheels of `make wheels`, also for aarch64, macOS and Windows: what they ask for, what they show, a traced program in an empty environment where one can be had.
4. `twine check --strict` reads what a package index reads.
5. rattler-build reads ci/conda/recipe.yaml and renders it for each platform.

Nothing is signed, tagged or uploaded: CONTRIBUTING.md says how a person does these.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cbuild
import csources
import debian_source
import environment
import fetch_python
import wheels
from environment import ROOT

RECIPE = ROOT / "ci" / "conda" / "recipe.yaml"
TOOLS = ["build", "twine", "py-rattler-build"]
RENDER = """
import sys
import rattler_build as conda
recipe = conda.Stage0Recipe.from_file(sys.argv[1])
pythons = {"python": sys.argv[2:], "c_stdlib": ["sysroot"], "c_stdlib_version": ["2.34"]}
for platform in ("linux-64", "linux-aarch64", "osx-arm64"):
    places = conda.PlatformConfig(target_platform=platform, build_platform="linux-64", host_platform=platform)
    made = recipe.render(conda.VariantConfig(pythons), conda.RenderConfig(platform=places))
    assert len(made) == len(sys.argv) - 2, (platform, made)
    host = sorted(str(need) for need in made[0].recipe.requirements.host)
    assert ("elfutils" in host) == platform.startswith("linux"), (platform, host)
    print(f"recipe for {platform}: {', '.join(host)}")
"""


def main(words):
    trial = "--trial" in words
    version = csources.version()
    if not trial:
        check_version(version)
    python = environment.pythons()[0]
    tools = environment.tools("release-tools", python, *TOOLS)
    wheels.main(wheels.MAKERS)  # empties dist first
    archive = source_archive(tools)
    with tempfile.TemporaryDirectory() as directory:
        wheels.try_it(archive, python, Path(directory))
    parts = sorted((ROOT / "dist").iterdir())
    subprocess.run([tools / "twine", "check", "--strict", *parts], check=True)
    subprocess.run([tools / "python", "-c", RENDER, RECIPE, *(p.minor for p in environment.pythons())], check=True)
    print(f"\nrubinprof {version}{' (trial)' if trial else ''}: " + ", ".join(part.name for part in parts))
    return 0


def check_version(version):
    """Exits with a sentence where the tree is not that of a release."""
    if "dev" in version:
        sys.exit(f"{version} is no version of a release: change python/rubinprof/version.py, or try with make release ARGS=--trial")
    if f"\n## {version} " not in (ROOT / "CHANGELOG.md").read_text():
        sys.exit(f"CHANGELOG.md has no section '## {version} (date)'")
    if f'version: "{version}"' not in RECIPE.read_text():
        sys.exit(f"{RECIPE.relative_to(ROOT)} has another version than {version}")


def source_archive(tools):
    """Made from a copy that git does not know; what it lacks, the build of try_it misses."""
    with tempfile.TemporaryDirectory() as directory:
        tree = environment.copy_of_product(Path(directory) / "tree")
        for name in ("MANIFEST.in", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile"):
            shutil.copy2(ROOT / name, tree / name)
        shutil.copytree(ROOT / "ci", tree / "ci", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run([tools / "python", "-m", "build", "--sdist", "-o", ROOT / "dist", tree], check=True, stdout=subprocess.DEVNULL)
    (archive,) = (ROOT / "dist").glob("*.tar.gz")
    print(f"{archive.name}: {archive.stat().st_size / 1e6:.1f} MB", flush=True)
    return archive


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (cbuild.BuildError, debian_source.NoSource, fetch_python.NoPython) as error:
        sys.exit(str(error))
