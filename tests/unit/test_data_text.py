"""Cleaning of item text."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semid.data import clean_text
from semid.data.text import clean_texts


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Crabtree &amp; Evelyn", "Crabtree & Evelyn"),
        ("Crabtree &amp;amp; Evelyn", "Crabtree & Evelyn"),
        ("Crabtree &amp;amp;amp; Evelyn", "Crabtree & Evelyn"),
        ("3&quot; x 2&#39; x 1&#x2019;", "3\" x 2' x 1\u2019"),
        ("one<br>two<br/>three<BR />four", "one two three four"),
        ("<p class='a'>bold <b>words</b></p><!-- a\nremark -->", "bold words"),
        ("escaped &lt;br&gt; tag, twice &amp;lt;br /&amp;gt;", "escaped tag, twice"),
        ("sizes <M and >L, 1 < 2 > 0, I <3 it", "sizes <M and >L, 1 < 2 > 0, I <3 it"),
        ("http://a.b/?x=1&copy=2&amp;y=3", "http://a.b/?x=1&copy=2&y=3"),
        ("AT&T, R&D; S & T", "AT&T, R&D; S & T"),
        (" tab\there\nand\r\nthere\x00\x07\x85end&nbsp;x ", "tab here and there end x"),
        ("zero\u200bwidth\ufeff so\u00adft", "zerowidth soft"),
        ("half \ud83d pair", "half pair"),
        ("whole \U0001f600 emoji, é, 日本", "whole \U0001f600 emoji, é, 日本"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_text_reads_as_a_person_would_see_it(raw, clean):
    assert clean_text(raw) == clean


MARKUP = st.text(st.sampled_from(list("&amp;lt#38<br>/ x\u200b\n\ud800")), max_size=60)


@given(st.text(st.characters(), max_size=40) | MARKUP)
def test_cleaning_twice_changes_nothing_and_the_result_is_valid(raw):
    clean = clean_text(raw)
    assert clean_text(clean) == clean
    assert clean.encode("utf-8").decode("utf-8") == clean
    assert clean == " ".join(clean.split())


@settings(deadline=None)  # the first call compiles the pattern
@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=5))
def test_an_array_is_cleaned_text_by_text(raw):
    assert clean_texts(pa.array(raw, pa.string())).to_pylist() == [clean_text(text or "") for text in raw]


def test_no_character_that_cleaning_changes_is_missed_in_an_array():
    characters = [chr(code) for code in range(0x11000) if not 0xD800 <= code < 0xE000]
    for raw in (characters, [f"a{character}b" for character in characters]):
        assert clean_texts(pa.array(raw)).to_pylist() == [clean_text(text) for text in raw]
