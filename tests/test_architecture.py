"""The house rules that a reader could break without noticing."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "ncfjax").rglob("*.py"))
# What a package may import of ncfjax: the layers below it. `store` and `table` stand beside them all.
BELOW = {
    "data": set(),
    "models": {"data"},
    "evaluation": {"data", "models"},
    "training": {"data", "models", "evaluation"},
    "store": {"table"},
    "table": set(),
}
NNX_NAMES = {"Module", "Embed", "Linear", "List", "Param", "Rngs", "initializers", "relu", "sigmoid"}


def imports(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    nodes = ast.walk(ast.parse(path.read_text()))
    return {*names, *(node.module or "" for node in nodes if isinstance(node, ast.ImportFrom))}


def layer(path: Path) -> str:
    return path.relative_to(ROOT / "ncfjax").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    used = {name.split(".")[1] for name in imports(path) if name.startswith("ncfjax.")}
    assert used <= BELOW.get(layer(path), set()) | {layer(path)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_package_knows_no_hydra_no_clock_and_no_terminal(path):
    forbidden = {"hydra", "omegaconf", "time", "tqdm", "rich", "argparse", "experiments", "datetime"}
    assert not {name.split(".")[0] for name in imports(path)} & forbidden


def test_evaluation_and_models_never_see_training():
    assert "training" not in BELOW["evaluation"] | BELOW["models"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_flax_modules_are_used_as_plain_pytrees(path):
    """jax.jit, vmap, grad and scan around them: the semantics of nnx's own transforms are about to change."""
    attributes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    names = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "nnx"}
    assert names <= NNX_NAMES


def test_only_the_store_writes_csv():
    writers = [path.name for path in SOURCES if "csv.writer" in path.read_text() or "to_csv" in path.read_text()]
    assert writers == ["table.py"]
