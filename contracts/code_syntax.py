"""What one module says, definition by definition: hashes of syntax, and the names that each part reads.

in : a module of this repository
out: a `ModuleSyntax`: its definitions (functions, classes, constants, other statements) with a hash for each of their
     parts, the names that they read, and what its imports bind
Invariant: comments, docstrings, blank lines, formatting and the order of imports change nothing in it.
Analyses are kept in __pycache__, by the hash of the file's bytes and of what analyses them.
"""

import ast
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from contracts import code_effects, code_hashes, code_names, code_nodes
from contracts.code_effects import ImportEffects
from contracts.code_hashes import class_parts, function_parts, hash_of, serialized, syntax_hash
from contracts.code_names import NameReader, bind_imports, names_bound
from contracts.code_nodes import (
    dotted,
    imported_names,
    imports_at_top,
    is_import,
    is_simple,
    says_nothing,
    unsubscripted,
)
from contracts.code_places import REPOSITORY, ROOMS, module_source


@dataclass
class Definition:
    """A function, a class, a constant, or another statement at a module's top level."""

    name: str  # what it binds; "line-free" names such as "statement 2" where it binds nothing
    kind: str  # function, class, constant, statement or import
    parts: dict[str, str] = field(default_factory=dict)  # {part: hash}, e.g. signature, body, method predict
    names: list[str] = field(default_factory=list)  # names that it reads from the module, or from its own imports
    chains: list[str] = field(default_factory=list)  # dotted names whose root an import binds, e.g. tokens.SCHEMA
    imports: dict[str, list[str]] = field(default_factory=dict)  # imports inside it: {name: targets}
    loads: list[str] = field(default_factory=list)  # modules that its own imports execute
    at_import: bool = False  # whether executing the module may do more than bind its name
    binds: list[str] = field(default_factory=list)  # all names that it binds
    bases: list[str] = field(default_factory=list)  # of a class
    hooks_subclasses: bool = False  # a class that learns of its subclasses
    annotation_names: list[str] = field(default_factory=list)  # what its functions' annotations name
    reads_annotations: bool = False
    imports_by_name: bool = False
    dynamic: bool = False  # may read any name of the module
    beside: bool = False  # asks where its file lies, or for a package's resources
    texts: list[str] = field(default_factory=list)  # texts in it that look like names of files


@dataclass
class ModuleSyntax:
    """One module."""

    definitions: list[Definition]
    imports: dict[str, list[str]]  # {name: targets}; a target is a module, or "module:attribute"
    loads: list[str]  # modules that its imports execute, in no order
    stars: list[str]  # modules of which it imports all names

    @classmethod
    def from_json(cls, value: Mapping) -> "ModuleSyntax":
        """The same from what `asdict` gave."""
        return cls(**{**value, "definitions": [Definition(**described) for described in value["definitions"]]})

    def to_json(self) -> dict:
        """Plain values."""
        return asdict(self)


def syntax_of(name: str, repository: Path = REPOSITORY) -> ModuleSyntax:
    """The analysis of a module, made once for each state of its file."""
    source = module_source(name, repository)
    status = source.stat()
    return _syntax_of_file(source, repository, status.st_mtime_ns, status.st_size)


@cache
def _syntax_of_file(source: Path, repository: Path, _modified: int, _size: int) -> ModuleSyntax:
    """Read from __pycache__ where it holds the analysis of these very bytes, else made and left there."""
    content = source.read_bytes()
    # An analysis is one of these bytes by that analyser.
    digest = hashlib.sha256(_analyser() + content).hexdigest()
    kept = source.parent / "__pycache__" / f"{source.stem}.syntax.json"
    try:
        described = json.loads(kept.read_bytes())
        if described.pop("sha256") == digest:
            return ModuleSyntax.from_json(described)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    parts = source.relative_to(repository).with_suffix("").parts[:-1]
    syntax = module_syntax(content, str(source), ".".join(parts), ROOMS)
    _keep(kept, {"sha256": digest, **syntax.to_json()})
    return syntax


@cache
def _analyser() -> bytes:
    """The sources of what makes an analysis."""
    makers = (code_effects, code_hashes, code_names, code_nodes)
    return b"".join(Path(file).read_bytes() for file in (__file__, *(made.__file__ for made in makers)))


