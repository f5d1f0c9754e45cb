"""Names of tokenizers: one grammar, one parser."""

import math
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semid.errors import InputError
from semid.methods import GIVEN_CODES, METHODS, GivenCodes, Method
from semid.naming import REPAIRS, RESERVED, RepairMode, TokenizerName, grammar, name_pattern, nominal_bits
from semid.quantizers import Tokenizer

FORMS = (*METHODS, *GIVEN_CODES)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("rqkmeans_4x256", ("rqkmeans", 4, 256, "", 0)),
        ("rqvae_3x512-s1", ("rqvae", 3, 512, "", 1)),
        ("rqvae_4x256-tiger", ("rqvae", 4, 256, "tiger", 0)),
        ("rqkmeans_4x256-pca32-s12", ("rqkmeans", 4, 256, "pca32", 12)),
        ("vqvae_4096", ("vqvae", 1, 4096, "", 0)),
        ("vqvae_1-wide_2-s3", ("vqvae", 1, 1, "wide_2", 3)),
        ("rqvae_1x1-s", ("rqvae", 1, 1, "s", 0)),
        ("rqvae_1x1-small", ("rqvae", 1, 1, "small", 0)),
        ("external_mine_2", ("external", 0, 0, "mine_2", 0)),
        ("external_s1", ("external", 0, 0, "s1", 0)),
        ("random_4x256", ("random", 4, 256, "", 0)),
        ("random_1x4096-s12", ("random", 1, 4096, "", 12)),
        ("category", ("category", 0, 0, "", 0)),
        ("category-wide", ("category", 0, 0, "wide", 0)),
    ],
)
def test_a_name_is_taken_apart(name: str, parts: tuple):
    found = TokenizerName.parse(name)
    assert (found.method, found.num_levels, found.codebook_size, found.variant, found.seed) == parts
    assert found.name == name


@pytest.mark.parametrize(
    "name",
    [
        *RESERVED,
        *(form for form in FORMS if form != "category"),
        "",
        "external_",
        "external_Mine",
        "external_2x256",  # codes made elsewhere have a name, not a size
        "external_mine-tiger",
        "external_mine-s1",
        "random_256",  # a flat codebook is random_1x256
        "random-4x256",
        "random_4x256-tiger",  # there are no options
        "random_4x256-s0",
        "random_4x0",
        "category_4x256",  # the categories say how many levels there are, and how large
        "category_wide",
        "category-s1",
        "category-wide-s1",
        "category-",
        "category\n",
        "categories",
        "rqkmeans",
        "rqkmeans_256",  # residual methods have levels
        "vqvae_4x256",  # the flat one has none
        "rqvae_4x",
        "rqvae_x256",
        "rqvae_4X256",
        "RQVAE_4x256",
        "rqvae-4x256",
        "rqvae_0x256",
        "rqvae_4x0",
        "rqvae_04x256",
        "vqvae_0",
        "vqvae_-1",
        "rqvae_4x256-s0",  # seed 0 has no suffix
        "rqvae_4x256-s01",
        "rqvae_4x256-s1-tiger",  # the variant comes first
        "rqvae_4x256-tiger-s0",
        "rqvae_4x256-s1x",  # a variant that looks like a seed
        "rqvae_4x256-Tiger",
        "rqvae_4x256-2",
        "rqvae_4x256-",
        "rqvae_4x256-a-b",
        "rqvae_4x256/items",
        "rqvae_4x256/",
        "rqvae_4x256/assign",
        "rqvae_4x256/repair",
        "rqvae_4x256/repair-",
        "rqvae_4x256/repair-none",
        "rqvae_4x256/repair-assign/items",
        "rqvae_4x256/repair-assign-s1",
        "rqvae_4x256-repair-assign",
        " rqvae_4x256",
        "rqvae_4x256\n",
        "rqvae_4x256.s1",
        "rqvae_٤x256",  # digits of another script
        "kmeans_4x256",
    ],
)
def test_a_malformed_name_is_an_error_that_shows_the_grammar(name: str):
    with pytest.raises(InputError) as caught:
        TokenizerName.parse(name)
    message = str(caught.value)
    assert f"'{name}'" in message
    assert "<method>_<size>[-<variant>][-s<seed>]" in message
    assert "external_<name>" in message
    for method in FORMS:
        assert method in message


