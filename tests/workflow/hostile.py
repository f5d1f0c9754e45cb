"""Texts that would be paths, commands, markup or formulas where anything took them for more than texts."""

# test_hostile.py: each is an item's id, a part of its title, a user's id, a category and a store
HOSTILE = [
    *("../../../../etc/passwd", "..", ".", "a/b/../c", "/etc/passwd", "~", "~root", "C:\\Windows", "\\\\host\\share"),
    *("-rf", "--help", "--", "$(touch pwned)", "`touch pwned`", "; touch pwned;", "| touch pwned", "&& touch pwned"),
    *("> pwned", "${HOME}", "$HOME", "!!", "*", "?", "[a-z]", "#", "{dataset}", "{{}}", "{0.__class__}", "%s%n", "\\"),
    *("'", '"', "''", '""', "'; DROP TABLE items; --", '"; DROP TABLE users; --', "\\'", "a,b", "a;b", "a|b", "a\tb"),
    *(" before", "after ", "two  spaces", "line\nfeed", "carriage\rreturn", "both\r\n", "a\\nb", "\u2028"),
    *(
        "\x1b[31mred",
        "\u202egpj.exe",
        "zero\u200bwidth",
        "caf\u00e9",
        "cafe\u0301",
        "\U0001f4a9",
        "\ufeffbom",
        "\uffff",
    ),
    *("=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "NULL", "None", "nan", "NaN", "true", "0", "00", "1e5", "-0"),
    *("<script>alert(1)</script>", "![x](http://x)", "&lt;b&gt;", "x" * 5_000, "part-00000-of-00001", "item_id"),
]
