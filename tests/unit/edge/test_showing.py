"""No page shows characters that cannot be seen or that move others, and no form changes what it was given."""

from __future__ import annotations

import pytest

from agnes.edge.render import TEMPLATES, environment, fields_are_exact

OVERRIDE, JOINED = "pay\u202egnp.exe", "\U0001f469\u200d\U0001f4bb"


def shown(source: str, **values: object) -> str:
    return environment().from_string(source).render(**values)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (OVERRIDE, "pay\u27e6U+202E\u27e7gnp.exe"),
        ("a\u200bb\ufeffc\u00add", "a\u27e6U+200B\u27e7b\u27e6U+FEFF\u27e7c\u27e6U+00AD\u27e7d"),
        ("bell\x07", "bell\u2407"),
        ("\U000e0041\u2066x\u2069", "\u27e6U+E0041\u27e7\u27e6U+2066\u27e7x\u27e6U+2069\u27e7"),
        ("<b>&\u202e", "&lt;b&gt;&amp;\u27e6U+202E\u27e7"),
        (f"{JOINED} caf\u00e9 \u05e9\u05dc\u05d5\u05dd", f"{JOINED} caf\u00e9 \u05e9\u05dc\u05d5\u05dd"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_every_value_is_written_out(text, written):
    assert shown("{{ x }}", x=text) == written
    assert shown('<a title="{{ x }}">{{ x | truncate(500) }}</a>', x=text) == f'<a title="{written}">{written}</a>'
    assert shown("{% macro m(x) %}{{ x }}{% endmacro %}{{ m(x) }}{{ [x] | join(',') }}", x=text) == written * 2


def test_numbers_and_html_that_was_made_are_left_alone():
    assert shown("{{ n }} {{ none }} {{ html | safe }}", n=3, none=None, html="<b>\u202e</b>") == "3 None <b>\u202e</b>"


def test_fields_come_back_as_they_were():
    assert shown('<input value="{{ q }}">{{ q }}', q="a\u200b<") == '<input value="a\u200b&lt;">a\u27e6U+200B\u27e7&lt;'
    area = """<textarea name="t"{{ ' required' }}>{{ q }}</textarea>"""
    assert shown(area, q="a\u200b<") == '<textarea name="t" required>a\u200b&lt;</textarea>'
    assert shown("""<option value="{{ q or '' }}">{{ q }}""", q=OVERRIDE).startswith(
        f'<option value="{OVERRIDE}">pay\u27e6'
    )


def test_all_fields_of_all_templates_are_found():
    fields = 0
    for path in TEMPLATES.rglob("*.html"):
        source = path.read_text()
        if path.parent.name == "email":
            continue
        written = sum(source.count(f'{space}value="{{{{') for space in " \n\t") + source.count("</textarea>")
        assert fields_are_exact(source).count(") | exact }}") == written, path
        fields += written
    assert fields > 30
