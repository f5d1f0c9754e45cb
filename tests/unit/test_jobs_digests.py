"""A digest follows imports: what a script or a method can run counts, and nothing else."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import semid
from semid.jobs.digests import code_digest, reached_modules
from semid.methods import CLASSES, Method

ROOT = Path(semid.__file__).parents[1]
SCRIPTS = sorted((ROOT / "workflow_scripts").glob("*.py"))

PROJECT = {
    "shop/__init__.py": '"""A shop."""\n\n__version__ = "1"\n',
    "shop/errors.py": "class ShopError(ValueError):\n    pass\n",
    "shop/settings/__init__.py": "from shop import unreached\n",
    "shop/unreached.py": "answer = 1\n",
    # only re-exports
    "shop/stock/__init__.py": (
        '"""Goods."""\n\n'
        "from typing import TYPE_CHECKING\n\n"
        "from shop.stock.count import count_goods\n"
        "from shop.stock.order import order_goods\n\n"
        "if TYPE_CHECKING:\n"
        "    from shop.stock.lazy import lazy_goods as late_goods\n\n"
        '__all__ = ["count_goods", "late_goods", "order_goods"]\n\n\n'
        "def __getattr__(name: str):\n"
        "    from shop.methods import METHODS\n\n"
        "    return METHODS[name]\n"
    ),
    "shop/stock/count.py": (
        "from ..errors import ShopError\nfrom .deep import depth\n\n\ndef count_goods():\n    return depth\n"
    ),
    "shop/stock/deep.py": "depth = 1\n",
    "shop/stock/lazy.py": "def lazy_goods():\n    return 2\n",
    "shop/stock/order.py": "def order_goods():\n    return 3\n",
    "shop/shelves/__init__.py": "from . import top\nfrom .. import errors as faults\n",
    "shop/shelves/top.py": "height = 4\n",
    # has code of its own
    "shop/tills/__init__.py": "from shop.tills.cash import coins\n\ndrawer = [coins]\n",
    "shop/tills/cash.py": "coins = 5\n",
    "shop/tills/card.py": "limit = 6\n",
    # a registry and what it names
    "shop/methods.py": (
        "from shop.unreached import answer\n\n"
        "__affects_results__ = False\n"
        'METHODS = {"a": "shop.kinds.a:A", "b": "shop.kinds.b:B"}\n'
    ),
    "shop/kinds/__init__.py": "",
    "shop/kinds/a.py": "from shop.kinds.base import Base\n\n\nclass A(Base):\n    pass\n",
    "shop/kinds/b.py": "from shop.kinds.base import Base\n\n\nclass B(Base):\n    pass\n",
    "shop/kinds/base.py": "class Base:\n    pass\n",
    # imports on use
    "shop/lazily/__init__.py": (
        "from shop.registries import load\n\n"
        '_PUBLIC = {"order_goods": "shop.stock.order:order_goods", "A": "shop.kinds.a:A"}\n'
        "__all__ = sorted(_PUBLIC)\n\n\n"
        "def __getattr__(name: str):\n    return load(_PUBLIC[name])\n"
    ),
    "shop/registries.py": "def load(name):\n    return name\n",
    # loads all that it names
    "shop/loading.py": (
        '_LOADED = ("shop.stock.order:order_goods", "shop.errors:ShopError")\nnames = ("shop.left:side",)\n'
    ),
    # reads a file that it names
    "shop/words/__init__.py": "",
    "shop/words/signs.py": '_DATA_FILES = ("signs.toml",)\n',
    "shop/words/signs.toml": 'open = ["Welcome"]\n',
    "shop/words/other.toml": "",
    # a circle
    "shop/left.py": "import shop.right\n\n\nside = 1\n",
    "shop/right.py": "def other():\n    import shop.left as left\n\n    return left.side\n",
    # whatever may change without another result
    "shop/prose.py": (
        '"""A module."""\n\n'
        "import json\nimport math\nfrom typing import Annotated\n\n"
        "from annotated_types import doc\n\n\n"
        "class Options:\n"
        '    """A class."""\n\n'
        '    width: Annotated[int, doc("Width.")] = 3\n\n'
        "    def area(self):\n"
        '        """A function."""\n'
        "        return self.width * math.pi  # half of it\n\n\n"
        "def name_of(value):\n"
        "    match value:\n"
        "        case None:\n"
        "            return {**Options.names}\n"
    ),
}

Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes the project, each time to another folder, with a script of this text and files replaced."""
    made: list[Path] = []

    def write(script: str = "", **changes: tuple[str, str]) -> Path:
        root = tmp_path / f"project {len(made)}"
        made.append(root)
        for name, text in PROJECT.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for name, (before, after) in changes.items():
            file = root / "shop" / f"{name.replace('__', '/')}.py"
            assert before in file.read_text()
            file.write_text(file.read_text().replace(before, after))
        (root / "script.py").write_text(script)
        return root

    return write


