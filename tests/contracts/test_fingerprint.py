from pathlib import Path

from contracts.fingerprint import REPOSITORY, ROOMS, code_sources, data_files


def test_the_code_behind_a_command_has_its_imports_and_the_data_beside_them():
    sources = code_sources("eval.benchmarks.ruler.niah")
    assert "contracts.errors" in sources
    assert "eval.benchmarks.ruler.prompts/wording.json" in sources


def test_every_data_file_beside_the_code_is_in_some_fingerprint():
    packages = [REPOSITORY / room for room in ROOMS]
    beside = {
        file for package in packages for folder in package.rglob("__init__.py") for file in data_files(folder.parent)
    }
    modules = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for package in packages
        for path in package.rglob("*.py")
        if path.name not in {"__init__.py", "__main__.py"}
    ]
    found = {name.rpartition("/")[2] for name in code_sources(*modules) if "/" in name}
    assert {file.name for file in beside} == found


def test_the_data_of_a_package_are_not_those_of_the_packages_in_it(tmp_path):
    for name in ("__init__.py", "a.json", "page.md", "prompts/b.json", "inner/__init__.py", "inner/c.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    assert data_files(tmp_path) == [tmp_path / "a.json", Path(tmp_path, "prompts/b.json")]
