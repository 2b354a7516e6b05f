"""What one module says, definition by definition: hashes of syntax, and the names that each part reads.

in : the bytes of a Python file
out: a `ModuleSyntax`: its definitions (functions, classes, constants, other statements) with a hash for each of their
     parts, the names that they read, and what its imports bind
Invariant: comments, docstrings, blank lines, formatting and the order of imports change nothing in it. Annotations of
functions and of local variables stand apart (part `annotations`): few programs read them.
Not decided here: which definition a name leads to in another module (contracts/code_reach.py).
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

# Names that reach what no name spells.
DYNAMIC_NAMES = frozenset({"globals", "locals", "vars", "eval", "exec", "__import__", "compile"})
# Names by which a program reads the annotations of functions.
ANNOTATION_READERS = frozenset(
    {"get_type_hints", "get_annotations", "signature", "getfullargspec", "__annotations__", "validate_call"}
    | {"singledispatch", "singledispatchmethod"}
)
# Decorators of the standard library and of pydantic and torch that register nothing anywhere.
PLAIN_DECORATORS = frozenset(
    {"property", "staticmethod", "classmethod", "dataclass", "dataclasses.dataclass", "contextmanager"}
    | {"contextlib.contextmanager", "cache", "functools.cache", "lru_cache", "functools.lru_cache", "wraps"}
    | {"functools.wraps", "cached_property", "abstractmethod", "overload", "final", "override", "total_ordering"}
    | {"runtime_checkable", "torch.no_grad", "torch.inference_mode", "field_validator", "model_validator"}
    | {"computed_field", "field_serializer", "model_serializer"}
)
# Calls at import that make a value and do nothing else.
PLAIN_CALLS = frozenset(
    {"frozenset", "set", "tuple", "list", "dict", "range", "len", "sorted", "sum", "min", "max", "zip", "enumerate"}
    | {"str", "int", "float", "bool", "bytes", "map", "filter", "reversed", "object", "abs", "round", "ord", "chr"}
    | {"Path", "pathlib.Path", "re.compile", "TypeVar", "typing.TypeVar", "NewType", "struct.Struct", "namedtuple"}
    | {"field", "dataclasses.field", "Field", "ConfigDict", "TypeAdapter", "frozendict", "MappingProxyType", "Decimal"}
)
# Methods of texts, numbers and containers that make a value, and Path's that read nothing but a name.
PLAIN_METHODS = frozenset(
    {"split", "join", "strip", "format", "encode", "decode", "lower", "upper", "splitlines", "replace", "items", "keys"}
    | {"values", "fromkeys", "union", "resolve", "with_name", "with_suffix", "joinpath", "maketrans", "removesuffix"}
)


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


def module_syntax(source: bytes, file_name: str, package: str, own: tuple[str, ...]) -> ModuleSyntax:
    """Analyse one file. Raises SyntaxError naming the file.

    `package` is what its relative imports start from; `own` are the packages whose calls may do anything at import.
    """
    reader = _ModuleReader(package, own)
    reader.read(ast.parse(source, file_name).body)
    return ModuleSyntax(reader.definitions, reader.imports, sorted(reader.loads), sorted(reader.stars))


def _file_texts(node: ast.AST) -> Iterator[str]:
    """A text that may name a file beside the code: it has a dot and no line break."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
        if "." in text and "\n" not in text and len(text) < 200:
            yield text