def digest(root: Path, *implementations: str) -> str:
    return code_digest(root / "script.py", *implementations, package=root / "shop")


def reached(root: Path, *implementations: str) -> list[str]:
    return reached_modules(root / "script.py", *implementations, package=root / "shop")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# half of it", "# all of it"),
        ("math.pi  # half of it\n", "math.pi\n\n\n"),
        ('"""A module."""', '"""Something else."""'),
        ('"""A module."""\n\n', ""),
        ('    """A class."""\n\n', ""),
        ('"""A function."""', '"""Says\n        more."""'),
        ('doc("Width.")', 'doc("How wide it is, " "in metres.")'),
        ("import json\nimport math\n", "import math\nimport json\n"),
        ("import json\nimport math\n", "import math, json\n"),
        ("import json\n", "if TYPE_CHECKING:\n    from shop.unreached import answer\nimport json\n"),
    ],
)
def test_what_cannot_change_a_result_does_not_count(before: str, after: str, project: Project) -> None:
    script = "from shop.prose import Options\n"
    assert digest(project(script, prose=(before, after))) == digest(project(script))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("= 3", "= 4"),
        ("= 3", "= 3.0"),
        ("= 3", "= True"),
        ("self.width *", "self.width +"),
        ("case None", "case False"),
        ("{**Options.names}", "{None: Options.names}"),
        ("import json", "import json as text"),
        ("def area", "async def area"),
        ('doc("Width.")', 'Width("Width.")'),
        ("return self.width", 'return "width"'),
        ("import json\n", 'import json\nname = "a text"\n'),
    ],
)
def test_code_counts(before: str, after: str, project: Project) -> None:
    script = "from shop.prose import Options\n"
    assert digest(project(script, prose=(before, after))) != digest(project(script))


def test_an_edit_two_imports_away_counts_and_one_of_an_unreached_sibling_does_not(project: Project) -> None:
    script = "from shop.stock.count import count_goods\n"
    before = digest(project(script))
    assert digest(project(script, stock__deep=("1", "2"))) != before
    assert digest(project(script, stock__order=("3", "4"))) == before
    assert digest(project(script, unreached=("1", "2"))) == before


def test_data_files_count_where_the_module_that_names_them_is_reached(project: Project) -> None:
    def edited(script: str, file: str) -> str:
        root = project(script)
        (root / "shop/words" / file).write_text('open = ["Hello"]\n')
        return digest(root)

    script = "import shop.words.signs\n"
    assert edited(script, "signs.toml") != digest(project(script))
    assert edited(script, "other.toml") == digest(project(script))
    assert edited("import shop.stock\n", "signs.toml") == digest(project("import shop.stock\n"))
    root = project(script)
    (root / "shop/words/signs.toml").unlink()
    with pytest.raises(FileNotFoundError, match=r"signs\.toml"):
        digest(root)


