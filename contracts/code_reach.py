"""What code a command can reach: the definitions behind some modules, each with a hash of what it says.

in : what a command runs (its roots), each a module or `module:definition`, and the folder of the repository
out: {module: {definition: {part: hash}}} of all that they reach
A module that is imported is executed: what its top level may do beyond binding names counts always; a function, a class
or a constant counts where something that counts names it. Classes count whole, with all their methods; so do the roots.
Where a name can not be followed (a module used as a value, `globals()`, a name that no module of this repository is
seen to bind) the whole module counts. Modules that a command imports by a computed name are given among its roots.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from contracts.code_places import HASHING, REPOSITORY, ROOMS, data_files, file_digest, is_module, module_source
from contracts.code_syntax import Definition, ModuleSyntax, syntax_of

# {module: {definition: {part: hash}}}. Under the name "" stands what belongs to no definition of a module: where its
# imports lead ("import NAME"), the order of what happens at import ("order"), data files beside it ("file NAME").
CodeRecord = dict[str, dict[str, dict[str, str]]]


def code_facts(*roots: str, repository: Path = REPOSITORY) -> dict[str, object]:
    """{"code_roots", "code_sha256"}, as an output states them: whoever has the code can work the hash out again."""
    return {"code_roots": list(roots), "code_sha256": code_fingerprint(*roots, repository=repository)}


def code_fingerprint(*roots: str, repository: Path = REPOSITORY) -> str:
    """Hex sha256 of all that these roots reach; equal for equal meaning."""
    return record_digest(reached_code(*roots, repository=repository))


def record_digest(record: CodeRecord) -> str:
    """Hex sha256 of what `reached_code` gives."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def reached_code(*roots: str, repository: Path = REPOSITORY) -> CodeRecord:
    """The hashes of all that these roots reach; a module among them counts whole."""
    return Reach(roots, repository).record()


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
        elif not is_module(module, self.repository):
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
            if name in self.executed or name in HASHING or not is_module(name, self.repository):
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
            while not is_module(target, self.repository) and "." in target:
                target = target.rpartition(".")[0]
            self.execute(target)

    def take_imports_for_effect(self, module: str, syntax: ModuleSyntax) -> None:
        """Imports whose names nothing in the module reads are there for what they do."""
        read = {name for made in syntax.definitions for name in (*made.names, *made.annotation_names)}
        read |= {chain.split(".")[0] for made in syntax.definitions for chain in made.chains}
        for name in syntax.imports.keys() - read:
            if module_source(module, self.repository).name != "__init__.py":
                self.imported.add((module, name))

    def take(self, module: str, made: Definition) -> None:
        """A definition counts."""
        if id(made) not in self.reached[module]:
            self.reached[module][id(made)] = made
            self.pending.append((module, made))

    def take_whole(self, module: str) -> None:
        """All of a module counts."""
        if module in self.whole or module in HASHING:
            return
        if not is_module(module, self.repository):
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
                if text.split(".")[0] in ROOMS and is_module(text, self.repository):
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
        while names and is_module(f"{module}.{names[0]}", self.repository):
            module = f"{module}.{names.pop(0)}"
        if not is_module(module, self.repository):
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
            while names and is_module(f"{place}.{names[0]}", self.repository):
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
                if text.split(".")[0] in ROOMS and is_module(text, self.repository)
            }
        spelled = {text.rpartition("/")[2] for text in made.texts}
        for package in packages:
            files = data_files(package)
            named = {file for file in files if file.name in spelled}
            if made.beside and not named:
                named = set(files)
            if named:
                self.data.setdefault(module, set()).update(named)

    def record(self) -> CodeRecord:
        """All that is reached, by module and definition."""
        record: CodeRecord = {}
        for module in self.reached:
            described = self.described(module) | {"": self.described_beside(module)}
            if kept := {name: parts for name, parts in described.items() if parts}:
                record[module] = kept
        return record

    def counting(self, module: str) -> list[tuple[str, Definition]]:
        """The definitions of a module that count, in order, each under a name of its own."""
        named: dict[str, Definition] = {}
        for made in self.executed[module].definitions:
            if id(made) in self.reached[module]:
                name = made.name
                while name in named:
                    name += "'"
                named[name] = made
        return list(named.items())

    def described(self, module: str) -> dict[str, dict[str, str]]:
        """The parts of each definition that counts; annotations only where something reads them."""
        return {
            name: {part: value for part, value in made.parts.items() if part != "annotations" or self.reads_annotations}
            for name, made in self.counting(module)
        }

    def described_beside(self, module: str) -> dict[str, str]:
        """What belongs to no definition: imports that count, order, data files."""
        imports = self.executed[module].imports
        read = [name for where, name in self.imported if where == module]
        beside = {f"import {name}": ", ".join(sorted(imports[name])) for name in read}
        counting = self.counting(module)
        ordered = [name for name, made in counting if made.kind != "function" or made.at_import]
        if len(ordered) > 1 and any(made.at_import for _, made in counting):
            # What happens at import may depend on what happened before.
            beside["order"] = hashlib.sha256("\n".join(ordered).encode()).hexdigest()[:32]
        folder = module_source(module, self.repository).parent
        for file in self.data.get(module, ()):
            name = file.relative_to(folder) if file.is_relative_to(folder) else file.relative_to(self.repository)
            beside[f"file {name.as_posix()}"] = file_digest(file, file.stat().st_mtime_ns)
        return beside
