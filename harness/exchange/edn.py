"""The part of EDN (https://github.com/edn-format/edn) that histories use.

Maps, vectors, lists, sets, keywords, strings, numbers, nil, booleans; tags are passed over, and so is what ``#_``
discards. Values may be spread over lines, except a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["EdnError", "parse_edn", "values_in"]

_TOKEN = re.compile(r'(?:[\s,]|;.*)*(#\{|#_|[{}\[\]()]|"(?:\\.|[^"\\])*"|[^\s,{}\[\]()";]+|"|$)')
_CLOSING = {"{": "}", "#{": "}", "[": "]", "(": ")"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_INTEGER = re.compile(r"[+-]?\d+N?")
_DEEPEST = 100
_MOST_DIGITS = 4_000
"""Python refuses to read an integer that is much longer."""

_Tokens = Iterator[tuple[int, str]]


class EdnError(ValueError):
    """The text is no EDN that this module reads; `line` is where."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def parse_edn(text: str) -> Any:
    """The first value of a text. Keywords become strings; lists, vectors and sets become lists.

    Raises:
        EdnError: it has none, or an unfinished one.
    """
    return _next_value(_tokens(enumerate(text.splitlines(), 1)), 1, 0)


def values_in(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Any]]:
    """Line and value of every value at the top, or in the vector or list that holds them all.

    Raises:
        EdnError: a value is not understood, or the text ends inside one.
    """
    tokens = _tokens(lines)
    inside = ""
    line = 1
    for line, token in tokens:
        if not inside and token in ("[", "("):
            inside = token
        elif inside and token == _CLOSING[inside]:
            inside = ""
        elif token == "#_":
            _next_value(tokens, line, 0)
        else:
            yield line, _value(tokens, line, token, 0)
    if inside:
        raise EdnError(line, f"the text ends, but {inside} is not closed")


def _tokens(lines: Iterable[tuple[int, str]]) -> _Tokens:
    for line, text in lines:
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            token = found[1] if found is not None else ""
            if token == '"':
                raise EdnError(line, "a string is never closed")
            if token:
                yield line, token
            at = len(text) if found is None or not token else found.end()


def _next_value(tokens: _Tokens, line: int, depth: int) -> Any:
    """The next value, past whatever is discarded."""
    for where, token in tokens:
        if token == "#_":
            _next_value(tokens, where, depth + 1)
            continue
        return _value(tokens, where, token, depth)
    raise EdnError(line, "the value is cut short")


def _value(tokens: _Tokens, line: int, token: str, depth: int) -> Any:
    """The value that begins with this token."""
    if depth > _DEEPEST:
        raise EdnError(line, "nested deeper than this program reads")
    if token in ("}", "]", ")"):
        raise EdnError(line, f"{token} closes nothing")
    if token.startswith("#") and token != "#{" and not token.startswith("##"):
        return _next_value(tokens, line, depth + 1)  # a tag says how Clojure holds what follows
    if token not in _CLOSING:
        return _atom(line, token)
    items: list[Any] = []
    for where, inner in tokens:
        if inner == _CLOSING[token]:
            return items if token != "{" else _map(line, items)
        if inner == "#_":
            _next_value(tokens, where, depth + 1)
        else:
            items.append(_value(tokens, where, inner, depth + 1))
    raise EdnError(line, f"{token} is never closed")


def _map(line: int, items: list[Any]) -> dict[str, Any]:
    if len(items) % 2:
        raise EdnError(line, "a map with a key and no value")
    keys = list(map(str, items[::2]))
    if len(set(keys)) < len(keys):
        raise EdnError(line, "a key occurs twice in one map")
    return dict(zip(keys, items[1::2], strict=True))


def _atom(line: int, token: str) -> Any:
    if token.startswith('"'):
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token[1:-1])
    if token in ("nil", "true", "false"):
        return {"nil": None, "true": True, "false": False}[token]
    if _INTEGER.fullmatch(token):
        if len(token) > _MOST_DIGITS:
            raise EdnError(line, f"a number of {len(token):,} digits; at most {_MOST_DIGITS:,} are read")
        return int(token.removesuffix("N"))
    try:
        return float(token.removesuffix("M"))
    except ValueError:
        return token.removeprefix(":")
