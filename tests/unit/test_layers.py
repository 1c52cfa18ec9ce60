"""The layers of the project, read from its imports, and the calls that no layer makes."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("agent", "tools", "training", "prompts")
FILES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
MAY_IMPORT = {
    "tools": {"tools", "prompts"},
    "agent": {"agent", "tools", "prompts"},
    "training": {"training", "tools", "prompts"},
    "prompts": set[str](),
}
HEAVY = {
    "torch", "transformers", "faiss", "sentence_transformers", "xllamacpp", "huggingface_hub", "bm25s",
    "pyarrow", "bitsandbytes", "trl", "peft", "llguidance", "pandas", "scipy", "sklearn",
    "datasets", "accelerate", "rouge_score", "gguf", "jinja2", "tensorboard", "pytrec_eval",
}  # fmt: skip
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(source(path))


@cache
def telling(path: Path) -> tuple[ast.Import | ast.ImportFrom | ast.Call, ...]:
    """A file's imports and calls, wherever they stand."""
    nodes = ast.walk(tree(path))
    return tuple(node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom | ast.Call))


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """Top-level names of the packages that these nodes import."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            found.add((node.module or "").partition(".")[0])
    return found


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: not in functions, not under TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from at_import(child)


def allowed(path: Path) -> set[str]:
    """The project's own packages that a file may import."""
    layer = path.relative_to(ROOT).parts[0]
    calls_training = name(path) == "agent/cli.py" or name(path).startswith("agent/commands/train")
    return MAY_IMPORT[layer] | ({"training"} if calls_training else set())


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in telling(path) if isinstance(node, ast.Call))


def test_there_are_files_to_read() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(LAYERS)


def offenders(found: Callable[[Path], object], words: Callable[[Path], set[str]]) -> dict[str, object]:
    """What a check found, by file; parsed are only the files that hold one of the words it looks for."""

    def concerned(path: Path) -> bool:
        return re.search(rf"\b(?:{'|'.join(words(path))})\b", source(path)) is not None

    return {name(path): it for path in FILES if concerned(path) and (it := found(path))}


def test_a_layer_imports_only_what_lies_below_it() -> None:
    def above(path: Path) -> set[str]:
        return set(LAYERS) - allowed(path)

    assert offenders(lambda path: imported(telling(path)) & above(path), above) == {}


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    assert offenders(lambda path: imported(at_import(tree(path))) & HEAVY, lambda _: HEAVY) == {}


def test_nothing_is_unpickled_or_run_from_text() -> None:
    def unsafe(path: Path) -> set[str]:
        called = {node.func.id for node in calls(path) if isinstance(node.func, ast.Name)}
        return imported(telling(path)) & UNSAFE_MODULES | called & UNSAFE_CALLS

    assert offenders(unsafe, lambda _: UNSAFE_MODULES | UNSAFE_CALLS) == {}


def test_no_code_of_a_model_repository_is_trusted() -> None:
    def trusting(path: Path) -> list[int]:
        return [
            node.lineno
            for node in calls(path)
            for keyword in node.keywords
            if keyword.arg == "trust_remote_code"
            and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        ]

    assert offenders(trusting, lambda _: {"trust_remote_code"}) == {}


def test_only_commands_print() -> None:
    def printing(path: Path) -> list[int]:
        if name(path).startswith("agent/commands/"):
            return []
        called = (node for node in calls(path) if isinstance(node.func, ast.Name))
        return [node.lineno for node in called if isinstance(node.func, ast.Name) and node.func.id == "print"]

    assert offenders(printing, lambda _: {"print"}) == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch.nn", {"torch"}),
        ("from faiss import IndexFlatIP", {"faiss"}),
        ("class A:\n    import torch", {"torch"}),
        ("try:\n    import torch\nexcept ImportError: pass", {"torch"}),
        ("def f():\n    import torch", set()),
        ("if TYPE_CHECKING:\n    import torch", set()),
    ],
)
def test_the_reader_of_imports_sees_what_runs_at_import(source: str, found: set[str]) -> None:
    assert imported(at_import(ast.parse(source))) & HEAVY == found
