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
    "baselines": {"data", "models"},
    "training": {"data", "models", "evaluation"},
    "store": {"table"},
    "table": set(),
}
NNX_NAMES = {"Module", "Embed", "Linear", "List", "Param", "Rngs", "initializers", "relu", "sigmoid"}


def imports(source: str) -> set[str]:
    """The full names of all that is imported, modules and what is taken from them; a relative one starts with a dot."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def layers_used(source: str) -> set[str]:
    return {name.split(".")[1] for name in imports(source) if name.startswith(("ncfjax.", "."))}


def nnx_names(source: str) -> set[str]:
    attributes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    used = {node.attr for node in attributes if ast.unparse(node.value) in ("nnx", "flax.nnx")}
    return used | {name.split(".")[2] for name in imports(source) if name.startswith("flax.nnx.")}


def layer(path: Path) -> str:
    return path.relative_to(ROOT / "ncfjax").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    assert layers_used(path.read_text()) <= BELOW.get(layer(path), set()) | {layer(path)}


@pytest.mark.parametrize(
    "source",
    [
        "from ncfjax import training",
        "from ncfjax import training as below",
        "from ncfjax.training import program",
        "from ncfjax.training.program import Spec",
        "import ncfjax.training",
        "import ncfjax.training.program as program",
        "def late():\n    from ncfjax.training import program",
    ],
)
def test_no_way_to_import_a_layer_is_overlooked(source):
    assert layers_used(source) == {"training"}


@pytest.mark.parametrize("source", ["from .. import training", "from ..training import program", "from . import full"])
def test_a_relative_import_belongs_to_no_layer(source):
    assert layers_used(source) == {""}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_package_knows_no_hydra_no_clock_and_no_terminal(path):
    forbidden = {"hydra", "omegaconf", "time", "tqdm", "rich", "argparse", "experiments", "datetime"}
    assert not {name.split(".")[0] for name in imports(path.read_text())} & forbidden


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_flax_modules_are_used_as_plain_pytrees(path):
    """jax.jit, vmap, grad and scan around them: the semantics of nnx's own transforms are about to change."""
    assert nnx_names(path.read_text()) <= NNX_NAMES


@pytest.mark.parametrize(
    "source",
    [
        "from flax import nnx\nnnx.jit(f)",
        "from flax.nnx import jit",
        "from flax.nnx import jit as compiled",
        "import flax.nnx\nflax.nnx.jit(f)",
    ],
)
def test_no_way_to_a_transform_of_nnx_is_overlooked(source):
    assert nnx_names(source) == {"jit"}


def test_only_the_store_writes_csv():
    writers = [path.name for path in SOURCES if "csv.writer" in path.read_text() or "to_csv" in path.read_text()]
    assert writers == ["table.py"]