def _keep(path: Path, value: object) -> None:
    """Leave an analysis for the next process; where nothing can be written, it is made again."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps(value), encoding="utf-8")
        os.replace(partial, path)
    except OSError:
        return


def module_fingerprint(name: str, repository: Path = REPOSITORY) -> str:
    """Hex sha256 of everything that one module says, whether or not anybody reaches it."""
    syntax = syntax_of(name, repository)
    said = [[made.name, made.parts] for made in syntax.definitions]
    return hashlib.sha256(json.dumps([said, syntax.imports, sorted(syntax.stars)], sort_keys=True).encode()).hexdigest()


def module_syntax(source: bytes, file_name: str, package: str, own: tuple[str, ...]) -> ModuleSyntax:
    """Analyse one file. Raises SyntaxError naming the file.

    `package` is what its relative imports start from; `own` are the packages whose calls may do anything at import.
    """
    reader = _ModuleReader(package, own)
    reader.read(ast.parse(source, file_name).body)
    return ModuleSyntax(reader.definitions, reader.imports, sorted(reader.loads), sorted(reader.stars))


class _ModuleReader:
    """Collects a module's definitions and imports, statement by statement."""

    def __init__(self, package: str, own: tuple[str, ...]) -> None:
        self.package = package
        self.own = own
        self.definitions: list[Definition] = []
        self.imports: dict[str, list[str]] = {}
        self.loads: set[str] = set()
        self.stars: set[str] = set()
        self.acts = ImportEffects(frozenset())

    def read(self, body: list[ast.stmt]) -> None:
        """All top-level statements; imports first, since they decide what a dotted name is."""
        statements = [node for node in body if not says_nothing(node)]
        bound = {name for node in statements if not is_import(node) for name in names_bound(node)}
        for node in statements:
            for inner in imports_at_top(node):
                self.stars |= bind_imports(inner, self.package, self.imports, self.loads)
        ours = {name for name, targets in self.imports.items() for target in targets if self.is_own(target)}
        self.acts = ImportEffects(frozenset(bound | ours))
        nameless = 0
        for node in statements:
            if not is_import(node):
                definition = self.definition(node)
                if not definition.name:
                    nameless += 1
                    definition.name = f"statement {nameless}"
                self.definitions.append(definition)
        if any(name in bound for node in statements if is_import(node) for name in imported_names(node)):
            # An import and a definition of one name: the later one counts, so their order does.
            everything = {"body": hash_of(map(serialized, statements))}
            self.definitions.append(Definition("all statements", "statement", everything, at_import=True))

    def is_own(self, target: str) -> bool:
        """Whether an import's target lies in one of our packages."""
        return target.split(":")[0].split(".")[0] in self.own

    def definition(self, node: ast.stmt) -> Definition:
        """One statement."""
        made = self.bare_definition(node)
        reader = NameReader(self.package, self.imports)
        reader.read_top(node)
        made.names, made.chains, made.texts = sorted(reader.names), sorted(reader.chains), sorted(reader.texts)
        made.annotation_names = sorted(reader.annotation_names)
        made.imports, made.loads = reader.imports, sorted(reader.loads)
        made.dynamic, made.beside, made.imports_by_name = reader.dynamic, reader.beside, reader.imports_by_name
        made.reads_annotations = reader.reads_annotations
        if reader.reads_annotations:
            made.parts["text"] = hash_of([serialized(node, annotations=True)])
        return made

    def bare_definition(self, node: ast.stmt) -> Definition:
        """One statement's kind, hashes and effects, without the names that it reads."""
        binds = sorted(names_bound(node))
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                acts = self.acts.of_function(node)
                return Definition(node.name, "function", function_parts(node), at_import=acts, binds=binds)
            case ast.ClassDef():
                bases = [name for base in node.bases for name in [dotted(unsubscripted(base))] if name]
                hooks = {"__init_subclass__", "__set_name__"} & {getattr(member, "name", "") for member in node.body}
                return Definition(
                    *(node.name, "class", class_parts(node)),
                    at_import=self.acts.of_class(node),
                    binds=binds,
                    bases=bases,
                    hooks_subclasses=bool(hooks),
                )
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                parts = {"value": syntax_hash(node)}
                if not all(map(is_simple, targets)):
                    return Definition("", "statement", parts, at_import=True, binds=binds)
                acts = node.value is not None and self.acts.of_expression(node.value)
                return Definition(", ".join(binds), "constant", parts, at_import=acts, binds=binds)
            case _:
                return Definition("", "statement", {"body": syntax_hash(node)}, at_import=True, binds=binds)
