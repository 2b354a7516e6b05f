"""Whether executing a statement together with its module may do more than make a value: register something, for one."""

import ast

from contracts.code_nodes import defaults, dotted, says_nothing

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


class ImportEffects:
    """Whether executing a statement with its module may do more than make a value: register something, for one.

    What is called is taken for plain by its name, unless that name is one of `ours`: defined here, or imported from
    our own packages.
    """

    def __init__(self, ours: frozenset[str]) -> None:
        self.ours = ours

    def is_plain(self, called: ast.expr, names: frozenset[str], attributes: frozenset[str]) -> bool:
        """Whether a called thing is one of the plain names, or has one of the plain attributes."""
        name = dotted(called)
        if name is not None and name.split(".")[0] in self.ours:
            return False
        return name in names or (isinstance(called, ast.Attribute) and called.attr in attributes)

    def of_decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
        """Decorators that may register what they decorate."""
        called = [made.func if isinstance(made, ast.Call) else made for made in node.decorator_list]
        return not all(self.is_plain(one, PLAIN_DECORATORS, frozenset({"setter", "getter"})) for one in called)

    def of_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Decorators and defaults; the body is not executed."""
        return self.of_decorators(node) or any(map(self.of_expression, defaults(node.args)))

    def of_expression(self, node: ast.AST) -> bool:
        """Calls of anything that is not known to be plain; the body of a lambda is not executed."""
        pending = [node]
        while pending:
            inner = pending.pop()
            if isinstance(inner, ast.Lambda):
                pending.extend(defaults(inner.args))
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
                    acts = not says_nothing(member)
            if acts:
                return True
        return False
