"""Names of generators: one grammar, one parser."""

import re

import pytest

from semid.errors import InputError
from semid.generator_names import GENERATOR_FOLDER, GeneratorName, generator_key_patterns
from semid.naming import TokenizerName


@pytest.mark.parametrize(
    ("name", "parts", "keys"),
    [
        ("generator", ("generator", "", 0), ("generator",)),
        ("generator-small", ("generator", "small", 0), ("generator", "generator-small")),
        (
            "generator-small-s12",
            ("generator", "small", 12),
            ("generator", "generator-small", "generator-small-s12"),
        ),
        ("sasrec-s1", ("sasrec", "", 1), ("sasrec", "sasrec-s1")),
        ("sasrec-content", ("sasrec", "content", 0), ("sasrec", "sasrec-content")),
        ("generator-s", ("generator", "s", 0), ("generator", "generator-s")),
    ],
)
def test_a_name_is_taken_apart(name: str, parts: tuple, keys: tuple) -> None:
    parsed = GeneratorName.parse(name)
    assert (parsed.family, parsed.variant, parsed.seed) == parts
    assert (parsed.name, parsed.option_keys()) == (name, keys)
    assert parsed.needs_tokenizer == name.startswith("generator")


@pytest.mark.parametrize(
    "name",
    [
        *("", "gen", "Generator", "generators", "generator-", "generator-Small", "generator-s0", "generator-s01"),
        *("generator-s1-small", "generator-a-b", "generator/x", "generator\n", "sasrec_2x16", "sasrec-s1x", "sasrec "),
        "generator-s١",
    ],
)
def test_a_malformed_name_is_refused_with_the_grammar(name: str) -> None:
    with pytest.raises(InputError, match=r"is no generator name. Expected generator\[-<variant>\]\[-s<seed>\]"):
        GeneratorName.parse(name)


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="is no name of a generator: it has 110 characters"):
        GeneratorName.parse("generator-" + "a" * 100)


@pytest.mark.parametrize("name", ["generator", "generator-small", "sasrec", "sasrec-content-s1"])
def test_no_tokenizer_has_the_folder_of_a_generator(name: str) -> None:
    assert re.fullmatch(GENERATOR_FOLDER, name)
    with pytest.raises(InputError, match="is no tokenizer name"):
        TokenizerName.parse(name)


@pytest.mark.parametrize("name", ["embeddings", "external_generator", "rqkmeans_4x256-sasrec", "generative"])
def test_other_folders_are_left_to_others(name: str) -> None:
    assert not re.fullmatch(GENERATOR_FOLDER, name)


def test_every_name_is_a_key_of_its_family_alone() -> None:
    for name in ("generator", "generator-small", "generator-s1", "generator-small-s1", "sasrec-content-s2"):
        keys = {family: generator_key_patterns(family) for family in ("generator", "sasrec")}
        matching = [family for family, patterns in keys.items() if any(re.search(p, name) for p in patterns)]
        assert matching == [name.partition("-")[0]]
    assert not any(re.search(pattern, "generator\n") for pattern in generator_key_patterns("generator"))
