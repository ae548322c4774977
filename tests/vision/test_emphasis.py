"""Text of an image stands in an answer as text, whatever it looks like."""

import pytest

from vision.answers.emphasis import all_named, named


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Stage: None", "**Stage: None**"),
        ("(remote)\nsampling  configs", "**(remote) sampling configs**"),
        ("* Triggers", "**\\* Triggers**"),
        ("<script>alert(1)</script>", "**\\<script\\>alert(1)\\</script\\>**"),
        ("[click](https://example.org)", "**\\[click\\](https://example.org)**"),
        ("costs $5 or $6", "**costs \\$5 or \\$6**"),
        (":red[text] :material/home:", "**\\:red\\[text\\] \\:material/home:**"),
        ("a_b`c`", "**a\\_b\\`c\\`**"),
        ("R&amp;D", "**R\\&amp;D**"),
        ("Research & Development", "**Research & Development**"),
    ],
)
def test_signs_that_would_be_markup_are_escaped(text: str, written: str) -> None:
    assert named(text) == written


def test_twins_are_counted() -> None:
    assert all_named(["pod", "svc", "pod"]) == "2 × **pod** and **svc**"
