"""The house rules that a reader could break without noticing."""

import ast
import re
from pathlib import Path

import pytest

from experiments.entries import entry_points
from experiments.tasks.ranking import METRIC_COLUMNS
from ncfjax.baselines.methods import METHODS
from ncfjax.models.registry import declared_keys, similarity_names

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "ncfjax").rglob("*.py"))
# What a package may import of ncfjax: the layers below it. `keys` is below them all, `store` and `table` stand beside.
BELOW = {
    "keys": set(),
    "data": set(),
    "models": {"data", "keys"},
    "evaluation": {"data", "models"},
    "baselines": {"data", "keys", "models"},
    "ratings": {"baselines", "data", "models"},
    "training": {"data", "models", "evaluation"},
    "saved": {"baselines", "data", "models", "ratings", "table"},
    "retrieval": {"baselines", "data", "models"},
    "recommend": {"baselines", "cost", "data", "keys", "models", "ratings", "retrieval", "saved"},
    "cost": {"models"},
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


# ---- experiments/

EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.py"))
# What a folder of experiments/ may import of it beside itself; the files that lie in experiments/ use them all.
USES = {
    "cli": {"engine"},
    "tasks": {"engine"},
    "web": {"engine"},
    "figures": {"analysis"},
    "engine": set(),
    "analysis": set(),
}
each_file = pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def folder(path: Path) -> str:
    """ "" for an entry point."""
    return "/".join(path.relative_to(ROOT / "experiments").parts[:-1])


def folders_used(source: str) -> set[str]:
    """The first parts of what is imported of experiments; a relative import has none."""
    return {(name + ".").split(".")[1] for name in imports(source) if re.match(r"experiments(\.|$)|\.", name)}


def outsiders(source: str) -> set[str]:
    """The first names of all that is imported."""
    return {name.split(".")[0] for name in imports(source)}


@each_file
def test_folders_of_experiments_use_each_other_one_way(path):
    top = folder(path).split("/")[0]
    if top:
        assert folders_used(path.read_text()) <= USES[top] | {top}


@pytest.mark.parametrize(
    "source",
    [
        "from experiments import tasks",
        "from experiments import tasks as below",
        "from experiments.tasks import data",
        "from experiments.tasks.data import load_data",
        "import experiments.tasks",
        "import experiments.tasks.data as data",
        "def late():\n    from experiments.tasks.recommender import task",
    ],
)
def test_no_way_to_import_a_folder_is_overlooked(source):
    assert folders_used(source) == {"tasks"}


@pytest.mark.parametrize("source", ["from . import tasks", "from ..tasks import data", "import experiments"])
def test_an_import_that_names_no_folder_is_of_none(source):
    assert folders_used(source) == {""}


@each_file
def test_a_kind_of_run_does_not_know_the_others(path):
    _, kind, *_ = [*folder(path).split("/"), "", ""]
    others = {p.name for p in (ROOT / "experiments" / "tasks").iterdir() if p.is_dir()} - {kind}
    if folder(path).startswith("tasks/"):
        assert (
            not {name.split(".")[2] for name in imports(path.read_text()) if name.startswith("experiments.tasks.")}
            & others
        )


def test_few_files_lie_in_experiments_itself():
    assert len([path for path in EXPERIMENTS if folder(path) == ""]) <= 11  # nine entry points
    assert {folder(path).split("/")[0] for path in EXPERIMENTS} <= {"", *USES}


@each_file
def test_hydra_is_the_command_lines_and_omegaconf_ends_where_a_configuration_is_resolved(path):
    used, name = outsiders(path.read_text()), str(path.relative_to(ROOT / "experiments"))
    is_command_line = folder(path) in ("", "cli")
    assert "hydra" not in used or is_command_line
    may_use_omegaconf = is_command_line or name in ("engine/config.py", "engine/task.py") or name.startswith("tasks/")
    assert "omegaconf" not in used or may_use_omegaconf


@each_file
def test_only_figures_draw(path):
    assert folder(path) == "figures" or not outsiders(path.read_text()) & {"matplotlib", "markdown_it"}


@each_file
def test_only_the_web_knows_a_server_and_only_its_command_starts_one(path):
    used = outsiders(path.read_text()) & {"starlette", "uvicorn", "asyncio", "socket"}
    assert not used or folder(path) == "web"
    assert "web" not in folders_used(path.read_text()) or folder(path) == "web" or path.name == "serve.py"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_package_does_not_know_the_experiments(path):
    assert "experiments" not in outsiders(path.read_text())


def words(source: str) -> set[str]:
    """Of names and of texts, whole and between their underscores; what docstrings and comments say is not code."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and node.body
                  and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            texts.append(node.value)
        texts += [value for field in ("id", "attr", "arg", "name", "asname", "module")
                  if isinstance(value := getattr(node, field, None), str)]  # fmt: skip
    whole = {word.lower() for text in texts for word in re.findall(r"[A-Za-z_]\w*", text)}
    return whole | {part for word in whole for part in word.split("_")}


def task_words() -> set[str]:
    """Names of kinds of runs, of what they train, of its keys, and of what they measure."""
    kinds = {path.name for path in (ROOT / "experiments" / "tasks").iterdir() if path.is_dir()}
    kinds |= {entry.name for entry in entry_points()}
    metrics = {column.partition("@")[0] for column in METRIC_COLUMNS} | {"rmse"}
    return kinds | {*similarity_names(), *METHODS, *declared_keys()} | metrics | {"embedding_dim", "learning_rate"}


@pytest.mark.parametrize("path", [p for p in EXPERIMENTS if folder(p) == "engine"], ids=lambda path: path.name)
def test_the_engine_names_no_kind_of_run_no_model_and_no_metric(path):
    assert sorted(words(path.read_text()) & task_words()) == []


@pytest.mark.parametrize(
    "source",
    ["dot = 1", "def f(ndcg): ...", "x.hit_ratio", "print('stored by a sweep')", "f'{x} gmf'", "import imitate",
     "best_neumf = 1", "{'rmse_test': 1}", "class Recommender: ...", "embedding_dim", "from a import dot as b"],
)  # fmt: skip
def test_no_way_to_name_one_is_overlooked(source):
    assert words(source) & task_words()


def test_what_a_docstring_tells_is_no_code():
    assert not words('"""A sweep of dot."""\ndef f():\n    """gmf"""\n    # ndcg\n') & task_words()