variants = st.from_regex(r"(?!s[0-9])[a-z][a-z0-9_]{0,6}", fullmatch=True) | st.just("")
residual = st.builds(
    TokenizerName,
    method=st.sampled_from(["rqkmeans", "rqvae"]),
    sizes=st.builds(lambda num_levels, size: (size,) * num_levels, st.integers(1, 99), st.integers(1, 99_999)),
    variant=variants,
    seed=st.integers(0, 999),
)
flat = st.builds(
    TokenizerName,
    method=st.just("vqvae"),
    sizes=st.tuples(st.integers(1, 99_999)),
    variant=variants,
    seed=st.integers(0, 999),
)
external = st.builds(
    TokenizerName,
    method=st.just("external"),
    sizes=st.just(()),
    variant=st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True),
)


random = st.builds(
    TokenizerName,
    method=st.just("random"),
    sizes=st.builds(lambda num_levels, size: (size,) * num_levels, st.integers(1, 99), st.integers(1, 99_999)),
    seed=st.integers(0, 999),
)
category = st.builds(TokenizerName, method=st.just("category"), sizes=st.just(()), variant=variants)
names = residual | flat | external | random | category


@given(names)
def test_parsing_a_name_gives_back_its_parts(parts: TokenizerName):
    assert TokenizerName.parse(parts.name) == parts


@given(names, st.sampled_from(REPAIRS))
def test_repaired_codes_of_any_tokenizer_have_a_name(parts: TokenizerName, mode: RepairMode):
    repaired = replace(parts, repair=mode)
    assert repaired.name == f"{parts.name}/repair-{mode}"
    if mode == "assign" and parts.num_levels == 1:
        with pytest.raises(InputError) as raised:
            TokenizerName.parse(repaired.name)
        assert f"one level, and no prefix under which another code would be near: ask for {parts.name}/" in str(
            raised.value
        )
        return
    assert TokenizerName.parse(repaired.name) == repaired
    assert repaired.native == parts
    assert repaired.option_keys() == parts.option_keys()
    assert not repaired.is_flat


@given(names)
def test_a_name_matches_the_pattern_of_its_own_method_alone(parts: TokenizerName):
    assert [method for method in FORMS if re.fullmatch(name_pattern(method), parts.name)] == [parts.method]


@given(
    st.from_regex(r"(rqkmeans|rqvae|vqvae)_[0-9]{1,3}(x[0-9]{0,3})?(-[a-zS0-9_]{0,4}){0,2}", fullmatch=True)
    | st.from_regex(r"external_[a-zS0-9_-]{0,4}", fullmatch=True)
    | st.from_regex(r"random_[0-9]{1,3}(x[0-9]{0,3})?(-[a-zS0-9_]{0,4}){0,2}", fullmatch=True)
    | st.from_regex(r"category[a-zS0-9_-]{0,5}", fullmatch=True)
)
def test_pattern_and_parser_accept_the_same_names(name: str):
    matches = any(re.fullmatch(name_pattern(method), name) for method in FORMS)
    try:
        TokenizerName.parse(name)
        parsed = True
    except InputError:
        parsed = False
    assert matches == parsed


def test_the_pattern_has_no_groups_that_snakemake_would_take_for_wildcards():
    for method in FORMS:
        assert re.compile(name_pattern(method)).groupindex == {}


def test_options_go_from_method_to_full_name():
    assert TokenizerName.parse("rqvae_4x256-tiger-s2").option_keys() == (
        *("rqvae", "rqvae-tiger", "rqvae_4x256-tiger", "rqvae_4x256-tiger-s2"),
    )
    assert TokenizerName.parse("vqvae_4096").option_keys() == ("vqvae", "vqvae_4096")
    assert TokenizerName.parse("vqvae_4096-s1").option_keys() == ("vqvae", "vqvae_4096", "vqvae_4096-s1")


def test_a_start_has_the_same_size_and_seed_and_its_own_variant():
    name = TokenizerName.parse("rqvae_3x512-wide-s4")
    assert name.starts_from("rqkmeans-pca32").name == "rqkmeans_3x512-pca32-s4"
    assert name.starts_from("rqkmeans").name == "rqkmeans_3x512-s4"


def test_another_seed_changes_the_suffix_alone():
    name = TokenizerName.parse("rqvae_4x256-tiger-s2")
    assert name.with_seed(0).name == "rqvae_4x256-tiger"
    assert name.with_seed(7).name == "rqvae_4x256-tiger-s7"


def test_a_seed_of_repaired_codes_is_that_of_their_tokenizer():
    name = TokenizerName.parse("rqvae_3x512-wide-s4/repair-suffix")
    assert name.with_seed(7).name == "rqvae_3x512-wide-s7/repair-suffix"
    assert name.with_seed(0).name == "rqvae_3x512-wide/repair-suffix"
    assert name.starts_from("rqkmeans-pca32").name == "rqkmeans_3x512-pca32-s4"


