"""What a reader of code asks of a syntax node: parameters, annotations, a dotted name, whether it says anything."""

import ast


def is_import(node: ast.AST) -> bool:
    """Whether a statement is an import."""
    return isinstance(node, ast.Import | ast.ImportFrom)


def imported_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The names that an import binds."""
    return [alias.asname or alias.name.split(".")[0] for alias in node.names]


def imports_at_top(node: ast.stmt) -> list[ast.Import | ast.ImportFrom]:
    """The imports that run with the module: on their own, or in an `if`, `try`, `with` or loop."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    return [inner for inner in ast.walk(node) if is_import(inner)]


def says_nothing(node: ast.stmt) -> bool:
    """Docstrings, `pass`, what only type checkers see, and what runs only where the file itself is the program."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Pass):
        return True
    if isinstance(node, ast.If) and not node.orelse:
        test = dotted(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return True
        return isinstance(node.test, ast.Compare) and dotted(node.test.left) == "__name__"
    return False


def is_mute(node: ast.stmt) -> bool:
    """A statement that does nothing: a docstring or another text on its own, or `pass`."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Every parameter of a function."""
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *starred]


def defaults(arguments: ast.arguments) -> list[ast.expr]:
    """The default values of a function's parameters."""
    return [*arguments.defaults, *(value for value in arguments.kw_defaults if value is not None)]


def annotations_of(node: ast.AST) -> list[ast.expr]:
    """The annotations of a function's parameters and of its result."""
    if isinstance(node, ast.Lambda):
        return []
    given = [argument.annotation for argument in all_arguments(node.args) if argument.annotation]
    return [*given, *([node.returns] if node.returns else [])]


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` of a chain of attributes, None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def unsubscripted(node: ast.expr) -> ast.expr:
    """`Generic` of `Generic[T]`."""
    return node.value if isinstance(node, ast.Subscript) else node


def is_simple(target: ast.expr) -> bool:
    """Whether a target of an assignment is a name, or names in a row."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(is_simple(inner) for inner in target.elts)
    return isinstance(target, ast.Name) or (isinstance(target, ast.Starred) and is_simple(target.value))
