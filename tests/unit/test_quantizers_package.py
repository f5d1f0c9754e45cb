"""What `import semid.quantizers` offers and what it needs."""

import json
import subprocess
import sys

import pytest

import semid.quantizers
from semid.methods import METHODS

# third parties that other rooms need
HEAVY = {
    "duckdb",
    "faiss",
    "jsonschema",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "snakemake",
    "tqdm",
    "transformers",
    "yaml",
}


def modules_after(imports: str) -> set[str]:
    code = f"import sys, json, {imports}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def test_the_package_with_all_its_methods_needs_numpy_torch_safetensors_and_annotated_types_alone():
    needed = modules_after("numpy, torch, torch.utils.checkpoint, safetensors.torch, annotated_types")
    classes = ", ".join(method.implementation.partition(":")[0] for method in METHODS.values())
    loaded = modules_after(f"semid.quantizers, {classes}")
    # torch brings tqdm where it is installed
    assert not (loaded - needed) & HEAVY
    beyond = {name.partition(".")[0] for name in loaded - needed} - set(sys.stdlib_module_names)
    of_torch = {name.partition(".")[0] for name in needed}
    assert beyond - of_torch == {"semid"}


def test_importing_the_package_loads_no_third_party_of_another_room():
    loaded = {name.partition(".")[0] for name in modules_after("semid.quantizers")}
    assert {"numpy", "torch", "safetensors", "annotated_types"} <= loaded
    # torch imports tqdm where it is installed
    assert not loaded & (HEAVY - {"tqdm"})


def test_a_method_is_imported_when_its_class_is_asked_for():
    loaded = modules_after("semid.quantizers")
    assert not {method.implementation.partition(":")[0] for method in METHODS.values()} & loaded


def test_the_classes_of_the_table_are_names_of_the_package():
    for method in METHODS.values():
        assert getattr(semid.quantizers, method.class_name) is method.load()
        assert method.class_name in semid.quantizers.__all__
    with pytest.raises(AttributeError, match=r"'semid\.quantizers' has no attribute 'Unheard'"):
        _ = semid.quantizers.Unheard
