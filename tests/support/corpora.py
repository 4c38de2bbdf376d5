"""Broken JSON and strings that break careless programs, gathered by us; used against the door."""

BROKEN = (
    # nothing, or no value
    *(
        "",
        " ",
        "\n\n",
        "\ufeff",
        "\x00",
        "\x0c",
        "\u00a0",
        "\u2028",
        ",",
        ":",
        "}",
        "]",
        "{]",
        "[}",
    ),
    # never closed, closed twice, closed wrongly
    *("{", "[", "[[", '{"a"', '{"a":', '{"a":1', '{"a":1,', "[1", "[1,", '["', '"', '"\\', '"\\"'),
    *("[]]", "{}}", "[1]]", '{"a":1}}', "[1}", '{"a":[1}', "[{]}", '{"a":1]'),
    # commas and colons
    *("[,]", "[,1]", "[1,]", "[1,,2]", "{,}", '{"a":1,}', '{,"a":1}', '{"a":1,,"b":2}', "[1 2]"),
    *('{"a" 1}', '{"a"::1}', '{"a":1:2}', '{"a","b"}', '{"a"}', '{"a":}', "{:1}", '["a":1]'),
    # keys that are none
    *("{a:1}", "{'a':1}", "{1:1}", "{null:1}", '{["a"]:1}', "{{}:1}", '{"a":1 "b":2}'),
    # numbers that JSON does not have
    *("01", "-01", "00", "+1", "-", "--1", ".5", "5.", "-.5", "1e", "1e+", "1.e1", "1E-", "0x1F"),
    *("1_000", "1,000", "0b1", "0o7", "1f", "1n", "\uff11", "\u0661", "\u00bd", "\u221e", "1e1.5"),
    *("NaN", "-NaN", "nan", "Infinity", "-Infinity", "+Infinity", "Inf", "1e400", "-1e400"),
    *("9" * 5_000, "1" + "0" * 5_000 + ".0", "1e" + "9" * 20, "0." + "0" * 500 + "1e-9999999"),
    # words that JSON does not have
    *("True", "FALSE", "nul", "nulll", "None", "undefined", "void 0", "yes", "tru\u0435"),
    # strings
    *("'a'", "`a`", '"a', 'a"', '"a""b"', '"\t"', '"\n"', '"\x00"', '"\x1f"', '"\\x41"', '"\\a"'),
    *('"\\u"', '"\\u00"', '"\\u00G0"', '"\\u{41}"', '"\\U0041"', "\u201ca\u201d", '"""a"""'),
    # comments, and other languages
    *("// a\n{}", "/* a */{}", "{} // a", "# a\n{}", "{/**/}", "<a/>", "<!DOCTYPE html>", "a: 1"),
    *("a=1&b=2", "--x\r\n", "%7B%7D", "eyJhIjoxfQ==", ")]}',\n{}", "callback({})", "{}\n{}", "{};"),
    *("1 2", "null null", "[][]", "{}[]", '{} "', "[1]\x00", "[1]\x1a", "\x1e{}", "{}\ufeff"),
    # deep, wide, long
    *("[" * 5_000, "]" * 5_000, '{"a":' * 5_000, "[" * 5_000 + "]" * 5_000, "[[]," * 5_000),
    *('{"a":' * 2_000 + "1" + "}" * 2_000, "[" + "," * 9_000 + "]", '{"a":"' + "x" * 100_000),
    # one key, two values
    *('{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"":1,"":2}]', '{"b":{"a":1,"a":2}}'),
)
"""Texts that are no JSON, or are JSON that we refuse; written as UTF-8."""

BROKEN_BYTES = (
    *(b"\xff", b"\xfe\xff", b"\xff\xfe", b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80"),
    *(b'"\xff"', b'"\xc3"', b'"\xc3\x28"', b'"\xe2\x82"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"'),
    *(b'"\xf8\x88\x80\x80\x80"', b'{"\xff":1}', b'{"a":"\xe9"}', b"\xef\xbb\xbf{}", b"\xef\xbb{}"),
    *(text.encode("utf-16") for text in ("{}", '{"a":1}')),
    *(text.encode("utf-16-be") for text in ("{}", "[1]", "1")),
    *(text.encode("utf-32") for text in ("{}", '"a"')),
    *('{"a":"\u00e9"}'.encode(code) for code in ("latin-1", "cp1252", "cp037", "utf-7")[:3]),
    *(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", b"x\x9c\x03\x00", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"),
    bytes(range(256)),
)
"""Bytes that are no UTF-8, or no JSON in it."""

NAUGHTY = (
    # controls, line ends, directions, what has no width
    *("", " ", "\t", "\x00", "a\x00b", "\x07\x08\x1b", "\r\n", "\n", "\u0085", "\u2028", "\u2029"),
    *("\u202ereversed", "\u2066\u2069", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u180e", "\ufffe"),
    # half characters, many marks, wide, rare, planes beyond the first
    *(
        "\ud800",
        "\udfff",
        "\udc00\ud800",
        "a\ud83d",
        "\U0001f468\u200d\U0001f469",
        "Z\u0351\u036b" * 50,
    ),
    *(
        "\ufdfd",
        "\u0e33" * 20,
        "\U00020000",
        "\U0010ffff",
        "\uff21\uff22",
        "\u212a",
        "\u0130",
        "\u00df",
    ),
    # terminals
    *(
        "\x1b[31mred",
        "\x1b[2J\x1b[H",
        "\x1b]0;title\x07",
        "\x1b]8;;http://x\x07",
        "\x9b31m",
        "\x1bP1$r",
    ),
    *("ok\r\x1b[KFAIL", "a\x08b", "[red]markup[/red]", "[/]", "\\[bold]"),
    # pages
    *(
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "&lt;b&gt;",
        "javascript:alert(1)",
    ),
    *("<!--", "]]>", "<svg/onload=alert(1)>", "{{7*7}}", "${7*7}", "<%= 7 %>", "#{7}", "{% raw %}"),
    # sheets
    *(
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "=cmd|' /C calc'!A0",
        "\t=1",
        "\r=1",
        '=HYPERLINK("http://x")',
    ),
    # shells, paths, stores, templates of logs
    *(
        "; rm -rf /",
        "$(id)",
        "`id`",
        "| cat",
        "&& true",
        "../../../etc/passwd",
        "..\\..",
        "/dev/null",
    ),
    *(
        "C:\\CON",
        "file:///etc/passwd",
        "~root",
        "' OR 1=1 --",
        "*",
        "{id}",
        "j:*",
        "\r\nFLUSHALL\r\n",
    ),
    *("*3\r\n$3\r\nSET\r\n", "${jndi:ldap://127.0.0.1/x}", "%s%n%x", "%(name)s", "{0.__class__}"),
    # words that mean something somewhere
    *("null", "None", "undefined", "NaN", "true", "__proto__", "constructor", "__type__", "-0"),
    *("1e999", "0x7f", "1/0", "9" * 400, "2026-02-30T25:61:61Z", "x" * 100_000),
    # addresses that must never be asked
    *(
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "//x",
        "ftp://x",
    ),
)
"""Texts that a result may hold, each of which breaks some careless program."""
