"""YAML to plain values, with the line of each: the part that must survive any text somebody sends."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from apps.deployments.compose.problems import ManifestError, Path, Problem, place_of

MAX_BYTES = 64 * 1024
"""Of the file: what it costs to read one grows with its size, and the largest takes well below a second."""
MAX_UNFOLDED = 256 * 1024
"""Characters of all keys and values, once aliases are unfolded and variables filled in."""
MAX_VALUES = 10_000
"""As written, and again as unfolded: aliases count each time they are used, a "billion laughs" ends here."""
MAX_DEPTH = 24
MAX_KEY = 256
MAX_NUMBER = 64
"""Characters; what is longer is text to us, and Python would take its time over the digits."""
MAX_PROBLEMS = 100
MAX_MESSAGE = 500
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
TOO_MANY = f"more than {MAX_VALUES} values"

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = {f"{_TAG}str", f"{_TAG}timestamp"}
_NUMBER_TAGS = {f"{_TAG}int", f"{_TAG}float"}


class Excess(ComposerError):
    """Fine as YAML, but more than is taken."""


class BoundedComposer(Composer):
    """Turns back at the limits, while the parser is still there, instead of when all is read."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        self.nodes += 1
        if self.depth > MAX_DEPTH or self.nodes > MAX_VALUES:
            message = TOO_DEEP if self.depth > MAX_DEPTH else TOO_MANY
            raise Excess(None, None, message, self.parser.peek_event().start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class Source:
    """A Compose file as read: `root`, plain values, and `line_of`, where each of them stands.

    Scalars stay as they were written until `value_of_scalar` reads them, after variables are filled in.
    """

    def __init__(self, text: str, *, file_name: str) -> None:
        self.file_name = file_name
        self.problems: list[Problem] = []
        self.lines: dict[Path, int] = {(): 1}
        self._places: set[str] = set()
        self._values = 0
        self._characters = 0
        self._yaml = YAML(typ="safe", pure=True)
        self._yaml.Composer = BoundedComposer
        if len(text.encode(errors="replace")) > MAX_BYTES:
            raise self.refusal(
                f"the file is larger than {MAX_BYTES // 1024} KiB; split it into several deployments"
            )
        self.node = self._compose(text)

    def refusal(self, message: str, *, line: int | None = None, path: Path = ()) -> ManifestError:
        return ManifestError([self._problem(place_of(path), line, message)])

    def add(self, path: Path, message: str, *, line: int | None = None) -> None:
        """Note a problem; a second one at the same place would only follow from the first.

        Raises ManifestError when there are so many that nobody would read on.
        """
        place = place_of(path)
        if line is None and place in self._places:
            return
        self._places.add(place)
        self.problems.append(self._problem(place, line or self.line_of(path), message))
        if len(self.problems) == MAX_PROBLEMS:
            rest = self._problem("", None, f"{MAX_PROBLEMS} problems, and not all is read: mend these first")
            raise ManifestError([rest, *self.problems])

    def _problem(self, place: str, line: int | None, message: str) -> Problem:
        short = message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 3]}..."
        return Problem(place, line, short, self.file_name)

    def line_of(self, path: Path) -> int:
        """The line of this place, or of the nearest one around it that was written."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def _compose(self, text: str) -> Node | None:
        try:
            return self._yaml.compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else None
            what = "" if isinstance(error, Excess) else "not valid YAML: "
            raise self.refusal(f"{what}{error.problem or error.context}", line=line) from None
        except YAMLError as error:
            raise self.refusal(f"not valid YAML: {str(error).splitlines()[0]}") from None

    def unfold(self, fill_in: Any) -> Any:
        """The plain values below the root; `fill_in(path, text)` replaces variables in every scalar."""
        return None if self.node is None else self._value(self.node, (), fill_in)

    def _value(self, node: Node, path: Path, fill_in: Any) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._too_much(f"{TOO_MANY}, aliases unfolded", path)
        if len(path) > MAX_DEPTH:
            raise self._too_much(TOO_DEEP, path)
        if isinstance(node, MappingNode):
            return self._mapping(node, path, fill_in)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*path, number), fill_in) for number, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path, fill_in)

    def _count(self, characters: int, path: Path) -> None:
        self._characters += characters
        if self._characters > MAX_UNFOLDED:
            raise self._too_much(
                f"more than {MAX_UNFOLDED // 1024} KiB, aliases unfolded and variables filled in: "
                "put large files into the image",
                path,
            )

    def _too_much(self, message: str, path: Path) -> ManifestError:
        """Named at its top: the place within says nothing to a person."""
        return self.refusal(message, line=self.line_of(path[:3]), path=path[:3])

    def _mapping(self, node: MappingNode, path: Path, fill_in: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._key(key_node, path)
            if str(key_node.tag) == f"{_TAG}merge":
                self._merge(value_node, path, fill_in, into=merged)
            elif key is None:
                found = "a long text" if isinstance(key_node, ScalarNode) else "a list or a map"
                message = f"expected a name before the colon, at most {MAX_KEY} characters, found {found}"
                self.add(path, message, line=line)
            elif key in values:
                self.add((*path, key), f"given twice, first in line {self.lines[(*path, key)]}", line=line)
            else:
                self.lines[(*path, key)] = line
                values[key] = self._value(value_node, (*path, key), fill_in)
        return merged | values

    def _key(self, node: Node, path: Path) -> str | None:
        """None for what is no name: a list, a map, a novel."""
        if not isinstance(node, ScalarNode) or len(node.value) > MAX_KEY:
            return None
        self._count(len(node.value), path)
        return self._whole(str(node.value), path)

    def _whole(self, text: str, path: Path) -> str:
        """JSON writes some characters as two escapes; what can't be stored as text is refused."""
        try:
            whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            whole = "\0"
        if "\0" in whole:
            self.add(path, "contains half a character, or the character 0: neither is text")
        return whole.replace("\0", "")

    def _merge(self, node: Node, path: Path, fill_in: Any, *, into: dict[str, Any]) -> None:
        """Add what `<<: *anchor` (or a list of anchors, the first of which wins) brings in."""
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        for part in nodes:
            if isinstance(part, MappingNode) and len(path) <= MAX_DEPTH:
                for key, value in self._value(part, (*path, "<<"), fill_in).items():
                    into.setdefault(key, value)
            else:
                self.add(path, "<< merges maps only", line=node.start_mark.line + 1)

    def _scalar(self, node: ScalarNode, path: Path, fill_in: Any) -> Any:
        self._count(len(node.value), path)
        tag, text = str(node.tag), fill_in(path, self._whole(node.value, path))
        self._count(max(0, len(text) - len(node.value)), path)
        if text != node.value and node.style is None:
            # A variable stood here: `replicas: ${N}` is a number once N is known.
            tag = str(self._yaml.resolver.resolve(ScalarNode, text, (True, False)))
        if tag in _TEXT_TAGS:
            return text
        if tag in _NUMBER_TAGS:
            return _number(text)
        if tag == f"{_TAG}bool":
            return text.lower() in {"true", "yes", "on"}
        if tag == f"{_TAG}null":
            return None
        self.add(path, f"the tag {node.tag} is not supported: write a plain value")
        return None


class WrittenFloat(float):
    """A number with a point that remembers how it was written, so that prices and versions lose no digit."""

    text: str

    def __new__(cls, text: str) -> WrittenFloat:
        number = super().__new__(cls, text.replace("_", ""))
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


def _number(text: str) -> int | float | str:
    if len(text) > MAX_NUMBER:
        return text
    try:
        return (
            int(text.replace("_", ""), 0)
            if text.lower().startswith(("0x", "0o"))
            else int(text.replace("_", ""))
        )
    except ValueError:
        pass
    try:
        return WrittenFloat(text)
    except ValueError:  # `.inf`, `.nan`: nothing in a Compose file is that
        return text
