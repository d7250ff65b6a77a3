"""A YAML file of settings: what it says, in which line, and what in it is no setting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from .definition import definitions
from .kinds import Raw
from .setting import Entry, Place
from .spelling import nearest

_ROOT: Final = "exporter"
_MOST_BYTES: Final = 1 << 20
_MOST_VALUES: Final = 10_000
_DEEPEST: Final = 8
_LONGEST_KEY: Final = 80
# Longer than one character, which may be written '\\t', and no token's name such as '<block end>'.
_QUOTED: Final = re.compile(r"'(?!<|\\.')[^']{2,}'")
_STANDARD_TAG: Final = "tag:yaml.org,2002:"
_NULL: Final = _STANDARD_TAG + "null"
_MERGE: Final = _STANDARD_TAG + "merge"


@dataclass(slots=True)
class YamlFile:
    """What a file says: ``entries`` by their path below ``exporter``, and ``problems`` with the rest."""

    path: str
    entries: dict[str, Entry] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_yaml_file(path: str) -> YamlFile:
    """Read the file ``path``. Raises nothing: what is wrong is in the result.

    No value is made from it by YAML's rules, so ``0123`` is as good a password as any and no tag has a meaning.
    """
    read = YamlFile(path)
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise OSError(f"it has more than {_MOST_BYTES} bytes")
        root = yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        read.problems.append(f"{path}: cannot be read: {error.strerror or error}")
    except ValueError as error:
        read.problems.append(f"{path}: cannot be read: {error}")
    except yaml.YAMLError as error:
        read.problems.append(_not_yaml(path, error))
    except RecursionError:
        read.problems.append(f"{path}: is not YAML that can be read: it is nested too deeply")
    else:
        _Walk(read).start(root)
    return read


def _not_yaml(path: str, error: yaml.YAMLError) -> str:
    """What YAML's parser says, without the words of the file that it quotes: a password may be among them."""
    mark = getattr(error, "problem_mark", None)
    where = path if mark is None else f"{path}:{mark.line + 1}"
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    return f"{where}: is not YAML: {_QUOTED.sub('...', reason)}"


class _Walk:
    """Goes down from the root to the settings, no further than there are any."""

    def __init__(self, read: YamlFile) -> None:
        self._read = read
        self._values_left = _MOST_VALUES
        self._settings = {path for one in definitions() for path in (one.yaml, one.also) if path}
        self._groups = {"".join(path[:end]) for path in self._settings for end, c in enumerate(path) if c == "."}

    def start(self, root: yaml.Node | None) -> None:
        top = dict(self._pairs(root)) if isinstance(root, yaml.MappingNode) else {}
        node = top.get(_ROOT)
        if node is not None and _is_unset(node):
            return
        if not isinstance(node, yaml.MappingNode):
            close = nearest(_ROOT, top) if node is None else None
            hint = f"; did you mean {_ROOT!r} by {close!r}?" if close else ""
            self._read.problems.append(f"{self._read.path}: has no mapping {_ROOT!r} at its top level{hint}")
            return
        self._walk(node, "")

    def _walk(self, mapping: yaml.MappingNode, prefix: str) -> None:
        for key, node in self._pairs(mapping, f"{_ROOT}.{prefix}"):
            path = prefix + key
            # A key may be anything, and a problem is one line.
            name = f"{_ROOT}.{path}" if key.isprintable() and len(key) <= _LONGEST_KEY else f"{_ROOT}.{prefix}?"
            place = Place(name, f"{self._read.path}:{node.start_mark.line + 1}")
            if path in self._settings:
                if not _is_unset(node):
                    self._take(path, node, place)
            elif path not in self._groups:
                self._unknown(path, place)
            elif isinstance(node, yaml.MappingNode):
                self._walk(node, f"{path}.")
            elif not _is_unset(node):
                self._read.problems.append(f"{place}: is not a mapping")

    def _take(self, path: str, node: yaml.Node, place: Place) -> None:
        try:
            self._read.entries[path] = Entry(self._raw(node), place)
        except ValueError as error:
            self._read.problems.append(f"{place}: {error}")

    def _raw(self, node: yaml.Node, depth: int = 0) -> Raw:
        """The value as it is written. Raises ValueError for what no setting has."""
        # Few lines can mean billions of values, by their aliases.
        self._values_left -= 1
        if depth > _DEEPEST or self._values_left < 0:
            raise ValueError("has too many values in it")
        if not node.tag.startswith(_STANDARD_TAG):
            raise ValueError("a tag (!) has no meaning here")
        if isinstance(node, yaml.SequenceNode):
            return [self._raw(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode):
            return {str(self._raw(key, depth + 1)): self._raw(value, depth + 1) for key, value in node.value}
        text: str = node.value
        return text

    def _unknown(self, path: str, place: Place) -> None:
        close = nearest(path, [*self._settings, *self._groups])
        hint = f"; did you mean {_ROOT}.{close}?" if close else ""
        self._read.problems.append(f"{place}: there is no such setting{hint}")

    def _pairs(self, mapping: yaml.MappingNode, prefix: str = "") -> Iterator[tuple[str, yaml.Node]]:
        """The keys and values of ``mapping`` with what it merges (``<<``), its own first."""
        lines: dict[str, int] = {}
        waiting, done = [mapping], set[int]()
        while waiting:
            merged = waiting.pop(0)
            done.add(id(merged))
            for key_node, node in merged.value:
                line = key_node.start_mark.line + 1
                if key_node.tag == _MERGE:
                    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
                    waiting += [one for one in nodes if isinstance(one, yaml.MappingNode) and id(one) not in done]
                elif not isinstance(key_node, yaml.ScalarNode):
                    self._read.problems.append(f"{self._read.path}:{line}: a key is no name")
                elif key_node.value not in lines:
                    lines[key_node.value] = line
                    yield key_node.value, node
                elif merged is mapping:
                    place = Place(prefix + key_node.value, f"{self._read.path}:{line}")
                    self._read.problems.append(f"{place}: is in line {lines[key_node.value]} already")


def _is_unset(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and (node.tag == _NULL or node.value == "")
