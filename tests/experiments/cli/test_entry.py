"""The words of a command line, of every kind of run: keys, groups, lists, and the nearest right name."""

from collections.abc import Callable

import pytest

from experiments import baselines, imitate, ratings, sweep
from experiments.cli.entry import as_hydra_reads_it, check_arguments, options
from experiments.engine.config import CONF

ENTRIES = {module.ENTRY.name: module.ENTRY for module in (sweep, imitate, baselines)}
SYNTHETIC = {"sweep": [], "imitate": [], "baselines": ["baseline=ials"]}  # of which ials has every key


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("foo=1", "foo: no such key, valid: "),
        ("+grid.foo=1", "grid.foo: no such key"),
        ("eval_evry=2", "eval_evry: no such key, did you mean eval_every?"),
        ("learning_rat=1", "learning_rat: no such key"),
        ("grid.sed=1", "grid.sed: no such key, did you mean grid.seed?"),
        ("dataset=ml1m", "dataset=ml1m: no such dataset, did you mean ml-1m?"),
        ("dataset=ml-1m,pinterets", "dataset=pinterets: no such dataset, did you mean pinterest?"),
        ("+study=nothing-like-it", "study=nothing-like-it: no such study, valid: "),
        ("study=mine", "study.name=NAME chooses the folder"),
        ("phase=final", "phase: set by tune=true, not by hand"),
        ("study.name=a,b", "study.name: expected one value for all jobs, got a, b"),
        ("results_dir=a,b", "results_dir: expected one value for all jobs"),
        ("dry_run=true,false", "dry_run: expected one value for all jobs"),
        ("grid.seed=0,0", "grid.seed: expected each value once"),
        ("grid.seed=a", "grid.seed: expected an integer from 0 to 2147483647, got 'a'"),
        ("grid.seed=interval(0,1)", "expected a list such as 1,2,3 or range(0,8), got an interval"),
        ("grid.seed=null", "grid.seed: expected "),
        ("eval_every=0", "eval_every: expected an integer >= 1, got 0"),
        ("num_epochs=", "num_epochs"),
        ("memory_gb=0", "memory_gb: expected a number > 0, or null, got 0"),
        ("memory_gb=inf", "memory_gb: expected a number > 0"),
        ("study.name=a/b", "study.name: expected the name of a folder: letters, digits, . _ + -, got 'a/b'"),
        ("hydra.mode=RUN", "hydra.mode: expected MULTIRUN, which plans and sums up a study, got RUN"),
    ],
)
def test_a_wrong_word_is_refused_by_every_command(name: str, argument: str, message: str, refusal: Callable[..., str]):
    if name == "baselines" and argument == "num_epochs=":
        argument = "baseline.num_epochs="
    assert message in refusal(ENTRIES[name], *SYNTHETIC[name], argument)


@pytest.mark.parametrize("name", ["sweep", "baselines"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["split=validation"], "split=validation: no such name, valid: test, holdout"),
        (["tune_by=hr@10"], "tune_by=hr@10: no such name"),
        (["tune=true,false"], "tune: expected one value for all jobs"),
        (["tune=true", "final_seeds=[]"], "final_seeds: expected at least one"),
        (["tune=true", "final_seeds=-1"], "final_seeds: expected an integer from 0"),
        (["dataset.name=ml1m"], "dataset.name=ml1m: no such name, did you mean ml-1m"),
        (["dataset.num_negatives=0"], "dataset.num_negatives: expected an integer >= 1, got 0"),
        (["dataset.seed=-1"], "dataset.seed: expected an integer from 0 to 2147483647, got -1"),
        (["dataset=ncf"], "dataset.prefix: expected FOLDER/NAME"),
        (["dataset=csv"], "dataset.path: expected the file, as dataset=csv, got None"),
        (["dataset.path=here.csv"], "dataset.path: expected nothing, as only dataset=csv has it, got 'here.csv'"),
        (["dataset.prefix=a/b"], "dataset.prefix: expected nothing, as only dataset=ncf has it, got 'a/b'"),
        (["dataset.name=ml-1m"], "dataset.synthetic.num_users: expected nothing, as only dataset=synthetic has it"),
    ],
)
def test_a_wrong_value_of_a_task_that_ranks_is_refused(
    name: str, arguments: list[str], message: str, refusal: Callable[..., str]
):
    assert message in refusal(ENTRIES[name], *SYNTHETIC[name], *arguments)


@pytest.mark.parametrize("name", ["ml-1m", "pinterest", "pinterest-u37501", "ml-100k", "ml-1m-ratings", "synthetic"])
def test_every_data_set_composes(name: str, jobs_of):
    assert jobs_of(ENTRIES["baselines"], f"dataset={name}")[0].config.dataset.name == name


def test_the_words_of_the_users_own_folder_are_left_to_hydra():
    check_arguments(ENTRIES["sweep"].task, ["hydra.searchpath=[file:///nowhere]", "model=mine", "+study=mine"])


def test_flags_are_left_to_hydra():
    check_arguments(ENTRIES["sweep"].task, ["--cfg", "job", "--info=all"])


@pytest.mark.parametrize(
    ("argument", "expected"),
    [("+study=a", "+study/sweep=a"), ("++study=a", "+study/sweep=a"), ("study.name=a", "study.name=a"),
     ("+study/sweep=a", "+study/sweep=a"), ("note=x+study=a", "note=x+study=a")],
)  # fmt: skip
def test_a_study_is_an_option_of_the_commands_own_group(argument: str, expected: str):
    assert as_hydra_reads_it(ENTRIES["sweep"].task, argument) == expected


def test_the_options_of_a_group_are_its_files():
    offered = options(ENTRIES["sweep"].task)
    assert set(offered) == {*ENTRIES["sweep"].task.groups, "study"}
    assert offered["optimizer"] == ["adam", "lazy_adam", "sgd"]
    assert offered["study"] == sorted(path.stem for path in (CONF / "study" / "sweep").glob("*.yaml"))


def test_a_text_that_hydra_cannot_parse_is_taken_as_it_is_typed(jobs_of):
    """As the shell passes dataset.scale='bad < fair < good' on: without its quotes."""
    for argument in ("dataset.scale=bad < fair < good", "dataset.scale='bad < fair < good'"):
        (job,) = jobs_of(ratings.ENTRY, "dataset=csv", "dataset.path=x.csv", argument)
        assert job.config.dataset.scale == "bad < fair < good"
