"""The hashes of a definition's parts: parameters, defaults, decorators, body, bases, fields, each method.

in : a node of a syntax tree      out: {part: 32 hex digits}
Invariant: comments, docstrings, blank lines and formatting change no hash. Annotations of functions and of local
variables stand apart (part `annotations`): few programs read them.
"""

import ast
import hashlib

from contracts.code_nodes import annotations_of, defaults, is_mute


def function_parts(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
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
        "body": hash_of([type(node).__name__, *(serialized(inner) for inner in node.body if not is_mute(inner))]),
    }
    if defaults(node.args):
        parts["defaults"] = hash_of(
            [*map(serialized, node.args.defaults), "keywords", *map(serialized, node.args.kw_defaults)]
        )
    if node.decorator_list:
        parts["decorators"] = hash_of(map(serialized, node.decorator_list))
    if annotations := annotations_of(node):
        parts["annotations"] = hash_of(map(serialized, annotations))
    return parts


def class_parts(node: ast.ClassDef) -> dict[str, str]:
    """The hashes of a class: bases, decorators, each method, and the rest of its body in order."""
    parts = {"bases": hash_of([*map(serialized, node.bases), "keywords", *map(serialized, node.keywords)])}
    if node.decorator_list:
        parts["decorators"] = hash_of(map(serialized, node.decorator_list))
    rest, annotations = [], []
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            own = function_parts(member)
            annotations.append([member.name, own.pop("annotations", "")])
            rest.append(f"method {member.name}")
            key = f"method {member.name}"
            while key in parts:  # a property's getter and setter share a name
                key += "'"
            parts[key] = hash_of([f"{name} {value}" for name, value in sorted(own.items())])
        else:
            if not is_mute(member):
                rest.append(serialized(member))
    parts["fields"] = hash_of(rest)
    if any(value for _, value in annotations):
        parts["annotations"] = hash_of(f"{name} {value}" for name, value in annotations)
    return parts


def syntax_hash(node: ast.AST) -> str:
    """The hash of what a node says: without places, docstrings, `pass` and annotations that are not kept as values."""
    return hash_of([serialized(node)])


def hash_of(texts: object) -> str:
    """32 hex digits over some texts in order."""
    return hashlib.sha256("\x1f".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def serialized(node: object, annotations: bool = False) -> str:
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
                if not (isinstance(inner, ast.stmt) and is_mute(inner)):
                    _serialize(inner, pieces, inside, annotations)
                    pieces.append(",")
            pieces.append("]")
        else:
            _serialize(value, pieces, inside, annotations)
    pieces.append(")")


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
