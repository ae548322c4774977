"""The house keeps its shape: who may import whom, and how large a file and a function may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"settings", "lakehouse", "metrics", "registry", "serving", "vision", "jobs", "dashboard", "pages"}
MAY_IMPORT: dict[str, set[str]] = {
    "settings": set(),
    "metrics": set(),
    "lakehouse": {"settings"},
    "serving": {"settings", "lakehouse"},
    "registry": {"settings", "lakehouse", "metrics", "serving"},
    "vision": {"settings", "lakehouse", "metrics"},
    "jobs": ROOMS - {"dashboard", "pages"},
    "dashboard": ROOMS - {"jobs", "pages"},
    "pages": {"dashboard"},
}
LARGEST_FILE = 400
LARGEST_FUNCTION = 50
LARGEST_PAGE = 80
EMPTY_NAMES = {"utils", "util", "core", "helpers", "helper", "common", "misc"}


def source_files() -> list[Path]:
    files = [ROOT / "settings.py"]
    for room in sorted([*ROOMS, "benchmarks", "tests"]):
        files += sorted((ROOT / room).rglob("*.py"))
    return [file for file in files if file.exists()]


def room_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            top = name.split(".")[0]
            if top in ROOMS:
                yield node.lineno, top


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in source_files()}


def test_the_rooms_that_this_test_guards_are_there(trees: dict[Path, ast.Module]) -> None:
    assert {"settings", "lakehouse", "metrics", "registry", "serving", "jobs", "dashboard", "pages"} <= {
        room_of(file) for file in trees
    }


def test_rooms_import_only_what_they_may(trees: dict[Path, ast.Module]) -> None:
    wrong = []
    for file, tree in trees.items():
        room = room_of(file)
        if room not in MAY_IMPORT:
            continue
        for line, imported in imported_rooms(tree):
            if imported != room and imported not in MAY_IMPORT[room]:
                wrong.append(f"{file.relative_to(ROOT)}:{line} imports {imported}")
    assert wrong == []


def test_metrics_loads_models_only_in_its_engines(trees: dict[Path, ast.Module]) -> None:
    heavy = {"torch", "openvino", "transformers", "detoxify", "profanity_check", "py3langid", "gguf", "tokenizers"}
    wrong = []
    for file, tree in trees.items():
        parts = file.relative_to(ROOT).parts
        if parts[0] != "metrics" or parts[1:2] == ("engines",):
            continue
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            wrong += [f"{file.relative_to(ROOT)}:{name}" for name in names if name.split(".")[0] in heavy]
    assert wrong == []


def test_nothing_heavy_is_imported_at_the_top_of_a_file(trees: dict[Path, ast.Module]) -> None:
    heavy = {"mlflow", "torch", "openvino", "transformers", "detoxify", "sklearn"}
    # The chatbot's files are what MLflow itself loads in a worker; an engine file is only imported to load its model.
    exempt = ("serving/chatbot", "metrics/engines", "tests", "benchmarks")
    wrong = []
    for file, tree in trees.items():
        where = file.relative_to(ROOT).as_posix()
        if where.startswith(exempt):
            continue
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            wrong += [f"{where}:{node.lineno} {name}" for name in names if name.split(".")[0] in heavy]
    assert wrong == []


def test_files_and_functions_stay_small(trees: dict[Path, ast.Module]) -> None:
    wrong = []
    for file, tree in trees.items():
        lines = len(file.read_text(encoding="utf-8").splitlines())
        limit = LARGEST_PAGE if room_of(file) == "pages" else LARGEST_FILE
        if lines > limit:
            wrong.append(f"{file.relative_to(ROOT)} has {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LARGEST_FUNCTION:
                    wrong.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.name} has {length} lines")
    assert wrong == []


def test_no_file_has_a_name_that_says_nothing(trees: dict[Path, ast.Module]) -> None:
    assert [str(file) for file in trees if file.stem in EMPTY_NAMES] == []


def test_public_functions_and_classes_say_what_they_are(trees: dict[Path, ast.Module]) -> None:
    missing = []
    for file, tree in trees.items():
        if room_of(file) in {"tests", "benchmarks"}:
            continue
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_"
            if public and ast.get_docstring(node) is None:
                missing.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert missing == []


def test_no_exception_is_caught_bare(trees: dict[Path, ast.Module]) -> None:
    bare = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []


def test_pages_hold_no_sql_no_caching_and_no_try(trees: dict[Path, ast.Module]) -> None:
    wrong = []
    for file, tree in trees.items():
        if room_of(file) != "pages":
            continue
        text = file.read_text(encoding="utf-8")
        wrong += [
            f"{file.name}: {word}" for word in ("SELECT ", "select ", "cache_data", "cache_resource") if word in text
        ]
        wrong += [f"{file.name}:{node.lineno} try" for node in ast.walk(tree) if isinstance(node, ast.Try)]
    assert wrong == []