def test_every_data_file_of_the_package_counts_or_reaches_rules_as_parameters() -> None:
    package = ROOT / "semid"
    named = {
        file.parent / name
        for file in package.rglob("*.py")
        for statement in ast.parse(file.read_bytes()).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "_DATA_FILES"
        for name in ast.literal_eval(statement.value)
    }
    others = {file for file in package.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc", ".so")}
    # planning reads the table of official files, and a rule gets its own file's line; a command writes the
    # configuration of an example; type checkers look for py.typed
    without_jobs = {package / name for name in ("data/sources/amazon2023.tsv", "cli/movielens.yaml", "py.typed")}
    assert named == others - without_jobs != set()


def test_the_script_counts_by_its_tree_and_not_by_its_place(project: Project) -> None:
    root = project("from shop.errors import ShopError\n")
    elsewhere = root / "another" / "name.py"
    elsewhere.parent.mkdir()
    elsewhere.write_text('"""Documented."""\nfrom shop.errors import ShopError  # and why\n')
    assert code_digest(elsewhere, package=root / "shop") == digest(root)
    assert digest(project("from shop.errors import ShopError\nprint(1)\n")) != digest(root)


def test_the_same_code_under_another_name_is_other_code(project: Project) -> None:
    root = project()
    for name in ("kinds/c.py", "kinds/d.py"):
        (root / "shop" / name).write_text("answer = 1\n")
    digests = {code_digest(f"shop.kinds.{name}", package=root / "shop") for name in "cd"}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("script", "modules"),
    [
        ("import shop.stock.order\n", ["shop.stock.order"]),
        ("import shop.stock.order as orders\n", ["shop.stock.order"]),
        ("from shop.stock import order\n", ["shop.stock.order"]),
        ("from shop.stock.order import order_goods\n", ["shop.stock.order"]),
        ("from shop.stock import order_goods\n", ["shop.stock.order"]),
        ("from shop.stock import count_goods\n", ["shop.errors", "shop.stock.count", "shop.stock.deep"]),
        ("from shop.stock import late_goods\n", ["shop.stock.lazy"]),
        # named in a table of a package that imports on use, and in one of what a module loads
        ("from shop.lazily import order_goods\n", ["shop.stock.order"]),
        ("import shop.loading\n", ["shop.errors", "shop.loading", "shop.stock.order"]),
        ("from shop.shelves import top\n", ["shop.shelves.top"]),
        ("from shop.shelves import faults\n", ["shop.errors"]),
        ("from shop.shelves import *\n", ["shop.errors", "shop.shelves.top"]),
        ("import shop\nfrom shop import __version__\n", []),
        ("import shopping\nfrom shopping.stock import order\n", []),
        ("def main():\n    for _ in range(3):\n        from shop.stock import order_goods\n", ["shop.stock.order"]),
        ("try:\n    pass\nexcept OSError:\n    import shop.errors\n", ["shop.errors"]),
        ("match 1:\n    case 1:\n        import shop.errors\n", ["shop.errors"]),
        ("if TYPE_CHECKING:\n    import shop.errors\n", []),
        ("if typing.TYPE_CHECKING:\n    import shop.errors\nelse:\n    import shop.unreached\n", ["shop.unreached"]),
        ("from shop.tills.card import limit\n", ["shop.tills", "shop.tills.card", "shop.tills.cash"]),
        ("from shop.methods import METHODS\n", []),
        ("from shop.settings import answer\n", []),
        ('name = "shop.errors:ShopError"\n', []),
        ("import shop.left\n", ["shop.left", "shop.right"]),
        (
            "import shop.stock\n",
            ["shop.errors", "shop.stock.count", "shop.stock.deep", "shop.stock.lazy", "shop.stock.order"],
        ),
    ],
)
def test_modules_that_a_script_reaches(script: str, modules: list[str], project: Project) -> None:
    assert reached(project(script)) == modules


def test_only_the_named_implementations_of_a_registry_count(project: Project) -> None:
    script = "from shop.methods import METHODS\n"
    assert reached(project(script), "shop.kinds.a:A") == ["shop.kinds.a", "shop.kinds.base"]
    before = digest(project(script), "shop.kinds.a:A")
    assert digest(project(script)) != before
    assert digest(project(script, kinds__b=("pass", "size = 2")), "shop.kinds.a:A") == before
    assert digest(project(script, methods=('"b"', '"c"')), "shop.kinds.a:A") == before
    assert digest(project(script, kinds__a=("pass", "size = 2")), "shop.kinds.a:A") != before
    assert digest(project(script, kinds__base=("pass", "size = 2")), "shop.kinds.a:A") != before