class _ModuleReader:
    """Collects a module's definitions and imports, statement by statement."""

    def __init__(self, package: str, own: tuple[str, ...]) -> None:
        self.package = package
        self.own = own
        self.definitions: list[Definition] = []
        self.imports: dict[str, list[str]] = {}
        self.loads: set[str] = set()
        self.stars: set[str] = set()
        self.acts = _ImportEffects(frozenset())

    def read(self, body: list[ast.stmt]) -> None:
        """All top-level statements; imports first, since they decide what a dotted name is."""
        statements = [node for node in body if not _says_nothing(node)]
        bound = {name for node in statements if not _is_import(node) for name in _binds(node)}
        for node in statements:
            for inner in _imports_at_top(node):
                self.stars |= bind_imports(inner, self.package, self.imports, self.loads)
        ours = {name for name, targets in self.imports.items() for target in targets if self.is_own(target)}
        self.acts = _ImportEffects(frozenset(bound | ours))
        nameless = 0
        for node in statements:
            if not _is_import(node):
                definition = self.definition(node)
                if not definition.name:
                    nameless += 1
                    definition.name = f"statement {nameless}"
                self.definitions.append(definition)
        if any(name in bound for node in statements if _is_import(node) for name in _imported_names(node)):
            # An import and a definition of one name: the later one counts, so their order does.
            everything = {"body": _hash_of(map(_serialized, statements))}
            self.definitions.append(Definition("all statements", "statement", everything, at_import=True))

    def is_own(self, target: str) -> bool:
        """Whether an import's target lies in one of our packages."""
        return target.split(":")[0].split(".")[0] in self.own

    def definition(self, node: ast.stmt) -> Definition:
        """One statement."""
        made = self.bare_definition(node)
        reader = _NameReader(self.package, self.imports)
        reader.read_top(node)
        made.names, made.chains, made.texts = sorted(reader.names), sorted(reader.chains), sorted(reader.texts)
        made.annotation_names = sorted(reader.annotation_names)
        made.imports, made.loads = reader.imports, sorted(reader.loads)
        made.dynamic, made.beside, made.imports_by_name = reader.dynamic, reader.beside, reader.imports_by_name
        made.reads_annotations = reader.reads_annotations
        if reader.reads_annotations:
            made.parts["text"] = _hash_of([_serialized(node, annotations=True)])
        return made

    def bare_definition(self, node: ast.stmt) -> Definition:
        """One statement's kind, hashes and effects, without the names that it reads."""
        binds = sorted(_binds(node))
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                acts = self.acts.of_function(node)
                return Definition(node.name, "function", _function_parts(node), at_import=acts, binds=binds)
            case ast.ClassDef():
                bases = [name for base in node.bases for name in [_dotted(_unsubscripted(base))] if name]
                hooks = {"__init_subclass__", "__set_name__"} & {getattr(member, "name", "") for member in node.body}
                return Definition(
                    *(node.name, "class", _class_parts(node)),
                    at_import=self.acts.of_class(node),
                    binds=binds,
                    bases=bases,
                    hooks_subclasses=bool(hooks),
                )
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                parts = {"value": syntax_hash(node)}
                if not all(map(_is_simple, targets)):
                    return Definition("", "statement", parts, at_import=True, binds=binds)
                acts = node.value is not None and self.acts.of_expression(node.value)
                return Definition(", ".join(binds), "constant", parts, at_import=acts, binds=binds)
            case _:
                return Definition("", "statement", {"body": syntax_hash(node)}, at_import=True, binds=binds)


def _is_import(node: ast.AST) -> bool:
    """Whether a statement is an import."""
    return isinstance(node, ast.Import | ast.ImportFrom)


def _imported_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The names that an import binds."""
    return [alias.asname or alias.name.split(".")[0] for alias in node.names]


def _imports_at_top(node: ast.stmt) -> list[ast.Import | ast.ImportFrom]:
    """The imports that run with the module: on their own, or in an `if`, `try`, `with` or loop."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    return [inner for inner in ast.walk(node) if _is_import(inner)]


