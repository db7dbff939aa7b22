"""JSON that remembers where each value stands, and takes only one way of writing it.

Stricter than JSON: no fractions (amounts are texts), no key twice, no escape where none is needed. So a byte
that changed is seen, and what may still differ between two files that say the same is white space.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Any

Path = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"-?[0-9]+|[a-z]+")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
DEEPEST = 12


class Wrong(Exception):
    """The first thing that is wrong: `path` in the document, `offset` in bytes, and what is wrong there."""

    def __init__(self, path: Path, offset: int, why: str) -> None:
        self.path, self.offset, self.why = "/" + "/".join(map(str, path)), offset, why
        super().__init__(f"{self.path} (byte {offset}): {why}")


class Object(dict[str, Any]):
    """`at` has for each key where its value begins, in characters."""

    at: dict[str | int, int]


class Array(list[Any]):
    at: dict[str | int, int]


class Document:
    """A file that was read. Raises Wrong for one that can't be."""

    def __init__(self, data: bytes) -> None:
        if data.startswith(b"%PDF-"):
            raise Wrong((), 0, "this is a PDF: export the JSON (hive invoices NUMBER --save invoice.json)")
        try:
            self._text = data.decode()
        except UnicodeDecodeError as error:
            raise Wrong((), error.start, "expected UTF-8") from None
        self._pos = self._begins = _SPACE.match(self._text, 0).end()  # type: ignore[union-attr]  # always matches
        self.root = self._value(())
        self._skip()
        if self._pos < len(self._text):
            raise self._here((), "expected the end of the file")

    def wrong(self, path: Path, why: str) -> Wrong:
        return Wrong(path, self.offset(path), why)

    def offset(self, path: Path) -> int:
        """In bytes: where the value begins that the path names, or as near as there is something."""
        position, node = self._begins, self.root
        for step in path:
            if not isinstance(node, (Object, Array)) or step not in node.at:
                break
            position, node = node.at[step], node[step]  # type: ignore[index]  # the steps are its own
        return self._bytes(position)

    # -- reading ------------------------------------------------------------------------------------------

    def _value(self, path: Path) -> Any:
        if len(path) > DEEPEST:
            raise self._here(path, f"nested deeper than {DEEPEST}")
        char = self._text[self._pos : self._pos + 1]
        if char == "{":
            return self._object(path)
        if char == "[":
            return self._array(path)
        return self._string(path) if char == '"' else self._word(path)

    def _object(self, path: Path) -> Object:
        found = Object()
        found.at = {}
        while self._goes_on("}", path, is_first=not found):
            if self._text[self._pos : self._pos + 1] != '"':
                raise self._here(path, "expected a key in quotes")
            begins = self._pos
            key = self._string(path)
            if key in found:
                raise Wrong((*path, key), self._bytes(begins), "stands there twice")
            self._expect(":", (*path, key))
            found.at[key] = self._pos
            found[key] = self._value((*path, key))
        return found

    def _array(self, path: Path) -> Array:
        found = Array()
        found.at = {}
        while self._goes_on("]", path, is_first=not found):
            found.at[len(found)] = self._pos
            found.append(self._value((*path, len(found))))
        return found

    def _goes_on(self, closing: str, path: Path, *, is_first: bool) -> bool:
        """Past the opening bracket or the comma, to the next member; False past the closing one."""
        if is_first:
            self._pos += 1
        self._skip()
        if self._text.startswith(closing, self._pos):
            self._pos += 1
            return False
        if not is_first:
            self._expect(",", path)
        return True

    def _expect(self, char: str, path: Path) -> None:
        self._skip()
        if not self._text.startswith(char, self._pos):
            raise self._here(path, f"expected {char}")
        self._pos += 1
        self._skip()

    def _string(self, path: Path) -> str:
        begins = self._pos
        try:
            value, self._pos = scanstring(self._text, begins + 1, True)
        except json.JSONDecodeError as error:
            raise Wrong(path, self._bytes(error.pos), error.msg) from None
        if self._text[begins : self._pos] != json.dumps(value, ensure_ascii=False):
            raise Wrong(path, self._bytes(begins), "written with an escape that is not needed")
        return value

    def _word(self, path: Path) -> Any:
        found = _WORD.match(self._text, self._pos)
        word = found.group() if found else ""
        begins, self._pos = self._pos, self._pos + len(word)
        if word in _WORDS:
            return _WORDS[word]
        if word[-1:].isdigit() and len(word) < 40 and str(int(word)) == word:
            return int(word)
        raise Wrong(path, self._bytes(begins), "expected a text, a whole number, true, false or null")

    def _skip(self) -> None:
        self._pos = _SPACE.match(self._text, self._pos).end()  # type: ignore[union-attr]  # always matches

    def _here(self, path: Path, why: str) -> Wrong:
        return Wrong(path, self._bytes(self._pos), why)

    def _bytes(self, characters: int) -> int:
        return len(self._text[:characters].encode())
