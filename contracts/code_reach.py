"""What code a command can reach: the definitions behind some modules, each with a hash of what it says.

in : what a command runs (its roots), each a module or `module:definition`, and the folder of the repository
out: {"module:definition part": hash} of all that they reach; data files beside the code as "module/file"
A module that is imported is executed: what its top level may do beyond binding names counts always; a function, a class
or a constant counts where something that counts names it. Classes count whole, with all their methods; so do the roots.
Where a name can not be followed (a module used as a value, `globals()`, a name that no module of this repository is
seen to bind) the whole module counts. Modules that a command imports by a computed name are given among its roots.
Analyses of single files are kept in __pycache__, by the hash of the file's bytes.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from contracts import code_syntax
from contracts.code_syntax import Definition, ModuleSyntax, module_syntax

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("contracts", "data_prep", "megatron_cdt", "eval")
# What makes these hashes decides no other number of a run: where it changes their meaning, they change by themselves.
HASHING = ("contracts.code_reach", "contracts.code_syntax")


def code_fingerprint(*modules: str, repository: Path = REPOSITORY) -> str:
    """Hex sha256 of all that these roots reach; equal for equal meaning."""
    return record_digest(reached_code(*modules, repository=repository))


def record_digest(record: dict[str, str]) -> str:
    """Hex sha256 of what `reached_code` gives."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def reached_code(*modules: str, repository: Path = REPOSITORY) -> dict[str, str]:
    """{"module:definition part": hash} of all that these roots reach; a module among them counts whole."""
    return Reach(modules, repository).record()


def module_fingerprint(name: str, repository: Path = REPOSITORY) -> str:
    """Hex sha256 of everything that one module says, whether or not anybody reaches it."""
    syntax = syntax_of(name, repository)
    said = [[made.name, made.parts] for made in syntax.definitions]
    return hashlib.sha256(json.dumps([said, syntax.imports, sorted(syntax.stars)], sort_keys=True).encode()).hexdigest()


def module_source(name: str, repository: Path = REPOSITORY) -> Path:
    """The file of a module of this repository, e.g. `data_prep.pack` -> data_prep/pack.py; ModuleNotFoundError else."""
    parts = name.split(".")
    base = repository.joinpath(*parts)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if all(parts) and path.is_file():
            return path
    raise ModuleNotFoundError(name)


def imported_modules(name: str, repository: Path = REPOSITORY) -> list[str]:
    """Modules of this repository that a module imports anywhere in it, their packages included."""
    syntax = syntax_of(name, repository)
    targets = {*syntax.loads, *(target for targets in syntax.imports.values() for target in targets)}
    for made in syntax.definitions:
        targets |= {*made.loads, *(target for targets in made.imports.values() for target in targets)}
    dotted = [target.replace(":", ".").split(".") for target in targets if target.split(".")[0].split(":")[0] in ROOMS]
    prefixes = {".".join(parts[:end]) for parts in dotted for end in range(1, len(parts) + 1)}
    return sorted(prefix for prefix in prefixes if _is_module(prefix, repository))


def data_files(package: Path) -> list[Path]:
    """What modules may read beside themselves: a package's files that are neither code nor pages for people."""
    found = []
    for path in sorted(package.iterdir()):
        if path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").is_file():
            found += data_files(path)
        elif path.is_file() and path.suffix not in {".py", ".md", ".pyc"} and path.name[0] != ".":
            found.append(path)
    return found


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
    """The source of what makes an analysis."""
    return Path(code_syntax.__file__).read_bytes()


