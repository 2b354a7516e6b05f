"""Which names a statement of a module binds, and which it reads from the module or from its own imports.

in : a top-level statement      out: NameReader with names, dotted chains, imports, texts that may name files
Names that are local to a function are left out. What only reading everything could follow (`globals()`, `vars()`) is
said by a flag. Which definition a name leads to in another module is found elsewhere (contracts/code_reach.py).
"""

import ast
from collections.abc import Iterator, Mapping

from contracts.code_nodes import all_arguments, annotations_of, defaults, dotted, is_import

# Names that reach what no name spells.
DYNAMIC_NAMES = frozenset({"globals", "locals", "vars", "eval", "exec", "__import__", "compile"})
# Names by which a program reads the annotations of functions.
ANNOTATION_READERS = frozenset(
    {"get_type_hints", "get_annotations", "signature", "getfullargspec", "__annotations__", "validate_call"}
    | {"singledispatch", "singledispatchmethod"}
)


def names_bound(node: ast.stmt) -> set[str]:
    """The names that a top-level statement binds in the module."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    return {name for inner in ast.walk(node) for name in bound_by(inner)}


def bound_by(node: ast.AST) -> Iterator[str]:
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


def bound_in_scope(arguments: ast.arguments, body: list[ast.AST]) -> frozenset[str]:
    """The names that a function binds in its own scope; those that it declares global or nonlocal are not its own."""
    bound = {argument.arg for argument in all_arguments(arguments)}
    outside: set[str] = set()
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        bound.update(bound_by(node))
        if isinstance(node, ast.Global | ast.Nonlocal):
            outside.update(node.names)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue  # a scope of its own
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue  # its variables are its own
        pending.extend(ast.iter_child_nodes(node))
    return frozenset(bound - outside)


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


def _file_texts(node: ast.AST) -> Iterator[str]:
    """A text that may name a file beside the code: it has a dot and no line break."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
        if "." in text and "\n" not in text and len(text) < 200:
            yield text


class NameReader:
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
            if is_import(inner):
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
        for inner in [*getattr(node, "decorator_list", []), *defaults(node.args)]:
            self.visit(inner, local, in_function)
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        inside = local | bound_in_scope(node.args, body)
        for inner in body:
            self.visit(inner, inside, True)
        for annotation in annotations_of(node):
            apart = NameReader(self.package, {})
            apart.visit_annotation(annotation, frozenset())
            self.annotation_names |= apart.names

    def visit_comprehension(self, node: ast.AST, local: frozenset[str], in_function: bool) -> None:
        """Its variables are its own; the first iterable is read outside of it."""
        first = node.generators[0].iter
        self.visit(first, local, in_function)
        inside = local | {
            name for made in node.generators for inner in ast.walk(made.target) for name in bound_by(inner)
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
        chain = dotted(node)
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
