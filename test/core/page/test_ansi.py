"""Terminal output as text or HTML; all text in it is escaped."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.core.page import ansi

GREEN_OVER_RED = '<span class="f2">g</span><span class="f1">ed</span>\nx'


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (b"plain\ttext\n", "plain\ttext\n"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b[38;5;196mred\x1b[m", "red"),
        (b"\x1b[4:3mcurly\x1b[m", "curly"),
        (b"a\x1b[?25lb", "ab"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bPq#0\x1b\\text", "text"),
        (b"\x1b]never closed\nnext line", "\nnext line"),
        (b"\x1b(Btext\x1b=\x1b7", "text"),
        (b"cut\x1b", "cut"),
        (b"cut\x1b[", "cut"),
        (b"cut\x1b[3", "cut"),
        (b"bell\x07 nul\x00 del\x7f", "bell nul del"),
        ("caf\u00e9 \u009b".encode(), "caf\u00e9 "),
        (b"\xff\xfeno utf-8", "\ufffd\ufffdno utf-8"),
        (b"\xa9 begins inside a character", "\ufffd begins inside a character"),
    ],
)
def test_text_loses_its_control_sequences(output: bytes, text: str) -> None:
    assert ansi.to_text(output) == text


@pytest.mark.parametrize(
    ("output", "markup"),
    [
        (b"plain", "plain"),
        (b"\x1b[31mred\x1b[0m plain", '<span class="f1">red</span> plain'),
        (b"\x1b[31mred\x1b[m plain", '<span class="f1">red</span> plain'),
        (b"\x1b[1;31mred", '<span class="bold f1">red</span>'),
        (
            b"\x1b[1m\x1b[31mred\x1b[22mthin",
            '<span class="bold f1">red</span><span class="f1">thin</span>',
        ),
        (b"\x1b[97;104mbright", '<span class="f15 b12">bright</span>'),
        (
            b"\x1b[31ma\x1b[32mb\x1b[39mc",
            '<span class="f1">a</span><span class="f2">b</span>c',
        ),
        (b"\x1b[2;3;4mx", '<span class="dim italic underline">x</span>'),
        (b"\x1b[38;5;31;1mx", '<span class="bold">x</span>'),
        (b"\x1b[48;2;31;32;33;4mx", '<span class="underline">x</span>'),
        (b"\x1b[38mx\x1b[38;2mx", "xx"),
        (b"\x1b[31m\x1b[0m", ""),
        (b"\x1b[999999999999;31mx", '<span class="f1">x</span>'),
        (b"\x1b[7m12\x1b[27m x", '<span class="inverse">12</span> x'),
        (b"\x1b[7;31;44mx", '<span class="inverse b1 f4">x</span>'),
        (b"\x1b[31mred\n\x1b[0mx\x1b[A\r\x1b[32mg", GREEN_OVER_RED),
        (b"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        (b"\x1b[31m<b>\"'&", '<span class="f1">&lt;b&gt;&quot;&#x27;&amp;</span>'),
        (b"<\x1b[31mscript>", '&lt;<span class="f1">script&gt;</span>'),
    ],
)
def test_html_keeps_colours_and_escapes_text(output: bytes, markup: str) -> None:
    assert ansi.to_html(output) == markup


_ESCAPES = st.sampled_from([b"\x1b[31m", b"\x1b[0m", b"\x1b[", b"\x1b]", b"<", b"&", b"'", b'"'])


@given(st.lists(_ESCAPES | st.binary(max_size=4)).map(b"".join))
def test_html_of_arbitrary_output_is_the_escaped_text(output: bytes) -> None:
    markup = ansi.to_html(output)
    spans = re.compile(r'<span class="[a-z0-9 ]+">|</span>')
    bare = spans.sub("", markup)
    assert not set("<>\"'") & set(bare)
    assert html.unescape(bare) == ansi.to_text(output)
    assert markup.count("<span") == markup.count("</span>")
