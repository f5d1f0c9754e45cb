"""A copy of the project whose scripts run where nothing is installed but their rule's conda environment."""

import re
from functools import cache
from importlib.metadata import distributions, requires
from pathlib import Path
from sysconfig import get_path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from snake import ROOT, copy_project

RUNNER = Path(__file__).with_name("run_alone.py")
ON_PYPI = {"pytorch": "torch", "python-duckdb": "duckdb", "matplotlib-base": "matplotlib"}
# of the interpreter, not of what it can import
NOT_PACKAGES = ("python", "pip")

SCRIPT = """
import json
import subprocess
import sys
from pathlib import Path

lists = {{
    name: {{"values": list(entries), "names": dict(entries.items())}}
    for name in ("input", "output", "params", "wildcards", "resources", "log")
    for entries in [getattr(snakemake, name)]
}}
plain = {{"threads": snakemake.threads, "rule": snakemake.rule, "config": snakemake.config}}
subprocess.run(
    [sys.executable, "-I", "-S", {runner!r}, {folder!r}, {script!r}],
    input=json.dumps({{"lists": lists, "plain": plain}}, default=str), text=True, check=True,
)
Path({ran!r}).touch()
"""


def rules_of(path: Path) -> list[str]:
    """The text of each rule of a file, without the word `rule`."""
    return re.split(r"^ *rule[ :]", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


def scripts_of_environments() -> dict[str, set[str]]:
    """The scripts that run in each conda environment, by its name, as the rules say."""
    found: dict[str, set[str]] = {path.stem: set() for path in (ROOT / "envs").glob("*.yaml")}
    for path in (ROOT / "rules").glob("*.smk"):
        for rule in rules_of(path):
            environment = re.search(r"conda:\s+\"\.\./envs/(\w+)\.yaml\"", rule)
            script = re.search(r"script:\s+\"\.\./workflow_scripts/(\w+\.py)\"", rule)
            assert environment, rule
            assert script, rule
            found[environment[1]].add(script[1])
    return found


def packages(environment: str) -> set[str]:
    """The distributions that an environment names and, all the way down, those that they require."""
    entries = yaml.safe_load((ROOT / "envs" / f"{environment}.yaml").read_text(encoding="utf-8"))["dependencies"]
    of_pip = [name for entry in entries if isinstance(entry, dict) for name in entry["pip"]]
    of_conda = [entry.partition("=")[0] for entry in entries if isinstance(entry, str)]
    waiting = [Requirement(name).name for name in of_pip]
    waiting += [ON_PYPI.get(name, name) for name in of_conda if name not in NOT_PACKAGES]
    found: set[str] = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needed = map(Requirement, requires(name) or [])
            waiting += [need.name for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


@cache
def owners() -> dict[str, set[str]]:
    """The distributions that put something under each top-level name of site-packages."""
    found: dict[str, set[str]] = {}
    # not of sys.path: who imports setuptools adds packages of its own to it
    for installed in distributions(path=[get_path("purelib")]):
        lines = (installed.read_text("RECORD") or "").splitlines()
        for top in {line.split(",")[0].split("/")[0] for line in lines} - {"..", "__pycache__"}:
            found.setdefault(top, set()).add(canonicalize_name(installed.metadata["Name"]))
    return found


def install(environment: str, folder: Path) -> Path:
    """Fill `folder` with links to what the packages of an environment put into site-packages, and nothing else."""
    wanted = packages(environment)
    folder.mkdir(parents=True)
    for top, owning in owners().items():
        if owning & wanted:
            assert owning <= wanted, f"{top} is also of {owning - wanted}, which {environment} does not hold"
            (folder / top).symlink_to(Path(get_path("purelib"), top))
    return folder


def copy_with_scripts_alone(copy: Path, folders: dict[str, Path], ran: Path) -> None:
    """Copy the project; its scripts become calls of the real ones, each in the folder of its environment.

    `folders` has that of each environment. A script that ended well leaves a file of its name in `ran`.
    """
    copy_project(copy)
    ran.mkdir()
    for environment, scripts in scripts_of_environments().items():
        for script in scripts:
            paths = {
                "runner": str(RUNNER),
                "folder": str(folders[environment]),
                "script": str(ROOT / "workflow_scripts" / script),
                "ran": str(ran / script),
            }
            (copy / "workflow_scripts" / script).write_text(SCRIPT.format(**paths), encoding="utf-8")