def test_a_suffix_is_a_level_that_the_name_does_not_count():
    name = TokenizerName.parse("rqkmeans_3x8/repair-suffix").with_sizes((8, 8, 8, 20))
    assert (name.name, name.num_levels, name.codebook_size) == ("rqkmeans_3x8/repair-suffix", 4, 20)
    assert name.bits == 9 + math.log2(20)
    assert name.with_seed(2).name == "rqkmeans_3x8-s2/repair-suffix"
    flat = TokenizerName.parse("vqvae_8/repair-suffix").with_sizes((8, 20))
    assert (flat.name, flat.num_levels, flat.is_flat) == ("vqvae_8/repair-suffix", 2, False)


def test_a_name_tells_its_bits_and_whether_it_is_flat():
    assert TokenizerName.parse("rqkmeans_4x256").bits == 32
    assert TokenizerName.parse("vqvae_4096").bits == 12
    assert TokenizerName.parse("vqvae_1").bits == 0
    assert TokenizerName.parse("vqvae_4096").is_flat
    assert not TokenizerName.parse("rqvae_1x256").is_flat


def test_codes_made_elsewhere_are_given_their_size_and_have_no_seed():
    name = TokenizerName.parse("external_letter")
    assert name.with_seed(3) == name
    assert not name.is_flat
    sized = name.with_sizes((256,) * 4)
    assert (sized.num_levels, sized.codebook_size, sized.bits, sized.name) == (4, 256, 32, "external_letter")


def test_codes_of_categories_have_a_variant_and_no_seed_and_random_ones_a_seed_and_no_variant():
    assert TokenizerName.parse("category-wide").with_seed(3).name == "category-wide"
    assert TokenizerName.parse("category-wide").option_keys() == ("category", "category-wide")
    assert TokenizerName.parse("category").with_sizes((12, 7)).name == "category"
    assert TokenizerName.parse("random_2x8").with_seed(3).name == "random_2x8-s3"
    assert TokenizerName.parse("random_2x8-s3").sizes == (8, 8)
    assert not TokenizerName.parse("random_1x8").is_flat


def test_bits_add_up_where_levels_differ_and_the_size_of_the_name_is_the_largest():
    tapered = TokenizerName.parse("rqkmeans_3x2048-tapered").with_sizes((2048, 1024, 512))
    assert (tapered.num_levels, tapered.codebook_size, tapered.bits) == (3, 2048, 11 + 10 + 9)
    assert tapered.name == "rqkmeans_3x2048-tapered"


def test_bits_of_equal_levels_are_a_product_to_the_last_digit():
    assert all(nominal_bits((size,) * 7) == 7 * math.log2(size) for size in range(1, 3_000))


def test_a_new_method_needs_one_line_of_the_table(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(METHODS, "opq", Method("opq", "product", "elsewhere.opq:OPQ", False, "product quantization"))
    monkeypatch.setitem(METHODS, "flat", Method("flat", "flat", "elsewhere.flat:Flat", False, "k-means"))
    parsed = TokenizerName.parse("opq_4x256-wide-s2")
    assert (parsed.method, parsed.sizes, parsed.is_flat) == ("opq", (256,) * 4, False)
    assert TokenizerName.parse("flat_64").is_flat
    assert re.fullmatch(name_pattern("opq"), "opq_4x256-wide-s2")
    assert "opq_LxK (L sub-spaces of K codes) or vqvae_K, flat_K (one codebook of K codes)" in grammar()


def test_new_codes_that_no_vectors_made_need_one_entry_of_the_table(monkeypatch: pytest.MonkeyPatch):
    entry = GivenCodes("brand", "variant", "elsewhere:Brands", "brand", True, "the brand of an item", "", "")
    monkeypatch.setitem(GIVEN_CODES, "brand", entry)
    assert TokenizerName.parse("brand-wide").variant == "wide"
    assert re.fullmatch(name_pattern("brand"), "brand")
    assert "brand[-<variant>]: the brand of an item" in grammar()


@pytest.mark.parametrize("method", METHODS.values(), ids=str)
def test_the_class_of_a_method_is_imported_from_where_the_table_says(method: Method):
    assert METHODS[method.name] is method
    assert method.load().__name__ == method.class_name
    assert issubclass(method.load(), Tokenizer)


def test_planning_imports_neither_torch_nor_numpy():
    code = (
        "import sys, semid.methods, semid.naming; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
