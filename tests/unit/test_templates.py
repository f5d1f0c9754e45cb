"""The template of an item's text: which columns it names."""

import pytest

from semid.errors import InputError
from semid.templates import columns_beside, template_fields


def test_a_template_is_text_and_the_fields_after_it() -> None:
    assert template_fields("{title}: {Product Name}!") == [("", "title"), (": ", "Product Name"), ("!", None)]


def test_columns_are_the_same_whatever_the_words_around_them() -> None:
    assert columns_beside("{title} {price} {features}") == ("features", "price")
    assert columns_beside("Features: {features}. {store}, {price} or {price}") == ("features", "price")
    assert columns_beside("{title} {description} {categories} {store} {item_id}") == ()


@pytest.mark.parametrize(
    "template",
    [
        "{title!r}",
        "{price:>10}",
        "{}",
        "{ }",
        "{title",
        "title}",
        "fixed",
        "",
        "{in_train}",
        "{item_index}",
        "{in_core}",
    ],
)
def test_what_is_no_name_in_braces_is_refused_with_what_can_be(template: str) -> None:
    with pytest.raises(
        InputError, match=r"^text template .*expected \{title\}.* or a column of the item files"
    ) as raised:
        columns_beside(template)
    assert repr(template) in str(raised.value)
