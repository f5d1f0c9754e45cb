"""Addresses lose their secrets wherever they are shown."""

import pytest

from semid.addresses import address_below, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/a/b.csv", "https://host/a/b.csv"),
        ("http://me:secret@host:8080/a", "http://host:8080/a"),
        ("HTTPS://secret@host", "HTTPS://host"),
        ("http://me:se@cret@host/a", "http://host/a"),
        ("http://me:se/cret@host/a", "http://host/a"),
        ("http://host:80/@scope/a", "http://host:80/@scope/a"),
        ("https://host/a?token=secret&x=1#part", "https://host/a"),
        ("s3://key:secret@bucket/a.parquet?version=secret", "s3://bucket/a.parquet"),
        ("http:/me:secret@host/a", "http:/host/a"),
        ("me:secret@host/a", "host/a"),
        ("got 'me:secret@host/a'", "got 'host/a'"),
        ("{'base_url': 'https://me:secret@host', 'retries': 3}", "{'base_url': 'https://host', 'retries': 3}"),
        ('see "http://a:secret@b/c?secret", or http://d:secret@e.', 'see "http://b/c", or http://e.'),
        (
            "Max retries exceeded with url: /a/b?token=secret (Caused by x)",
            "Max retries exceeded with url: /a/b (Caused by x)",
        ),
        ("write to someone@example.com about item 7: a@b", "write to someone@example.com about item 7: a@b"),
        (
            "an address that begins with http:// or https://, 12:30 @ noon",
            "an address that begins with http:// or https://, 12:30 @ noon",
        ),
        ("/data/what?/a#b.csv", "/data/what?/a#b.csv"),
        ("https://me:80/secret@host/x", "https://host/x"),
        ("//me:secret@host/x", "//host/x"),
    ],
)
def test_an_address_is_shown_without_user_password_query_and_fragment(text: str, expected: str):
    assert shown(text) == expected
    assert shown(ValueError(text)) == expected


def test_a_path_is_put_below_an_address_that_has_a_query():
    assert address_below("https://host", "raw/a.jsonl") == "https://host/raw/a.jsonl"
    assert address_below("https://me:pw@host/x//", "raw/a.jsonl") == "https://me:pw@host/x/raw/a.jsonl"
    assert address_below("https://host/x/?token=1", "raw/a.jsonl") == "https://host/x/raw/a.jsonl?token=1"


def test_a_long_text_takes_a_time_in_proportion_to_its_length():
    text = "a." * 200_000 + "https://me:secret@host"
    assert shown(text) == "a." * 200_000 + "https://host"