def test_roots_may_be_modules_and_names_of_packages_in_any_order(project: Project) -> None:
    package = project() / "shop"
    assert reached_modules("shop.stock:order_goods", package=package) == ["shop.stock.order"]
    roots = ["shop.kinds.a", "shop.stock.order"]
    assert code_digest(*roots, package=package) == code_digest(*reversed(roots), package=package)
    assert len(code_digest(*roots, package=package)) == 12


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import shop.cellar.wine\n", r"script\.py imports shop\.cellar\.wine: no shop\.cellar in .*shop"),
        ("from shop.errors.more import Worse\n", r"script\.py imports shop\.errors\.more: no shop\.errors\.more in"),
        ("from shop.kinds import c\n", r"script\.py imports c from shop\.kinds, which has no such name"),
        # only at run time it is known what that is
        ("from shop.stock import A\n", r"script\.py imports A from shop\.stock, which has no such name"),
    ],
)
def test_a_module_that_does_not_exist_is_named(script: str, message: str, project: Project) -> None:
    with pytest.raises(ModuleNotFoundError, match=message):
        digest(project(script))


def test_roots_that_do_not_exist_are_named(project: Project) -> None:
    root = project()
    with pytest.raises(ModuleNotFoundError, match=r"no shop\.kinds\.c in"):
        digest(root, "shop.kinds.c:C")
    with pytest.raises(ValueError, match=r"numpy\.linalg is neither a script \(\.py\) nor a module of shop"):
        digest(root, "numpy.linalg")
    with pytest.raises(FileNotFoundError, match=r"none\.py"):
        code_digest(root / "none.py", package=root / "shop")


def test_every_workflow_script_has_a_digest() -> None:
    digests = {script.name: code_digest(script) for script in SCRIPTS}
    assert len(set(digests.values())) == len(SCRIPTS) > 0
    assert {script.name: code_digest(str(script)) for script in SCRIPTS} == digests


def test_workflow_scripts_reach_what_they_run() -> None:
    modules = {script.stem: set(reached_modules(script)) for script in SCRIPTS}
    assert {"semid.parts", "semid.files", "semid.quantizers.tokenizer"} <= modules["encode"]
    assert {"semid.retrieval.inverted", "semid.retrieval.tree", "semid.evaluation.metrics.registry"} <= modules[
        "evaluate"
    ]
    assert {"semid.embeddings.encoder", "semid.embeddings.hashing"} <= modules["embed_items"]
    assert not any("semid.device" in reached for reached in modules.values())
    # how an epoch is measured decides which is kept: work on rankings trains no generator anew
    assert {"semid.generative.ranking", "semid.generative.search"} <= modules["evaluate_generator"]
    assert not {"semid.generative.ranking", "semid.generative.search"} & modules["train_generator"]
    assert {"semid.generative.model", "semid.generative.training"} <= modules["train_generator"]
    generators = {"train_generator", "evaluate_generator"}
    of_tokenizers = {
        "drift",
        "encode",
        "evaluate",
        "figures",
        "fit_external",
        "repair",
        "report",
        "score",
        "train_tokenizer",
    }
    for name in modules.keys() - of_tokenizers - generators:
        assert not {module for module in modules[name] if module.startswith("semid.quantizers")}, name


@pytest.mark.parametrize("method", CLASSES.values(), ids=CLASSES.keys())
def test_a_script_reaches_the_class_of_a_method_by_its_public_name(method: Method, tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(f"from semid.quantizers import {method.class_name}\n")
    assert method.implementation.partition(":")[0] in reached_modules(script)


def test_planning_needs_the_standard_library_alone() -> None:
    code = "import sys, semid.jobs.digests; print({'numpy', 'torch', 'annotated_types'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_module_that_affects_no_result_counts_where_it_is_asked_for(project: Project) -> None:
    folder = project() / "shop"
    through = code_digest("shop.stock.order", package=folder)
    assert "shop.methods" not in reached_modules("shop.stock.order", package=folder)
    assert "shop.methods" in reached_modules("shop.stock.order", "shop.methods", package=folder)
    assert code_digest("shop.stock.order", "shop.methods", package=folder) != through
