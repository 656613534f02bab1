"""Families that people ask for and no public benchmark has: each with what meets it and what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from adhere.constraints import from_json

TABLE = "| a | b |\n|---|:-:|\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("constraint", "text", "met"),
    [
        ({"kind": "format.numbered_items", "exactly": 3}, "1. a\n2) b\n 3. c", True),
        ({"kind": "format.numbered_items", "exactly": 1}, "3.5 is a number\n2024 was\n1. a", True),
        ({"kind": "format.numbered_items", "at_least": 1}, "```python\n1. a\n```", False),
        ({"kind": "format.headings", "exactly": 2}, "# A\ntext\n### B\n#no\n#", True),
        ({"kind": "format.headings", "at_least": 1}, "```sh\n# comment\n```", False),
        ({"kind": "format.heading_order", "headings": ["Summary", "Risks"]}, "# summary\n## X\n## **Risks:**", True),
        ({"kind": "format.heading_order", "headings": ["Summary", "Risks"]}, "# Risks\n# Summary", False),
        ({"kind": "format.heading_order", "headings": ["Summary", "Risks"]}, "Summary\nRisks", False),
        ({"kind": "format.markdown_table"}, f"Here:\n\n{TABLE}\n", True),
        ({"kind": "format.markdown_table"}, "a | b\n- | -\n1 | 2", True),
        ({"kind": "format.markdown_table"}, "| a | b |\n| 1 | 2 |", False),
        ({"kind": "format.markdown_table"}, "| a | b |\n|---|---|", False),
        ({"kind": "format.markdown_table"}, "| a | b |\n|---|\n| 1 | 2 |", False),
        ({"kind": "format.markdown_table", "columns": 2}, TABLE, True),
        ({"kind": "format.markdown_table", "columns": 3}, TABLE, False),
        ({"kind": "format.markdown_table"}, f"```\n{TABLE}\n```", True),
        ({"kind": "format.markdown_table"}, f"```python\n{TABLE}\n```", False),
        ({"kind": "excludes.digits"}, "three and a half", True),
        ({"kind": "excludes.digits"}, "area: m²", False),
        ({"kind": "excludes.digits"}, "٣", False),
        ({"kind": "excludes.markdown"}, "1. Plain text, 2 * 3 * 4 = 24, snake_case_name, #tag.\n2. More (text).", True),
        ({"kind": "excludes.markdown"}, "Some **bold** text", False),
        ({"kind": "excludes.markdown"}, "Some *italic* text", False),
        ({"kind": "excludes.markdown"}, "See [here](http://x)", False),
        ({"kind": "excludes.markdown"}, "use `code`", False),
        ({"kind": "excludes.markdown"}, "- item", False),
        ({"kind": "excludes.markdown"}, "## Heading", False),
        ({"kind": "excludes.markdown"}, TABLE, False),
        ({"kind": "layout.acrostic", "word": "sea"}, "Soft\n\n“Every” wave\n- and wind", True),
        ({"kind": "layout.acrostic", "word": "Sea"}, "Soft\nevery", False),
        ({"kind": "layout.acrostic", "word": "été", "unit": "sentence"}, "Elle part. Tard.", False),
        ({"kind": "layout.acrostic", "word": "été", "unit": "sentence"}, "Été. Tout. E\u0301té.", True),
        ({"kind": "layout.acrostic", "word": "ab", "unit": "paragraph"}, "A line\nc line\n\nB line", True),
        ({"kind": "format.yaml"}, "a: 1\nb:\n  - c", True),
        ({"kind": "format.yaml"}, "```yaml\n- a\n- b\n```", True),
        ({"kind": "format.yaml"}, "Just a sentence.", False),
        ({"kind": "format.yaml"}, "a: 1\n b: [", False),
        ({"kind": "format.yaml"}, "a: 1\n---\nb: 2", False),
        ({"kind": "format.xml"}, '<?xml version="1.0" encoding="latin-1"?>\n<a>é<b/></a>', True),
        ({"kind": "format.xml"}, "```xml\n<a/>\n```", True),
        ({"kind": "format.xml"}, "<a><b></a>", False),
        ({"kind": "format.xml"}, "<a/><b/>", False),
        ({"kind": "format.xml"}, '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', False),
    ],
)
def test_what_meets_a_format_and_what_only_looks_like_it(constraint: dict[str, Any], text: str, met: bool) -> None:
    made = from_json(constraint)
    monitor = made.monitor()
    for c in text:
        monitor.feed(c)
    assert made.check(text).met is met
    assert monitor.close().met is met


def test_documents_that_grow_without_end_are_judged_at_once() -> None:
    laughs = '<!DOCTYPE a [<!ENTITY x0 "ha">' + "".join(f'<!ENTITY x{k} "&x{k - 1};&x{k - 1};">' for k in range(1, 40))
    assert not from_json({"kind": "format.xml"}).check(laughs + "]><a>&x39;</a>").met
    aliases = "a0: &a0 [x]\n" + "".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 60))
    assert from_json({"kind": "format.yaml"}).check(aliases).met
    assert not from_json({"kind": "format.yaml"}).check("[" * 100_000).met
    assert not from_json({"kind": "format.xml"}).check("<a>" * 100_000).met