def _keep(path: Path, value: object) -> None:
    """Leave an analysis for the next process; where nothing can be written, it is made again."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps(value), encoding="utf-8")
        os.replace(partial, path)
    except OSError:
        return


class Reach:
    """A walk from some modules over all that they reach."""

    def __init__(self, roots: Iterable[str], repository: Path) -> None:
        self.repository = repository
        self.executed: dict[str, ModuleSyntax] = {}
        self.bound: dict[str, dict[str, list[Definition]]] = {}
        self.reached: dict[str, dict[int, Definition]] = {}
        self.imported: set[tuple[str, str]] = set()  # (module, a name that its imports bind and something reads)
        self.whole: set[str] = set()
        self.data: dict[str, set[Path]] = {}
        self.reads_annotations = False
        self.pending: list[tuple[str, Definition]] = []
        for root in roots:
            self.take_root(root)
        self.follow()
        if self.reads_annotations:
            self.follow_annotations()

    def take_root(self, root: str) -> None:
        """A module, which counts whole, or `module:name` for one definition of it."""
        module, _, name = root.partition(":")
        if not name:
            self.take_whole(module)
        elif not self.is_module(module):
            raise ModuleNotFoundError(module)
        else:
            self.execute(module)
            if not self.resolve(module, name, (), {}):
                self.take_whole(module)

    def follow(self) -> None:
        """Until nothing new is reached."""
        while True:
            while self.pending:
                self.read(*self.pending.pop())
            if not (late := self.subclasses_of_hooks()):
                return
            for module, made in late:
                self.take(module, made)

    def execute(self, module: str) -> None:
        """A module and its packages are imported: what their top levels may do counts."""
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            if name in self.executed or name in HASHING or not self.is_module(name):
                continue
            syntax = self.executed[name] = syntax_of(name, self.repository)
            self.reached[name] = {}
            self.bound[name] = {}
            for made in syntax.definitions:
                for bound in made.binds:
                    self.bound[name].setdefault(bound, []).append(made)
            for loaded in syntax.loads:
                self.execute_target(loaded)
            for target in {target for targets in syntax.imports.values() for target in targets}:
                self.execute_target(target.replace(":", "."))
            for star in syntax.stars:
                self.take_whole(star)
            for made in syntax.definitions:
                if made.at_import:
                    self.take(name, made)
            self.take_imports_for_effect(name, syntax)

    def execute_target(self, target: str) -> None:
        """What an import loads, where it is ours."""
        if target.split(".")[0] in ROOMS:
            while not self.is_module(target) and "." in target:
                target = target.rpartition(".")[0]
            self.execute(target)

    def take_imports_for_effect(self, module: str, syntax: ModuleSyntax) -> None:
        """Imports whose names nothing in the module reads are there for what they do."""
        read = {name for made in syntax.definitions for name in (*made.names, *made.annotation_names)}
        read |= {chain.split(".")[0] for made in syntax.definitions for chain in made.chains}
        for name in syntax.imports.keys() - read:
            if module_source(module, self.repository).name != "__init__.py":
                self.imported.add((module, name))

    def is_module(self, name: str) -> bool:
        """Whether a dotted name is a module here."""
        return _is_module(name, self.repository)

    def take(self, module: str, made: Definition) -> None:
        """A definition counts."""
        if id(made) not in self.reached[module]:
            self.reached[module][id(made)] = made
            self.pending.append((module, made))

    def take_whole(self, module: str) -> None:
        """All of a module counts."""
        if module in self.whole or module in HASHING:
            return
        if not self.is_module(module):
            raise ModuleNotFoundError(module)
        self.whole.add(module)
        self.execute(module)
        for made in self.executed[module].definitions:
            self.take(module, made)
        for name in self.executed[module].imports:
            self.imported.add((module, name))

    def read(self, module: str, made: Definition) -> None:
        """What a definition reads counts too."""
        for loaded in made.loads:
            self.execute_target(loaded)
        for target in {target for targets in made.imports.values() for target in targets}:
            self.execute_target(target.replace(":", "."))
        for name in made.names:
            self.resolve(module, name, (), made.imports)
        for chain in made.chains:
            root, *rest = chain.split(".")
            self.resolve(module, root, tuple(rest), made.imports)
        self.reads_annotations |= made.reads_annotations
        if made.dynamic:
            self.take_whole(module)
        if made.imports_by_name:
            for text in made.texts:
                if text.split(".")[0] in ROOMS and self.is_module(text):
                    self.take_whole(text)
        self.take_data(module, made)

    def follow_annotations(self) -> None:
        """Something reads the annotations of functions: what they name counts as well."""
        done: set[int] = set()
        while True:
            late = [
                (module, made)
                for module, all_of in self.reached.items()
                for made in all_of.values()
                if id(made) not in done
            ]
            if not late:
                return
            for module, made in late:
                done.add(id(made))
                for name in made.annotation_names:
                    self.resolve(module, name, (), made.imports)
            self.follow()

    def resolve(self, module: str, name: str, rest: tuple[str, ...], own: dict[str, list[str]]) -> bool:
        """Take what `name` (then the attributes `rest`) leads to from a module; whether anything binds it."""
        found = False
        for made in self.bound[module].get(name, ()):
            self.take(module, made)
            found = True
        if name in self.executed[module].imports and name not in own:
            self.imported.add((module, name))
        for target in [*own.get(name, ()), *self.executed[module].imports.get(name, ())]:
            found = True
            if target.split(":")[0].split(".")[0] in ROOMS:
                self.resolve_target(target, rest)
        return found

    def resolve_target(self, target: str, rest: tuple[str, ...]) -> None:
        """Take what an import's target and further attributes lead to."""
        module, _, attribute = target.partition(":")
        names = [*([attribute] if attribute else []), *rest]
        while names and self.is_module(f"{module}.{names[0]}"):
            module = f"{module}.{names.pop(0)}"
        if not self.is_module(module):
            return  # a namespace without a file
        if module in HASHING:
            return
        self.execute(module)
        if not names or not self.resolve(module, names[0], tuple(names[1:]), {}):
            # The module itself is handed on, or binds the name in a way that is not seen.
            self.take_whole(module)

    def subclasses_of_hooks(self) -> list[tuple[str, Definition]]:
        """Classes whose definition is seen by a base of ours (`__init_subclass__`), as far as not yet reached."""
        if not any(made.hooks_subclasses for syntax in self.executed.values() for made in syntax.definitions):
            return []
        return [
            (module, made)
            for module, syntax in self.executed.items()
            for made in syntax.definitions
            if made.bases and id(made) not in self.reached[module] and self.inherits_hook(module, made)
        ]

    def inherits_hook(self, module: str, made: Definition) -> bool:
        """Whether some base of a class, however far, has such a hook; a base that is not found is not ours."""
        for base in made.bases:
            root, *rest = base.split(".")
            for where, parent in self.classes_called(module, root, rest):
                if parent.hooks_subclasses or self.inherits_hook(where, parent):
                    return True
        return False

    def classes_called(self, module: str, name: str, rest: list[str]) -> list[tuple[str, Definition]]:
        """The classes that a dotted name may mean in a module."""
        classes = [(module, made) for made in self.bound.get(module, {}).get(name, ()) if made.kind == "class"]
        for target in self.executed[module].imports.get(name, ()) if module in self.executed else ():
            place, _, attribute = target.partition(":")
            names = [*([attribute] if attribute else []), *rest]
            while names and self.is_module(f"{place}.{names[0]}"):
                place = f"{place}.{names.pop(0)}"
            if names and place in self.executed and (place, names[0]) != (module, name):
                classes += self.classes_called(place, names[0], names[1:])
        return classes

    def take_data(self, module: str, made: Definition) -> None:
        """Data files beside the code: those that a definition spells, or all where it looks there without a name."""
        packages = {module_source(module, self.repository).parent}
        if made.beside:
            packages |= {
                module_source(text, self.repository).parent
                for text in made.texts
                if text.split(".")[0] in ROOMS and self.is_module(text)
            }
        spelled = {text.rpartition("/")[2] for text in made.texts}
        for package in packages:
            files = _data_files(package)
            named = {file for file in files if file.name in spelled}
            if made.beside and not named:
                named = set(files)
            if named:
                self.data.setdefault(module, set()).update(named)

    def record(self) -> dict[str, str]:
        """All that is reached, by module and definition."""
        record: dict[str, str] = {}
        for module, definitions in self.reached.items():
            used: set[str] = set()
            ordered = []
            for made in self.executed[module].definitions:
                if id(made) not in definitions:
                    continue
                name = made.name
                while name in used:
                    name += "'"
                used.add(name)
                if made.kind != "function" or made.at_import:
                    ordered.append(name)
                for part, value in made.parts.items():
                    if part != "annotations" or self.reads_annotations:
                        record[f"{module}:{name} {part}"] = value
            if len(ordered) > 1 and any(made.at_import for made in definitions.values()):
                # What happens at import may depend on what happened before.
                record[f"{module}: order"] = hashlib.sha256("\n".join(ordered).encode()).hexdigest()[:32]
        for module, name in self.imported:
            record[f"{module}:import {name}"] = ", ".join(sorted(self.executed[module].imports[name]))
        for module, files in self.data.items():
            folder = module_source(module, self.repository).parent
            for file in files:
                name = file.relative_to(folder) if file.is_relative_to(folder) else file.relative_to(self.repository)
                record[f"{module}/{name.as_posix()}"] = _file_digest(file, file.stat().st_mtime_ns)
        return record


@cache
def _is_module(name: str, repository: Path) -> bool:
    """Whether a dotted name is a module of the repository."""
    try:
        return bool(module_source(name, repository))
    except ModuleNotFoundError:
        return False


@cache
def _data_files(package: Path) -> tuple[Path, ...]:
    """The data files of a package, looked for once."""
    return tuple(data_files(package))


@cache
def _file_digest(file: Path, _modified: int) -> str:
    """32 hex digits of a data file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:32]
