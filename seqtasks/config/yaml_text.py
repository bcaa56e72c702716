"""YAML as configurations use it: plain values, each key once, no deeper than anyone writes.

PyYAML lets the last of two equal keys win, follows a value that contains itself, and ends in a
RecursionError where brackets are nested a few hundred deep. None of it is a configuration.
"""

from typing import Any

import yaml

_DEPTH = 50
_VALUES = 100_000  # with what aliases repeat; a few lines of them can stand for billions


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str):
        super().__init__(text)
        self._depth = 0
        self._values = 0
        self._open: set[str] = set()  # anchors of the values that are being read
        self._sizes: dict[str, int] = {}  # how many values an anchor stands for

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()
        anchor = event.anchor
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias and anchor in self._open:
            raise _refused(f"the value &{anchor} contains itself", event)
        before = self._values
        self._values += self._sizes.get(anchor, 1) if is_alias else 1
        if self._values > _VALUES:
            raise _refused(f"more than {_VALUES:,} values, with those that aliases repeat", event)
        if self._depth == _DEPTH:
            raise _refused(f"nested more than {_DEPTH} deep", event)
        self._depth += 1
        if anchor and not is_alias:
            self._open.add(anchor)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if anchor and not is_alias:
            self._open.discard(anchor)
            self._sizes[anchor] = self._values - before
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in first:
                earlier = first[key.tag, key.value]
                raise _refused(f"the key {key.value!r} is there already, in line {earlier}", key)
            first[key.tag, key.value] = line
        return node


def read_yaml(text: str) -> Any:
    """Return what `text` says; keys and values, lists and plain values only.

    Raises:
        yaml.YAMLError: text that isn't YAML, a key that is given twice, a value that contains
            itself, nesting or aliases beyond any configuration, a number or date that isn't one.

    >>> read_yaml("units: 128")
    {'units': 128}
    """
    try:
        return yaml.load(text, _Loader)  # a SafeLoader
    except (ValueError, OverflowError, AttributeError) as error:
        # Such as 2026-13-01, a number of 5,000 digits, or !!timestamp of what is no time.
        raise yaml.YAMLError(str(error)) from error


def _refused(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)
