"""Run a workflow script where nothing can be imported but the standard library, this project and one folder.

`python -I -S run_alone.py FOLDER SCRIPT`, with what Snakemake gives to the script as JSON on standard input. Pickles
are refused, read or written: Snakemake itself hands its object to a script by one, which is not needed here.
"""

import json
import pickle
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

PROJECT = Path(__file__).resolve().parents[2]


class Named(list):
    """Values of which some have names, as Snakemake gives inputs, outputs and the like."""

    def __init__(self, values: list[Any], names: dict[str, Any]) -> None:
        super().__init__(values)
        self.__dict__.update(names)

    def get(self, name: str, default: Any = None) -> Any:
        return self.__dict__.get(name, default)

    def items(self) -> Any:
        return self.__dict__.items()


def refuse_pickles() -> None:
    """Let every use of a pickle end the script, through the module or through its C classes."""
    dumps = pickle.dumps

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a pickle was read or written")

    def dumps_of_imports(*arguments: Any, **options: Any) -> bytes:
        # a mark of its own version, which goes nowhere
        if sys._getframe(1).f_globals["__name__"] == "jinja2.bccache":
            return dumps(*arguments, **options)
        refuse()

    def audit(event: str, _: object) -> None:
        if event == "pickle.find_class":
            refuse()

    class Pickler(pickle.Pickler):
        dump = refuse

    class Unpickler(pickle.Unpickler):
        load = refuse

    sys.addaudithook(audit)
    pickle.Pickler, pickle.Unpickler = Pickler, Unpickler  # type: ignore[misc]
    pickle.dump = pickle.load = pickle.loads = refuse
    pickle.dumps = dumps_of_imports


def snakemake_object(job: dict[str, Any]) -> SimpleNamespace:
    """What scripts call `snakemake`."""
    lists = {name: Named(**of) for name, of in job["lists"].items()}
    return SimpleNamespace(**lists, **job["plain"])


if __name__ == "__main__":
    folder, script = sys.argv[1:]
    sys.path = [path for path in sys.path if path != str(Path(__file__).parent)]
    sys.path += [folder, str(PROJECT)]
    job = json.load(sys.stdin)
    refuse_pickles()
    runpy.run_path(script, init_globals={"snakemake": snakemake_object(job)}, run_name="__main__")