def _binds(node: ast.stmt) -> set[str]:
    """The names that a top-level statement binds in the module."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    return {name for inner in ast.walk(node) for name in _bound_by(inner)}


def _says_nothing(node: ast.stmt) -> bool:
    """Docstrings, `pass`, what only type checkers see, and what runs only where the file itself is the program."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Pass):
        return True
    if isinstance(node, ast.If) and not node.orelse:
        test = _dotted(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return True
        return isinstance(node.test, ast.Compare) and _dotted(node.test.left) == "__name__"
    return False


def bind_imports(
    node: ast.Import | ast.ImportFrom, package: str, bound: dict[str, list[str]], loads: set[str]
) -> set[str]:
    """Add what an import binds and executes; the modules of which it takes all names."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            loads.add(alias.name)
            if alias.asname:
                bound.setdefault(alias.asname, []).append(alias.name)
            else:
                bound.setdefault(alias.name.split(".")[0], []).append(alias.name.split(".")[0])
        return set()
    module = node.module or ""
    if node.level:
        parts = package.split(".")
        module = ".".join([*parts[: len(parts) - node.level + 1], *([module] if module else [])])
    loads.add(module)
    if any(alias.name == "*" for alias in node.names):
        return {module}
    for alias in node.names:
        bound.setdefault(alias.asname or alias.name, []).append(f"{module}:{alias.name}")
    return set()


class _NameReader:
    """The names that one top-level statement reads from its module; names local to a function are left out."""

    def __init__(self, package: str, module_imports: Mapping[str, list[str]]) -> None:
        self.package = package
        self.module_imports = module_imports
        self.names: set[str] = set()
        self.chains: set[str] = set()
        self.annotation_names: set[str] = set()
        self.imports: dict[str, list[str]] = {}
        self.loads: set[str] = set()
        self.texts: set[str] = set()
        self.dynamic = self.beside = self.reads_annotations = self.imports_by_name = False

    def read_top(self, node: ast.stmt) -> None:
        """Imports of the whole statement first: they decide what a dotted name in it is."""
        for inner in ast.walk(node):
            if _is_import(inner):
                bind_imports(inner, self.package, self.imports, self.loads)
        self.visit(node, frozenset(), False)

    def visit(self, node: ast.AST, local: frozenset[str], in_function: bool) -> None:
        """Add the names below `node`; `local` are the names that enclosing functions bind."""
        match node:
            case ast.Name():
                self.read_name(node.id, local)
            case ast.Attribute():
                self.read_attribute(node, local, in_function)
            case ast.Constant():
                self.texts.update(_file_texts(node))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self.visit_function(node, local, in_function)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self.visit_comprehension(node, local, in_function)
            case ast.AnnAssign():
                if not in_function:
                    self.visit_annotation(node.annotation, local)
                for inner in (node.target, node.value):
                    if inner is not None:
                        self.visit(inner, local, in_function)
            case ast.ClassDef():
                for inner in ast.iter_child_nodes(node):
                    self.visit(inner, local, False)
            case ast.Import() | ast.ImportFrom():
                pass
            case _:
                for inner in ast.iter_child_nodes(node):
                    self.visit(inner, local, in_function)

    def visit_function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, local: frozenset[str], in_function: bool
    ) -> None:
        """Decorators and defaults belong to the outside, the body to a scope of its own; annotations stand apart."""
        for inner in [*getattr(node, "decorator_list", []), *_defaults(node.args)]:
            self.visit(inner, local, in_function)
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        inside = local | _bound_in_scope(node.args, body)
        for inner in body:
            self.visit(inner, inside, True)
        for annotation in _annotations(node):
            apart = _NameReader(self.package, {})
            apart.visit_annotation(annotation, frozenset())
            self.annotation_names |= apart.names

    def visit_comprehension(self, node: ast.AST, local: frozenset[str], in_function: bool) -> None:
        """Its variables are its own; the first iterable is read outside of it."""
        first = node.generators[0].iter
        self.visit(first, local, in_function)
        inside = local | {
            name for made in node.generators for inner in ast.walk(made.target) for name in _bound_by(inner)
        }
        for made in node.generators:
            for inner in [made.target, *([made.iter] if made.iter is not first else []), *made.ifs]:
                self.visit(inner, inside, in_function)
        for inner in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(inner, inside, in_function)

    def visit_annotation(self, node: ast.expr, local: frozenset[str]) -> None:
        """An annotation of a field; a text in it (`"Later"`) is read as code, as pydantic does."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                try:
                    self.visit(ast.parse(inner.value, mode="eval").body, local, False)
                except SyntaxError:
                    continue
        self.visit(node, local, False)

    def read_name(self, name: str, local: frozenset[str]) -> None:
        """One bare name."""
        if name in local and name not in self.imports:
            return
        self.names.add(name)
        self.note(name)

    def note(self, name: str) -> None:
        """What a name that is read says about the whole statement."""
        targets = [*self.imports.get(name, ()), *self.module_imports.get(name, ())]
        meant = {name, *(target.rpartition(":")[2] for target in targets)}
        self.dynamic |= bool(meant & DYNAMIC_NAMES)
        self.reads_annotations |= bool(meant & ANNOTATION_READERS)
        self.imports_by_name |= bool(meant & {"import_module", "__import__"})
        self.beside |= name == "__file__" or any(
            target.startswith(("importlib.resources", "importlib:resources", "pkgutil")) for target in targets
        )

    def read_attribute(self, node: ast.Attribute, local: frozenset[str], in_function: bool) -> None:
        """A dotted name, whole where an import binds its root."""
        self.reads_annotations |= node.attr in ANNOTATION_READERS
        self.imports_by_name |= node.attr == "import_module"
        self.dynamic |= node.attr in ("__subclasses__", "__dict__", "__globals__")
        chain = _dotted(node)
        if chain is None:
            self.visit(node.value, local, in_function)
            return
        root = chain.split(".")[0]
        if root in local and root not in self.imports:
            return
        self.dynamic |= chain == "sys.modules"
        if root in self.imports or root in self.module_imports:
            self.chains.add(chain)
            self.note(root)
            self.beside |= chain.startswith(("importlib.resources", "pkgutil."))
        else:
            self.read_name(root, local)


def _bound_in_scope(arguments: ast.arguments, body: list[ast.AST]) -> frozenset[str]:
    """The names that a function binds in its own scope; those that it declares global or nonlocal are not its own."""
    bound = {argument.arg for argument in _all_arguments(arguments)}
    outside: set[str] = set()
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        bound.update(_bound_by(node))
        if isinstance(node, ast.Global | ast.Nonlocal):
            outside.update(node.names)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue  # a scope of its own
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue  # its variables are its own
        pending.extend(ast.iter_child_nodes(node))
    return frozenset(bound - outside)


def _bound_by(node: ast.AST) -> Iterator[str]:
    """The name that one node binds in its scope."""
    match node:
        case ast.Name(ctx=ast.Store()):
            yield node.id
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar() if node.name:
            yield node.name
        case ast.MatchMapping() if node.rest:
            yield node.rest


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Every parameter of a function."""
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *starred]


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    """The default values of a function's parameters."""
    return [*arguments.defaults, *(value for value in arguments.kw_defaults if value is not None)]


def _annotations(node: ast.AST) -> list[ast.expr]:
    """The annotations of a function's parameters and of its result."""
    if isinstance(node, ast.Lambda):
        return []
    given = [argument.annotation for argument in _all_arguments(node.args) if argument.annotation]
    return [*given, *([node.returns] if node.returns else [])]


def _dotted(node: ast.expr) -> str | None:
    """`a.b.c` of a chain of attributes, None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _unsubscripted(node: ast.expr) -> ast.expr:
    """`Generic` of `Generic[T]`."""
    return node.value if isinstance(node, ast.Subscript) else node


def _is_simple(target: ast.expr) -> bool:
    """Whether a target of an assignment is a name, or names in a row."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(_is_simple(inner) for inner in target.elts)
    return isinstance(target, ast.Name) or (isinstance(target, ast.Starred) and _is_simple(target.value))


class _ImportEffects:
    """Whether executing a statement with its module may do more than make a value: register something, for one.

    What is called is taken for plain by its name, unless that name is one of `ours`: defined here, or imported from
    our own packages.
    """

    def __init__(self, ours: frozenset[str]) -> None:
        self.ours = ours

    def is_plain(self, called: ast.expr, names: frozenset[str], attributes: frozenset[str]) -> bool:
        """Whether a called thing is one of the plain names, or has one of the plain attributes."""
        dotted = _dotted(called)
        if dotted is not None and dotted.split(".")[0] in self.ours:
            return False
        return dotted in names or (isinstance(called, ast.Attribute) and called.attr in attributes)

    def of_decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
        """Decorators that may register what they decorate."""
        called = [made.func if isinstance(made, ast.Call) else made for made in node.decorator_list]
        return not all(self.is_plain(one, PLAIN_DECORATORS, frozenset({"setter", "getter"})) for one in called)

    def of_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Decorators and defaults; the body is not executed."""
        return self.of_decorators(node) or any(map(self.of_expression, _defaults(node.args)))

    def of_expression(self, node: ast.AST) -> bool:
        """Calls of anything that is not known to be plain; the body of a lambda is not executed."""
        pending = [node]
        while pending:
            inner = pending.pop()
            if isinstance(inner, ast.Lambda):
                pending.extend(_defaults(inner.args))
                continue
            if isinstance(inner, ast.Call) and not self.is_plain(inner.func, PLAIN_CALLS, PLAIN_METHODS):
                return True
            if isinstance(inner, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom):
                return True
            pending.extend(ast.iter_child_nodes(inner))
        return False

    def of_class(self, node: ast.ClassDef) -> bool:
        """A metaclass, decorators, or a body that does more than define methods and values."""
        if node.keywords or self.of_decorators(node):
            return True
        for member in node.body:
            match member:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    acts = self.of_function(member)
                case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                    acts = member.value is not None and self.of_expression(member.value)
                case ast.ClassDef():
                    acts = self.of_class(member)
                case _:
                    acts = not _says_nothing(member)
            if acts:
                return True
        return False


def _function_parts(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    """The hashes of a function: parameters with their defaults, decorators, body, annotations."""
    parameters = ast.arguments(
        posonlyargs=[ast.arg(argument.arg) for argument in node.args.posonlyargs],
        args=[ast.arg(argument.arg) for argument in node.args.args],
        vararg=node.args.vararg and ast.arg(node.args.vararg.arg),
        kwonlyargs=[ast.arg(argument.arg) for argument in node.args.kwonlyargs],
        kw_defaults=[],
        kwarg=node.args.kwarg and ast.arg(node.args.kwarg.arg),
        defaults=[],
    )
    parts = {
        "parameters": syntax_hash(parameters),
        "body": _hash_of([type(node).__name__, *(_serialized(inner) for inner in node.body if not _is_mute(inner))]),
    }
    if _defaults(node.args):
        parts["defaults"] = _hash_of(
            [*map(_serialized, node.args.defaults), "keywords", *map(_serialized, node.args.kw_defaults)]
        )
    if node.decorator_list:
        parts["decorators"] = _hash_of(map(_serialized, node.decorator_list))
    if annotations := _annotations(node):
        parts["annotations"] = _hash_of(map(_serialized, annotations))
    return parts


def _class_parts(node: ast.ClassDef) -> dict[str, str]:
    """The hashes of a class: bases, decorators, each method, and the rest of its body in order."""
    parts = {"bases": _hash_of([*map(_serialized, node.bases), "keywords", *map(_serialized, node.keywords)])}
    if node.decorator_list:
        parts["decorators"] = _hash_of(map(_serialized, node.decorator_list))
    rest, annotations = [], []
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            own = _function_parts(member)
            annotations.append([member.name, own.pop("annotations", "")])
            rest.append(f"method {member.name}")
            key = f"method {member.name}"
            while key in parts:  # a property's getter and setter share a name
                key += "'"
            parts[key] = _hash_of([f"{name} {value}" for name, value in sorted(own.items())])
        else:
            if not _is_mute(member):
                rest.append(_serialized(member))
    parts["fields"] = _hash_of(rest)
    if any(value for _, value in annotations):
        parts["annotations"] = _hash_of(f"{name} {value}" for name, value in annotations)
    return parts


def syntax_hash(node: ast.AST) -> str:
    """The hash of what a node says: without places, docstrings, `pass` and annotations that are not kept as values."""
    return _hash_of([_serialized(node)])


def _hash_of(texts: object) -> str:
    """32 hex digits over some texts in order."""
    return hashlib.sha256("\x1f".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _serialized(node: object, annotations: bool = False) -> str:
    """One text per meaning of a node; fields that are empty are left out, so that a newer Python says the same.

    Annotations of functions and of their variables are left out too, unless asked for.
    """
    pieces: list[str] = []
    _serialize(node, pieces, False, annotations)
    return "".join(pieces)


def _serialize(node: object, pieces: list[str], in_function: bool, annotations: bool) -> None:
    """Append the text of a node."""
    if isinstance(node, ast.Constant):
        pieces.append(repr(node.value))
        return
    if not isinstance(node, ast.AST):
        pieces.append(repr(node))
        return
    kind = type(node)
    pieces.append(f"({kind.__name__}")
    inside = in_function or kind in (ast.FunctionDef, ast.AsyncFunctionDef)
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or name in ("ctx", "type_comment", "kind"):
            continue
        if not annotations and (name == "returns" or (name == "annotation" and (kind is ast.arg or in_function))):
            continue
        pieces.append(f" {name}=")
        if isinstance(value, list):
            pieces.append("[")
            for inner in _joined_texts(value) if kind is ast.JoinedStr else value:
                if not (isinstance(inner, ast.stmt) and _is_mute(inner)):
                    _serialize(inner, pieces, inside, annotations)
                    pieces.append(",")
            pieces.append("]")
        else:
            _serialize(value, pieces, inside, annotations)
    pieces.append(")")


def _is_mute(node: ast.stmt) -> bool:
    """A statement that does nothing: a docstring or another text on its own, or `pass`."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _joined_texts(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with neighbouring texts joined: Python versions cut them differently."""
    joined: list[ast.expr] = []
    for value in values:
        last = joined[-1] if joined else None
        if isinstance(value, ast.Constant) and isinstance(last, ast.Constant):
            joined[-1] = ast.Constant(last.value + value.value)
        else:
            joined.append(value)
    return joined
