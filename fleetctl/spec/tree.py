"""YAML events become a tree of nodes; every hazard of YAML is refused before anything is built from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import yaml
from msgspec import Struct

from fleetctl.spec.positions import Items, Mark, Node, Scalar, Table
from fleetctl.spec.problems import Problems
from fleetctl.spec.scalars import Ambiguous, resolve_plain
from fleetctl.spec.textfile import decode
from fleetctl.spec.wording import join, shown

MAX_DEPTH = 32
MAX_NODES = 10_000
"""Nodes after aliases and merges are written out; a service takes about 50."""
MAX_MERGES = 200

_SCALAR_TAGS = frozenset(("!", "tag:yaml.org,2002:str"))
_COLLECTION_TAGS = frozenset(("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))

Report = Callable[[Mark, str, str | None], None]


def read_tree(data: bytes, label: str, problems: Problems) -> Node:
    """The tree of one YAML document; `label` names the file in marks.

    Mistakes that leave a tree are noted in `problems`; raises Stop for the others.
    """
    return _Reader(label, problems).read(decode(data, label, problems))


class _Anchored(Struct, eq=False):
    """A node that aliases may repeat, with the nodes and the depth that it stands for once written out."""

    node: Node
    size: int
    height: int


class _Open(Struct, eq=False):
    """A collection being read; `size` and `height` count what aliases and merges stand for, too."""

    node: Items | Table
    anchor: str | None
    flow: bool
    report: Report
    size: int = 1
    height: int = 1

    def add(self, node: Node, mark: Mark, *, merge: bool) -> None:
        """Take the next node; `merge` tells that it is the key <<."""
        raise NotImplementedError

    def awaits_key(self) -> bool:
        return False


class _OpenItems(_Open):
    node: Items

    def add(self, node: Node, mark: Mark, *, merge: bool) -> None:
        self.node.items.append(node)


class _OpenTable(_Open):
    """`key` is None for a key that was refused, `key_mark` None while a key is awaited."""

    node: Table
    key: str | None = None
    key_mark: Mark | None = None
    merging: bool = False
    merges: list[Node] | None = None

    def awaits_key(self) -> bool:
        return self.key_mark is None

    def add(self, node: Node, mark: Mark, *, merge: bool) -> None:
        if self.key_mark is None:
            self.key_mark, self.merging, self.key = mark, merge, None
            if not merge:
                self.key = self._key(node, mark)
            return
        if self.merging:
            self._merge(node, self.key_mark)
        elif self.key is not None:
            self.node.entries[self.key] = node
            self.node.marks[self.key] = self.key_mark
        self.key_mark = None

    def _key(self, node: Node, mark: Mark) -> str | None:
        if not isinstance(node, Scalar):
            self.report(mark, "a key must be text, not a list or mapping", None)
        elif not isinstance(node.value, str):
            self.report(mark, f"the key {shown(node.text)} is not text", "write it in quotes")
        elif "\0" in node.value:
            self.report(mark, "a key with a NUL byte", None)
        elif node.value in self.node.entries:
            line = self.node.marks[node.value].line
            # The path that is reported ends in it.
            self.key = node.value
            self.report(mark, f"the key {shown(node.value)} appears twice, first in line {line}", "keep one of them")
        else:
            return node.value
        return None

    def _merge(self, node: Node, mark: Mark) -> None:
        if self.merges is not None:
            self.report(mark, "<< appears twice in one mapping", "write one << with a list")
        self.merges = node.items if isinstance(node, Items) else [node]
        if not all(isinstance(source, Table) for source in self.merges):
            self.report(mark, "<< takes a mapping or a list of mappings", "write <<: *anchor")

    def apply_merges(self) -> None:
        """Explicit keys beat merged ones, and the first of several mappings wins: https://yaml.org/type/merge.html."""
        for source in self.merges or ():
            if isinstance(source, Table):
                for key, value in source.entries.items():
                    if key not in self.node.entries:
                        self.node.entries[key] = value
                        self.node.marks[key] = source.marks[key]


