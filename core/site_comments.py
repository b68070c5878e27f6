"""Changes of a ruamel.yaml document that leave comments where a reader expects them.

ruamel keeps a comment with the value before it. What stands behind the last camera, such as the
heading of the next section, would thus move with that camera: appended after, or lost with it.
"""

from __future__ import annotations

from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

Leaf = tuple[CommentedMap, Any]  # a section and the key of its last value


def append(section: CommentedSeq, item: CommentedMap) -> None:
    """Add an item; a comment behind the section stays behind it."""
    tail = _cut(_last_leaf(section), max(1, _column(section)))
    section.append(item)
    _glue(_last_leaf(section), tail)


def remove(section: CommentedSeq, index: int) -> None:
    """Take an item out, with the comments inside it; the comment before the next one stays."""
    tail = _cut(_last_leaf(section[index]), _column(section) + 1)
    del section[index]
    if index > 0:
        _glue(_last_leaf(section[index - 1]), tail)


def put(section: CommentedMap, key: str, value: Any) -> None:
    """Set a key; a new one comes last, before a comment that stands behind the section."""
    if key in section:
        section[key] = value
        return
    tail = _cut(_last_leaf(section), max(1, section.lc.col or 0))
    section[key] = value
    _glue(_last_leaf(section), tail)


def pop(section: CommentedMap, key: str) -> None:
    """Take a key out, if it is there; comments behind it stay."""
    if key not in section:
        return
    value = section[key]
    inside = _last_leaf(value) if isinstance(value, CommentedMap) else None
    tail = _cut(inside or (section, key), (section.lc.col or 0) + 1)
    keys = list(section)
    before = keys[keys.index(key) - 1] if keys.index(key) else None
    del section[key]
    section.ca.items.pop(key, None)
    if before is not None:
        value = section[before]
        inside = _last_leaf(value) if isinstance(value, CommentedMap | CommentedSeq) else None
        _glue(inside or (section, before), tail)


def _column(section: CommentedSeq) -> int:
    """Where the dashes of a list stand."""
    return int(section.lc.col or 0)


def _last_leaf(node: CommentedMap | CommentedSeq) -> Leaf | None:
    """The key behind which ruamel keeps what follows a section."""
    leaf: Leaf | None = None
    while isinstance(node, CommentedMap | CommentedSeq) and node and not node.fa.flow_style():
        key = next(reversed(node)) if isinstance(node, CommentedMap) else len(node) - 1
        leaf = (node, key) if isinstance(node, CommentedMap) else None
        node = node[key]
    return leaf


def _cut(leaf: Leaf | None, below: int) -> str:
    """Take off what stands behind a leaf, from the first comment left of column ``below`` on."""
    token = _token(leaf)
    if leaf is None or token is None:
        return ""
    first, *lines = token.value.splitlines(keepends=True)
    kept = len(lines)
    for index, line in enumerate(lines):
        if line.strip() and len(line) - len(line.lstrip()) < below:
            kept = index
            break
    while kept and not lines[kept - 1].strip():
        kept -= 1
    token.value = "".join([first, *lines[:kept]])
    if not token.value.strip():
        leaf[0].ca.items.pop(leaf[1])
    return "".join(lines[kept:])


def _glue(leaf: Leaf | None, tail: str) -> None:
    """Put back behind a leaf what `_cut` took off."""
    if leaf is None or not tail:
        return
    token = _token(leaf)
    if token is not None:
        token.value += tail
    else:
        section, key = leaf
        section.ca.items[key] = [None, None, CommentToken(f"\n{tail}", CommentMark(0)), None]


def _token(leaf: Leaf | None) -> CommentToken | None:
    if leaf is None:
        return None
    section, key = leaf
    items = section.ca.items.get(key)
    token = items[2] if items else None
    return token if isinstance(token, CommentToken) else None
