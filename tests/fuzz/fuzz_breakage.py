"""Ways in which files break: cut off, overwritten, doubled, mixed up, and structures that hold what nobody expects."""

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

DEEP = 200_000
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**30, -(2**63), float("nan"), 1e308, "", "x", "../x", "\ud800", "0" * 200_000, [], {},
    [[]], [None], {"a": 1}, [1, "a"],
)  # fmt: skip


def broken(rng: random.Random, content: bytes, name: str) -> tuple[bytes, str]:
    """Return the content of the file of that name, broken in one way, and the way in words."""
    if name.endswith(".gz") and rng.random() < 0.7:
        inside, way = broken(rng, gzip.decompress(content), name.removesuffix(".gz"))
        return gzip.compress(inside), f"{way}, compressed"
    ways: list[Callable[[random.Random, bytes], bytes]] = [
        cut,
        cut_end,
        flipped,
        doubled,
        removed,
        inserted,
        random_bytes,
    ]
    if name.endswith((".csv", ".jsonl", ".json", ".txt", ".inter", ".item", ".tsv")):
        ways += [
            with_latin_1,
            with_zeros,
            with_quote,
            with_long_field,
            with_huge_number,
            with_other_ends,
            with_deep_nesting,
        ]
    if name.endswith((".jsonl", ".json")):
        ways += [with_odd_value] * 3
    way = rng.choice(ways)
    return way(rng, content), way.__name__.replace("_", " ")


def cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content))]


def cut_end(rng: random.Random, content: bytes) -> bytes:
    return content[: -rng.randint(1, min(20, len(content)))]


def flipped(rng: random.Random, content: bytes) -> bytes:
    """Overwrite a few bytes, at either end more often than their share."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 20])):
        near = min(len(changed), rng.choice([64, 1000, len(changed)]))
        at = rng.choice([rng.randrange(near), len(changed) - 1 - rng.randrange(near)])
        changed[at] = rng.choice([rng.randrange(256), changed[at] ^ (1 << rng.randrange(8)), 0, 255])
    return bytes(changed)


def doubled(rng: random.Random, content: bytes) -> bytes:
    start, stop = _block(rng, content)
    return content[:stop] + content[start:stop] + content[stop:]


def removed(rng: random.Random, content: bytes) -> bytes:
    start, stop = _block(rng, content)
    return content[:start] + content[stop:]


def inserted(rng: random.Random, content: bytes) -> bytes:
    return _with(rng, content, rng.randbytes(rng.choice([1, 8, 5000])))


def random_bytes(rng: random.Random, content: bytes) -> bytes:
    return rng.randbytes(rng.choice([1, 7, 100, 5000]))


def with_latin_1(rng: random.Random, content: bytes) -> bytes:
    """Write a few rows in another encoding."""
    return _in_lines(rng, content, lambda line: _with(rng, line.rstrip(b"\r\n"), "é".encode("latin-1")) + b"\n")


def with_zeros(rng: random.Random, content: bytes) -> bytes:
    return _with(rng, content, bytes(rng.choice([1, 1, 4096])))


def with_quote(rng: random.Random, content: bytes) -> bytes:
    separators = [n for n in range(len(content)) if content[n : n + 1] in b',;\t\n: "']
    at = rng.choice(separators) + 1 if separators else 0
    return content[:at] + rng.choice([b'"', b"'", b'""', b"\\"]) + content[at:]


def with_long_field(rng: random.Random, content: bytes) -> bytes:
    return _with(rng, content, rng.choice([b"x", b"1", b" ", b"[", b'","']) * rng.choice([140_000, 140_000, 3_000_000]))


def with_huge_number(rng: random.Random, content: bytes) -> bytes:
    numbers = [b"9" * 5000, b"-9" + b"9" * 25, b"1e999", b"18446744073709551616", b"NaN", b"-Infinity", b"0x10", b"1_0"]
    digits = [n for n in range(len(content)) if content[n : n + 1].isdigit()]
    at = rng.choice(digits) if digits else 0
    return content[:at] + rng.choice(numbers) + content[at + 1 :]


def with_other_ends(rng: random.Random, content: bytes) -> bytes:
    return _in_lines(
        rng, content, lambda line: line.rstrip(b"\r\n") + rng.choice([b"\r", b"\r\n", b"\n\n", b"\n\r", b"", b"\x0b"])
    )


def with_deep_nesting(rng: random.Random, content: bytes) -> bytes:
    signs = rng.choice([b"[", b'{"a":', b"[]", b"{}"])
    deep = signs * rng.choice([600, 2000, DEEP]) + rng.choice([b"", b"]" * 600])
    if b'": ' in content and rng.random() < 0.5:
        starts = [n for n in range(len(content)) if content[n : n + 3] == b'": ']
        at = rng.choice(starts) + 3
        depth = rng.choice([600, 2000, DEEP])
        return content[:at] + b"[" * depth + b"]" * depth + b", " + content[at:]
    return _with(rng, content, deep)


def with_odd_value(rng: random.Random, content: bytes) -> bytes:
    """Put a value that nobody expects in place of a value of one JSON document, of all or of a line."""
    try:
        return json.dumps(_odd(rng, json.loads(content)), ensure_ascii=rng.random() < 0.5).encode(
            "utf-8", "surrogatepass"
        )
    except ValueError:
        pass

    def change(line: bytes) -> bytes:
        return json.dumps(_odd(rng, json.loads(line))).encode() + b"\n" if line.strip() else line

    return _in_lines(rng, content, change)


def _odd(rng: random.Random, value: Any) -> Any:
    if rng.random() < 0.2 or not isinstance(value, list | dict) or not value:
        return rng.choice(ODD_VALUES)
    if isinstance(value, dict):
        key = rng.choice(list(value))
        if rng.random() < 0.2:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: _odd(rng, value[key])}
    at = rng.randrange(len(value))
    return [*value[:at], _odd(rng, value[at]), *value[at + 1 :]]


def _block(rng: random.Random, content: bytes) -> tuple[int, int]:
    start = rng.randrange(len(content))
    return start, start + rng.randint(1, max(1, (len(content) - start) // rng.choice([1, 4, 50])))


def _with(rng: random.Random, content: bytes, more: bytes) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + more + content[at:]


def _in_lines(rng: random.Random, content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    lines = content.splitlines(keepends=True)
    for at in rng.sample(range(len(lines)), min(len(lines), rng.choice([1, 1, 3]))):
        lines[at] = change(lines[at])
    return b"".join(lines)