class _Reader:
    """Builds the tree bottom-up from events, with every limit checked before a node is kept."""

    def __init__(self, label: str, problems: Problems) -> None:
        self.label = label
        self.problems = problems
        self.anchors: dict[str, _Anchored] = {}
        self.open: list[_OpenItems | _OpenTable] = []
        self.root: Node | None = None
        self.documents = 0
        self.nodes = 0
        self.merges = 0

    def read(self, text: str) -> Node:
        try:
            # The C parser where PyYAML was built with it: ten times as fast, and without recursion.
            for event in yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader)):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            at = error.problem_mark or error.context_mark
            mark = Mark(self.label, at.line + 1, at.column + 1) if at else Mark(self.label, 1, 1)
            line = text.split("\n", mark.line)[mark.line - 1 : mark.line]
            tab = bool(line) and "\t" in line[0][: mark.column]
            hint = "YAML indents with spaces, never with tabs" if tab else None
            self._stop(mark, f"not YAML: {error.problem}", hint)
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            mark = Mark(self.label, before.count("\n") + 1, len(before) - before.rfind("\n"))
            self._stop(mark, f"not YAML: {error.reason}", "remove the control character")
        if self.root is None:
            self._stop(Mark(self.label, 1, 1), "the file is empty", "a fleet needs at least services:")
        return self.root

    def _report(self, mark: Mark, message: str, hint: str | None) -> None:
        self.problems.add(str(mark), self._path(), message, hint)

    def _path(self) -> str:
        """The key path of the node being read, as far as its keys are read."""
        path = ""
        for collection in self.open:
            if isinstance(collection, _OpenItems):
                path = f"{path}[{len(collection.node.items)}]"
            elif collection.key is not None and not collection.awaits_key():
                path = join(path, collection.key)
        return path

    def _stop(self, mark: Mark, message: str, hint: str | None) -> NoReturn:
        self.problems.stop(str(mark), self._path(), message, hint)

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            self._close()
            return
        start = event.start_mark
        mark = Mark(self.label, start.line + 1, start.column + 1) if start else Mark(self.label, 1, 1)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, mark)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event, mark)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), mark)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._stop(mark, "a second document begins here", "keep one document in a file")
            if event.version or event.tags:
                self._report(mark, "YAML directives are not supported", "delete the line")

    def _count(self, size: int, mark: Mark) -> None:
        self.nodes += size
        if self.nodes > MAX_NODES:
            message = f"more than {MAX_NODES} values once aliases and merges are written out"
            self._stop(mark, message, "split the fleet")

    def _check_tag(
        self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, mark: Mark, known: frozenset[str]
    ) -> None:
        if event.tag is not None and event.tag not in known:
            self._report(mark, f"the tag {shown(event.tag)} is not supported", "write the plain value")

    def _open(self, event: yaml.CollectionStartEvent, mark: Mark) -> None:
        self._count(1, mark)
        self._check_tag(event, mark, _COLLECTION_TAGS)
        if len(self.open) >= MAX_DEPTH:
            self._stop(mark, f"nested deeper than {MAX_DEPTH} levels", None)
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)
        if isinstance(event, yaml.MappingStartEvent):
            self.open.append(_OpenTable(Table(mark), event.anchor, bool(event.flow_style), self._report))
        else:
            self.open.append(_OpenItems(Items(mark), event.anchor, bool(event.flow_style), self._report))

    def _close(self) -> None:
        closed = self.open.pop()
        if isinstance(closed, _OpenTable):
            closed.apply_merges()
        if closed.anchor is not None:
            self.anchors[closed.anchor] = _Anchored(closed.node, closed.size, closed.height)
        self._place(_Anchored(closed.node, closed.size, closed.height), closed.node.mark)

    def _alias(self, name: str, mark: Mark) -> None:
        anchored = self.anchors.get(name)
        if anchored is None:
            inside = any(collection.anchor == name for collection in self.open)
            self._stop(mark, f"*{name} contains itself" if inside else f"*{name} has no anchor before it", None)
        self._count(anchored.size, mark)
        if len(self.open) + anchored.height > MAX_DEPTH:
            self._stop(mark, f"nested deeper than {MAX_DEPTH} levels", None)
        self._place(anchored, mark)

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> None:
        self._count(1, mark)
        self._check_tag(event, mark, _SCALAR_TAGS)
        plain = event.style in (None, "") and event.tag is None
        merge = plain and event.value == "<<" and bool(self.open) and self.open[-1].awaits_key()
        if merge:
            self.merges += 1
            if self.merges > MAX_MERGES:
                self._stop(mark, f"more than {MAX_MERGES} merges (<<)", "write the keys out")
        node = Scalar(mark, event.value, event.value, castable=not plain)
        if plain and "?" in event.value and any(collection.flow for collection in self.open):
            self._report(mark, "Compose's reader takes ? for a key between { } or [ ]", "write it in quotes")
        if plain and not merge:
            try:
                node.value = resolve_plain(event.value)
            except Ambiguous as error:
                self._report(mark, f"{shown(event.value)}: {error}", error.hint)
                node.refused = True
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(node, 1, 0)
        self._place(_Anchored(node, 1, 0), mark, merge=merge)

    def _place(self, finished: _Anchored, mark: Mark, *, merge: bool = False) -> None:
        """Put a finished node where the innermost open collection expects it."""
        if not self.open:
            self.root = finished.node
            return
        around = self.open[-1]
        around.size += finished.size
        around.height = max(around.height, finished.height + 1)
        around.add(finished.node, mark, merge=merge)
