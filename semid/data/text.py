"""Cleaning of the texts of items as product data has them."""

import html
import re

import pyarrow as pa
import pyarrow.compute as pc

# The semicolon is required: html.unescape alone would also turn the "&copy" of a web address into a sign.
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# Tags are known by name, so that "sizes <M and >L" keeps its words.
TAG = re.compile(
    r"<!--.*?-->|</?(?:a|abbr|address|article|b|big|blockquote|body|br|button|center|code|dd|div|dl|dt|em|embed|font"
    r"|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|label|li|link|main|meta|nav|noscript|object|ol|p|param"
    r"|pre|s|script|section|small|source|span|strike|strong|style|sub|sup|table|tbody|td|tfoot|th|thead|title|tr|tt|u"
    r"|ul|video)(?:\s[^<>]*)?/?>",
    re.IGNORECASE | re.DOTALL,
)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Halves of surrogate pairs are no characters; soft hyphens, zero-width and direction marks are invisible.
INVISIBLE = re.compile(r"[\ud800-\udfff\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
# Cleaning may change only texts that match this: starts of entities and tags, control and invisible characters, and any
# white space but single spaces between words. RE2 finds them many times faster than Python cleans.
SUSPECT = (
    r"&[#a-zA-Z]|<[!/a-zA-Z]|^ | $|  "
    r"|[\x00-\x1f\x7f-\x{a0}\x{ad}\x{1680}\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{3000}\x{feff}]"
)


def clean_text(text: str) -> str:
    """Return `text` as a reader would see it: one line of plain characters.

    HTML entities are decoded (doubly escaped ones too), HTML tags and control characters become a space, lone
    surrogates and invisible marks are removed, and white space is collapsed and trimmed. The result is valid Unicode,
    and cleaning it again changes nothing.
    """
    while True:
        cleaned = text if text.isascii() else INVISIBLE.sub("", text)
        if "&" in cleaned:
            cleaned = ENTITY.sub(lambda match: html.unescape(match[0]), cleaned)
        if "<" in cleaned:
            cleaned = TAG.sub(" ", cleaned)
        if not cleaned.isprintable():
            cleaned = CONTROL.sub(" ", cleaned)
        cleaned = " ".join(cleaned.split())
        if cleaned == text:
            return cleaned
        text = cleaned


def clean_texts(texts: pa.StringArray) -> pa.StringArray:
    """Return :func:`clean_text` of each text; null becomes empty."""
    encoded = pc.fill_null(texts, "").dictionary_encode()
    distinct = encoded.dictionary
    suspect = pc.match_substring_regex(distinct, SUSPECT)
    cleaned = pa.array([clean_text(text) for text in distinct.filter(suspect).to_pylist()], pa.string())
    return pc.replace_with_mask(distinct, suspect, cleaned).take(encoded.indices)
