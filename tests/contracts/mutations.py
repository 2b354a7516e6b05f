"""Small edits of a definition that change what it does, and edits that change nothing.

in : the source of a module, the name of a top-level definition (a method as Class.method), a seed
out: the module's source with one edit, and what kind it was
"""

import ast
import random
from collections.abc import Callable, Iterator

Place = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
SWAPPED = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mod},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.And: ast.Or, ast.Or: ast.And, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
}


def mutated(source: str, name: str, seed: int) -> tuple[str, str]:
    """The source with one seeded edit in the definition `name`, and the kind of edit."""
    tree = ast.parse(source)
    place = definition(tree, name)
    edits = list(possible_edits(place))
    kind, edit = random.Random(f"{seed} {name}").choice(edits)
    edit()
    return ast.unparse(ast.fix_missing_locations(tree)), kind


def definition(tree: ast.Module, name: str) -> Place:
    """A function or class, or a method of a class."""
    body: list[ast.stmt] = tree.body
    for part in name.split("."):
        place = next(node for node in body if isinstance(node, Place) and node.name == part)
        body = place.body
    return place


def possible_edits(place: Place) -> Iterator[tuple[str, Callable[[], None]]]:
    """(kind, what does it) of every edit that a definition allows."""
    yield "decorator", lambda: place.decorator_list.append(ast.Name("edited", ast.Load()))
    yield "statement", lambda: place.body.append(ast.parse("edited = 1").body[0])
    if isinstance(place, ast.ClassDef):
        yield "base class", lambda: place.bases.append(ast.Name("Edited", ast.Load()))
    else:
        yield (
            "parameter",
            lambda: setattr(place.args, "kwarg", ast.arg("edited")),
        )
        for number in range(len(place.args.defaults)):
            yield "default", lambda number=number: place.args.defaults.__setitem__(number, ast.Constant("edited"))
    muted = {id(node.value) for node in ast.walk(place) if isinstance(node, ast.Expr)}
    annotated = {id(inner) for node in ast.walk(place) for said in said_of_types(node) for inner in ast.walk(said)}
    for node in ast.walk(place):
        if id(node) in muted | annotated:
            continue
        if isinstance(node, ast.Constant):
            yield "constant", lambda node=node: setattr(node, "value", edited_value(node.value))
        elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPPED:
            yield "operator", lambda node=node: setattr(node, "op", SWAPPED[type(node.op)]())
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
            yield "comparison", lambda node=node: node.ops.__setitem__(0, SWAPPED[type(node.ops[0])]())
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield "attribute", lambda node=node: setattr(node, "attr", f"{node.attr}_edited")


def said_of_types(node: ast.AST) -> list[ast.expr]:
    """The annotations that belong to a node."""
    said = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    return [expression for expression in said if expression is not None]


def edited_value(value: object) -> object:
    """Another constant of the same type, as far as that goes."""
    if isinstance(value, bool) or value is None or value is ...:
        return "edited"
    return value + (b"!" if isinstance(value, bytes) else "!" if isinstance(value, str) else 1)


def reworded(source: str) -> str:
    """The same code in other words: comments and formatting gone, other docstrings and blank lines everywhere."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | Place):
            if node.body and is_text(node.body[0]):
                node.body.pop(0)
            if not isinstance(node, ast.Module) or not is_future(node.body):
                node.body.insert(0, ast.Expr(ast.Constant("Other words.")))
    return "# a comment\n\n" + ast.unparse(ast.fix_missing_locations(tree)) + "\n\n\n# the end\n"


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_future(body: list[ast.stmt]) -> bool:
    """Whether a module begins with an import from __future__."""
    return bool(body) and isinstance(body[0], ast.ImportFrom) and body[0].module == "__future__"
