"""The templates of docs/extending.md: a similarity with a new key is one class and one file, a study is one file."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import sweep
from experiments.engine.checks import ConfigError
from experiments.engine.closing import averaged
from experiments.tasks.models import model_cells
from experiments.tasks.recommender.task import RecommenderTask
from ncfjax.keys import Key
from ncfjax.models import registry
from ncfjax.store import Store

ROOT = Path(__file__).parents[4]
BLOCKS = re.findall(r"```(?:python|yaml)\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)


def template(start: str) -> str:
    """The block of docs/extending.md that begins so."""
    (text,) = [block for block in BLOCKS if block.startswith(start)]
    return text


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[str, ...]:
    """The class and the files of the page, where Hydra finds them; returns the arguments that choose the model."""
    monkeypatch.setattr(registry, "_classes", dict(registry.similarities()))
    exec(template("# ncfjax/models/similarities/scaled_cosine.py"), {"__name__": "scaled_cosine"})
    for path, start in (("model/scaled_cosine", "# conf/model/"), ("study/sweep/mine", "# @package")):
        file = tmp_path / "conf" / f"{path}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(template(start))
    # The keys of a sweep are made once in a process; a new one begins where a process does.
    monkeypatch.setattr(sweep, "ENTRY", sweep.ENTRY._replace(task=RecommenderTask()))
    return f"hydra.searchpath=[file://{tmp_path / 'conf'}]", "model=scaled_cosine"


@pytest.mark.slow
def test_two_values_of_its_key_are_two_rows_of_the_table_and_two_runs_for_each_seed(
    made_up: tuple[str, ...], run_entry: Callable[..., int], tiny: tuple[str, ...], results: Path, capfd
):
    arguments = (*tiny, *made_up, "model.temperature=0.05,0.2", "grid.seed=0,1", f"results_dir={results}")
    assert run_entry(sweep, *arguments) == 0
    said = capfd.readouterr().out
    assert said.startswith("ncfjax: 2 jobs, 4 runs: 4 to train")
    task = sweep.ENTRY.task
    runs = Store(results / "sweep", task.all_columns).runs()
    runs = runs[runs["model"] == "scaled_cosine"]
    assert runs["temperature"].tolist() == [0.05, 0.05, 0.2, 0.2] and runs["run_id"].nunique() == 4
    rows = averaged(task, runs)
    assert sorted(rows["temperature"]) == [0.05, 0.2] and list(rows["seeds"]) == [2, 2]
    assert rows["ndcg@10"].nunique() == 2, "and they have learned differently"
    table = [line.split() for line in said.splitlines() if line.split()[:1] == ["scaled_cosine"]]
    assert len(table) == 2 and "temperature" in said.splitlines()[1]


def test_it_has_its_key_in_the_schema_the_run_id_and_the_columns(made_up: tuple[str, ...], id_of: Callable[..., str]):
    entry = sweep.ENTRY
    one = (*made_up, "grid.learning_rate=0.1", "grid.regularization=0.1", "grid.seed=0")
    ids = {id_of(entry, *one, *more) for more in ((), ("model.temperature=0.1",), ("model.temperature=0.2",))}
    assert len(ids) == 2 and "temperature" in entry.task.columns


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("model.temperature=-1", "model.temperature: expected a number > 0, got -1"),
        ("model.temperatur=1", "model.temperatur: no such key, did you mean model.temperature?"),
        ("model.layers=[8,4]", "model.layers: expected nothing, as only model=mlp,neumf,residual has "),
    ],
)
def test_what_its_key_cannot_be_is_refused_by_name(
    argument: str, message: str, made_up: tuple[str, ...], run_entry: Callable[..., int], results: Path, capfd
):
    assert run_entry(sweep, *made_up, argument, f"results_dir={results}") == 2
    assert message in capfd.readouterr().err and not results.exists()


def test_other_similarities_do_not_have_it(made_up: tuple[str, ...], run_entry: Callable[..., int], results, capfd):
    searchpath, _ = made_up
    assert run_entry(sweep, searchpath, "model=gmf", "model.temperature=1", f"results_dir={results}") == 2
    message = "model.temperature: expected nothing, as only model=cosine,mixture_of_logits,scaled_cosine has one, got 1"
    assert message in capfd.readouterr().err


def test_the_template_of_a_study_asks_for_its_runs(made_up: tuple[str, ...], jobs_of: Callable[..., list]):
    searchpath, _ = made_up
    configs = [job.config for job in jobs_of(sweep.ENTRY, searchpath, "+study=mine")]
    assert {(config.study.name, config.model.name, config.num_epochs) for config in configs} == {("my-study", "gmf", 4)}
    assert all(config.grid.seed == [0, 1] for config in configs)


def declare(monkeypatch: pytest.MonkeyPatch, model: str, **keys: Key) -> RecommenderTask:
    """A similarity that has further keys, for the length of a test, as its file in conf/model/ says."""
    cls, schema = registry.similarity_class(model), RecommenderTask.schema
    monkeypatch.setattr(cls, "keys", {**cls.keys, **keys})
    in_file = {f"model.{key}": None for key in keys}
    monkeypatch.setattr(RecommenderTask, "schema", lambda self, folders: in_file | schema(self, folders))
    monkeypatch.setattr(sweep, "ENTRY", sweep.ENTRY._replace(task=RecommenderTask()))
    return sweep.ENTRY.task


@pytest.mark.parametrize("name", ["num_negatives", "seed", "ndcg@10", "device", "run_id"])
def test_a_key_of_the_name_of_another_column_is_refused(monkeypatch: pytest.MonkeyPatch, name: str):
    """Its values would be lost, and its runs averaged as if they were seeds."""
    task = declare(monkeypatch, "gmf", **{name: Key(float, lambda value: True, "a number", 0.0)})
    with pytest.raises(ConfigError, match=f"model.{name}: expected a name that no column of the tables has"):
        _ = task.columns


def test_a_key_that_a_similarity_gets_later_leaves_its_runs_as_they_were(
    monkeypatch: pytest.MonkeyPatch, id_of: Callable[..., str], jobs_of: Callable[..., list]
):
    one = ("model=gmf", "grid.learning_rate=0.1", "grid.regularization=0.1", "grid.seed=0")
    before, cells = id_of(sweep.ENTRY, *one), model_cells(jobs_of(sweep.ENTRY, *one)[0].config.model)
    later = Key(float, lambda value: value > 0, "a number > 0", 1.0, default_is_blank=True, default_is_unnamed=True)
    declare(monkeypatch, "gmf", scale=later)
    assert id_of(sweep.ENTRY, *one) == id_of(sweep.ENTRY, *one, "model.scale=1") == before
    assert id_of(sweep.ENTRY, *one, "model.scale=2") != before
    assert model_cells(jobs_of(sweep.ENTRY, *one)[0].config.model) == cells | {"scale": None}


def test_the_cells_of_a_model_are_by_its_own_keys(monkeypatch: pytest.MonkeyPatch, jobs_of: Callable[..., list]):
    """Another similarity may show the default of a key of the same name."""
    declare(monkeypatch, "neumf", biases=Key(bool, lambda value: True, "true or false", default=True))
    cells = model_cells(jobs_of(sweep.ENTRY, "model=dot")[0].config.model)
    assert cells == {"biases": None, "frozen_constants": None}
