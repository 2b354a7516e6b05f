"""What a hash of code follows and what it leaves out, construct by construct, in packages of a few lines."""

from pathlib import Path

import pytest

from contracts.code_reach import code_facts, code_fingerprint, reached_code
from workflow.command_code import changed_definitions


@pytest.fixture
def package(tmp_path):
    """package(**files) -> the folder of a repository whose room `data_prep` has these modules."""

    def make(**files: str) -> Path:
        for name, text in {"__init__": "", **files}.items():
            path = tmp_path / "data_prep" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return make


CASES = {
    "a method that is called on an instance": (
        {"root": "from data_prep.a import make\ndef run(): return make().go()\n"},
        "class Thing:\n    def go(self): return 1\ndef make(): return Thing()\n",
        ("return 1", "return 2"),
    ),
    "a constant that a default names": (
        {"root": "from data_prep.a import f\ndef run(): return f()\n"},
        "SIZE = 3\ndef f(x=SIZE): return x\n",
        ("SIZE = 3", "SIZE = 4"),
    ),
    "a registry that a decorator fills": (
        {"root": "from data_prep.a import KNOWN\ndef run(name): return KNOWN[name]()\n"},
        "KNOWN = {}\ndef register(f):\n    KNOWN[f.__name__] = f\n    return f\n@register\ndef one(): return 1\n",
        ("return 1", "return 2"),
    ),
    "a registry that a statement fills": (
        {"root": "from data_prep.a import KNOWN\ndef run(name): return KNOWN[name]()\n"},
        "KNOWN = {}\ndef one(): return 1\nKNOWN['one'] = one\n",
        ("return 1", "return 2"),
    ),
    "a subclass that its base learns of": (
        {
            "base": "class Base:\n    known = []\n    def __init_subclass__(cls): Base.known.append(cls)\n",
            "root": "import data_prep.a\nfrom data_prep.base import Base\ndef run(): return Base.known[0]().go()\n",
        },
        "from data_prep.base import Base\nclass One(Base):\n    def go(self): return 1\n",
        ("return 1", "return 2"),
    ),
    "a base class in another module": (
        {
            "base": "from data_prep.a import Old\nclass New(Old):\n    pass\n",
            "root": "from data_prep.base import New\ndef run(): return New().go()\n",
        },
        "class Old:\n    def go(self): return 1\n",
        ("return 1", "return 2"),
    ),
    "what getattr finds in a module": (
        {"root": "from data_prep import a\ndef run(name): return getattr(a, name)()\n"},
        "def one(): return 1\n",
        ("return 1", "return 2"),
    ),
    "what globals() finds": (
        {"root": "from data_prep.a import look\ndef run(name): return look(name)\n"},
        "def look(name): return globals()[name]()\ndef one(): return 1\n",
        ("return 1", "return 2"),
    ),
    "a name that another module hands on": (
        {"base": "from data_prep.a import one as two\n", "root": "from data_prep.base import two\nRUN = two\n"},
        "def one(): return 1\n",
        ("return 1", "return 2"),
    ),
    "all names of a module": (
        {"root": "from data_prep.a import *\ndef run(): return one()\n"},
        "def one(): return 1\n",
        ("return 1", "return 2"),
    ),
    "an import inside a function": (
        {"root": "def run():\n    from data_prep import a as here\n    return here.one()\n"},
        "def one(): return 1\n",
        ("return 1", "return 2"),
    ),
    "a module that is named in a text": (
        {"root": "import importlib\ndef run(): return importlib.import_module('data_prep.a').one()\n"},
        "def one(): return 1\n",
        ("return 1", "return 2"),
    ),
    "a module that is imported for what it does": (
        {"root": "import data_prep.a\n"},
        "import json\njson.dumps = print\n",
        ("print", "repr"),
    ),
    "where a name is imported from": (
        {"root": "from data_prep.a import mean\ndef run(x): return mean(x)\n"},
        "from statistics import mean\n",
        ("mean", "median as mean"),
    ),
    "one of two definitions by condition": (
        {"root": "from data_prep.a import f\ndef run(): return f()\n"},
        "import sys\nif sys.platform == 'linux':\n    def f(): return 1\nelse:\n    def f(): return 0\n",
        ("return 1", "return 2"),
    ),
    "what stands in when an import fails": (
        {"root": "from data_prep.a import f\ndef run(): return f\n"},
        "try:\n    from absent import f\nexcept ImportError:\n    f = None\n",
        ("f = None", "f = 1"),
    ),
    "a member that a lambda in a table names": (
        {"root": "from data_prep.a import TABLE\ndef run(x): return TABLE[x]()\n"},
        "def one(): return 1\nTABLE = {'x': lambda: one()}\n",
        ("return 1", "return 2"),
    ),
    "a field's type": (
        {"root": "from data_prep.a import Settings\ndef run(): return Settings\n"},
        "class Inner:\n    size: int = 1\nclass Settings:\n    inner: 'Inner'\n",
        ("size: int = 1", "size: float = 1"),
    ),
    "the order of what happens at import": (
        {"root": "from data_prep.a import ALL\ndef run(): return ALL\n"},
        "SEEN = []\nSEEN.append(1)\nALL = [*SEEN]\n",
        ("SEEN.append(1)\nALL = [*SEEN]", "ALL = [*SEEN]\nSEEN.append(1)"),
    ),
    "an annotation that somebody reads": (
        {"root": "from typing import get_type_hints\nfrom data_prep.a import f\ndef run(): return get_type_hints(f)\n"},
        "def f(x: int): return x\n",
        ("x: int", "x: str"),
    ),
    "a comprehension's first iterable of the same name": (
        {"root": "from data_prep.a import f\ndef run(): return f()\n"},
        "x = [1]\ndef f(): return [x for x in x]\n",
        ("x = [1]", "x = [2]"),
    ),
    "a name that a function declares global": (
        {"root": "from data_prep.a import f\ndef run(): return f()\n"},
        "one = 1\ndef f():\n    global one\n    one = one + 1\n    return one\n",
        ("one = 1\n", "one = 2\n"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reaches(package, case):
    files, text, (old, new) = CASES[case]
    folder = package(**files, a=text)
    before = code_fingerprint("data_prep.root", repository=folder)
    assert old in text
    package(**files, a=text.replace(old, new))
    assert code_fingerprint("data_prep.root", repository=folder) != before
    package(**files, a=text)
    assert code_fingerprint("data_prep.root", repository=folder) == before


UNREAD = {
    "a function beside the one that is called": (
        "def one(): return 1\ndef two(): return 2\n",
        ("return 2", "return 3"),
    ),
    "an annotation that nobody reads": ("def one(x: int = 1): return x\n", ("int", "float")),
    "a local variable of a function's name": (
        "def other(): return 1\ndef one(other=2): return other\n",
        ("return 1", "0"),
    ),
    "what only type checkers see": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import json\ndef one(): return 1\n",
        ("import json", "import csv"),
    ),
    "the order of imports": (
        "import os\nimport sys\ndef one(): return os, sys\n",
        ("import os\nimport sys", "import sys\nimport os"),
    ),
    "a constant that nothing names": ("SIZE = 3\ndef one(): return 1\n", ("SIZE = 3", "SIZE = 4")),
}


@pytest.mark.parametrize("case", UNREAD)
def test_it_does_not_reach(package, case):
    text, (old, new) = UNREAD[case]
    root = "from data_prep.a import one\ndef run(): return one()\n"
    folder = package(root=root, a=text)
    before = code_fingerprint("data_prep.root", repository=folder)
    assert old in text
    package(root=root, a=text.replace(old, new))
    assert code_fingerprint("data_prep.root", repository=folder) == before


def test_a_syntax_error_names_its_file(package):
    folder = package(root="def run(:\n")
    with pytest.raises(SyntaxError) as caught:
        code_fingerprint("data_prep.root", repository=folder)
    assert caught.value.filename == str(folder / "data_prep/root.py")


def test_an_analysis_that_was_kept_is_not_believed_after_the_file_has_changed(package):
    folder = package(root="def run(): return 1\n")
    before = reached_code("data_prep.root", repository=folder)
    kept = next((folder / "data_prep/__pycache__").glob("root.*.json"))
    package(root="def run(): return 2\n")
    changed = reached_code("data_prep.root", repository=folder)
    assert changed != before
    kept.write_text("not JSON")
    package(root="def run(): return 1\n")
    assert reached_code("data_prep.root", repository=folder) == before


def test_a_difference_is_told_by_file_definition_and_kind(package):
    text = (
        "import json\nSIZE = 3\nclass Shape:\n    def area(self): return SIZE\n"
        "def run(x, y=1): return json.dumps(Shape().area() + x + y)\ndef gone(): return 0\n"
    )
    folder = package(root=text)
    before = reached_code("data_prep.root", repository=folder)
    for old, new in (("SIZE = 3", "SIZE = 4"), ("return SIZE", "return -SIZE"), ("y=1", "y=2"), ("gone", "come")):
        text = text.replace(old, new)
    package(root=text)
    assert changed_definitions(before, reached_code("data_prep.root", repository=folder)) == [
        "data_prep/root.py: SIZE (its value)",
        "data_prep/root.py: Shape.area (its body or parameters)",
        "data_prep/root.py: come (is reached now)",
        "data_prep/root.py: gone (is no longer reached)",
        "data_prep/root.py: run (a default)",
    ]


def test_what_belongs_to_no_definition_is_told_too(package):
    text = "from math import floor as rounded\nSEEN = []\nSEEN.append(1)\nSEEN.append('list.txt')\n"
    folder = package(root=text + "def run(x): return rounded(x), open(SEEN[1])\n")
    (folder / "data_prep/list.txt").write_text("one")
    before = reached_code("data_prep.root", repository=folder)
    (folder / "data_prep/list.txt").write_text("two words")
    package(root=text.replace("floor", "ceil") + "def run(x): return rounded(x), open(SEEN[1])\n")
    assert changed_definitions(before, reached_code("data_prep.root", repository=folder)) == [
        "data_prep/list.txt (its content)",
        "data_prep/root.py: rounded (where it is imported from)",
    ]
    swapped = "SEEN = []\nONE = [*SEEN]\nTWO = SEEN.append(1)\n"
    package(root=swapped)
    before = reached_code("data_prep.root", repository=folder)
    package(root="SEEN = []\nTWO = SEEN.append(1)\nONE = [*SEEN]\n")
    assert changed_definitions(before, reached_code("data_prep.root", repository=folder)) == [
        "data_prep/root.py (the order of what happens at import)"
    ]


def test_an_output_s_facts_say_what_to_hash_and_give_the_hash(package):
    folder = package(root="def run(): return 1\n", a="")
    facts = code_facts("data_prep.root:run", "data_prep.a", repository=folder)
    assert facts["code_roots"] == ["data_prep.root:run", "data_prep.a"]
    assert facts["code_sha256"] == code_fingerprint(*facts["code_roots"], repository=folder)
