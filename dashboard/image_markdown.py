"""Answers in Markdown as blocks of plain text, with the words that name something on the image.

The browser sets each text as text: no link, picture or HTML of an answer is ever more than its words.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from vision.evidence import Mention

Block = dict[str, Any]
"""`kind` is heading (`level`), paragraph, quote, list (`start`: None without numbers), code, table or rule."""
Run = dict[str, Any]
"""A stretch of `text` in one look: `bold`, `italic`, `code`; `regions` of what it names, none if `missing`."""

_END = "\ue000"
_FIRST = 0xF0000
"""The first of the characters that mark where a mention begins: they are nobody's, and none is left in the text."""
_MOST_MENTIONS = 0xFFFD
_NOBODYS = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")
_LEAVES = {"text", "code_inline", "softbreak", "hardbreak", "image", "html_inline"}


def answer_blocks(answer: str, named: Sequence[Mention]) -> list[Block]:
    """The blocks of an answer. `named`: the mentions in it, and those of what is not on the image, without regions."""
    kept = first_ones(named)
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tree = SyntaxTreeNode(markdown.parse(_marked(_NOBODYS.sub("\ufffd", answer), kept)))
    return [block for node in tree.children for block in _blocks(node, kept)]


def first_ones(named: Sequence[Mention]) -> list[Mention]:
    """The mentions in their order, without those that begin inside another."""
    kept: list[Mention] = []
    for mention in sorted(named, key=lambda one: (one.start, -one.end)):
        if not kept or mention.start >= kept[-1].end:
            kept.append(mention)
    return kept[:_MOST_MENTIONS]


def _marked(answer: str, named: Sequence[Mention]) -> str:
    """The answer with a sign before and after each mention, which Markdown takes for letters."""
    parts, done = [], 0
    for place, mention in enumerate(named):
        parts += [answer[done : mention.start], chr(_FIRST + place), answer[mention.start : mention.end], _END]
        done = mention.end
    return "".join([*parts, answer[done:]])


def _blocks(node: SyntaxTreeNode, named: Sequence[Mention]) -> Iterator[Block]:
    inside = [block for child in node.children for block in _blocks(child, named)] if node.children else []
    if node.type == "heading":
        yield {"kind": "heading", "level": int(node.tag[1]), "runs": _runs(node, named)}
    elif node.type == "paragraph":
        yield {"kind": "paragraph", "runs": _runs(node, named)}
    elif node.type == "blockquote":
        yield {"kind": "quote", "blocks": inside}
    elif node.type in ("bullet_list", "ordered_list"):
        start = node.attrs.get("start", 1) if node.type == "ordered_list" else None
        items = [[block for part in item.children for block in _blocks(part, named)] for item in node.children]
        yield {"kind": "list", "start": start, "items": items}
    elif node.type in ("fence", "code_block"):
        yield {"kind": "code", "runs": _split(node.content.rstrip("\n"), {}, [], named)}
    elif node.type == "hr":
        yield {"kind": "rule"}
    elif node.type == "table":
        yield {"kind": "table", "rows": [_cells(row, named) for row in node.walk() if row.type == "tr"]}
    else:
        yield from inside


def _cells(row: SyntaxTreeNode, named: Sequence[Mention]) -> list[list[Run]]:
    return [_runs(cell, named) for cell in row.children]


def _runs(node: SyntaxTreeNode, named: Sequence[Mention]) -> list[Run]:
    """The text of a block. A mention may go on from one look into the next, and ends with its block at the latest."""
    open_mention: list[int] = []
    runs: list[Run] = []
    for leaf, look in _leaves(node, {}):
        text = "\n" if leaf.type == "hardbreak" else " " if leaf.type == "softbreak" else _words(leaf)
        runs += _split(text, look, open_mention, named)
    return runs


def _leaves(node: SyntaxTreeNode, look: dict[str, bool]) -> Iterator[tuple[SyntaxTreeNode, dict[str, bool]]]:
    if node.type in _LEAVES:
        yield node, {**look, "code": True} if node.type == "code_inline" else look
        return
    own = {"strong": {"bold": True}, "em": {"italic": True}}.get(node.type, {})
    for child in node.children:
        yield from _leaves(child, {**look, **own})


def _words(leaf: SyntaxTreeNode) -> str:
    """The text of a leaf; of a picture its description."""
    if leaf.type == "image":
        return "".join(child.content for child in leaf.children)
    return leaf.content


def _split(text: str, look: dict[str, bool], open_mention: list[int], named: Sequence[Mention]) -> list[Run]:
    """A text in stretches that are inside of one mention or of none. `open_mention` goes on with the next text."""
    runs: list[Run] = []
    for part in re.split(f"({_END}|[\U000f0000-\U0010ffff])", text):
        if part == _END:
            open_mention.clear()
        elif len(part) == 1 and ord(part) >= _FIRST:
            open_mention[:] = [ord(part) - _FIRST]
        elif part:
            runs.append({"text": part, **look, **_named(open_mention, named)})
    return runs


def _named(open_mention: list[int], named: Sequence[Mention]) -> dict[str, Any]:
    if not open_mention:
        return {}
    regions = named[open_mention[0]].regions
    return {"regions": list(regions)} if regions else {"missing": True}
