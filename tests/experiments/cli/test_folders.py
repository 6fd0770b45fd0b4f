"""Where a command reads and writes: folders are those of its start, whatever changes later; names keep their text."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments import baselines, plot, ratings, recommend, report, retrieval, serve, sweep
from experiments.cli.compose import compose_alone
from experiments.engine.jobs import launch_missing
from ncfjax.store import Store
from ncfjax.table import StoreError


@pytest.fixture
def fit(run_entry: Callable[..., int], tiny_data: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Fits popularity, in a folder of its own and with a home beside it; the exit code."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return lambda *arguments: run_entry(baselines, *tiny_data, "baseline=popularity", *arguments)


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("runs.csv"))


def test_a_job_that_hydra_puts_elsewhere_writes_where_the_command_was_given(fit, tmp_path: Path, capfd):
    assert fit("hydra.job.chdir=true", "results_dir=out") == 0
    assert written(tmp_path) == ["here/out/baselines/runs.csv"]
    assert "popularity" in capfd.readouterr().out and Path.cwd() == tmp_path / "here"


def test_a_launcher_whose_jobs_write_elsewhere_is_no_success(tmp_path: Path, jobs_of, tiny_data):
    jobs = jobs_of(baselines.ENTRY, *tiny_data, "baseline=popularity", f"results_dir={tmp_path}")
    store = baselines.ENTRY.task.store(jobs[0].config)
    with pytest.raises(StoreError, match="expected 1 row more: the launcher's jobs have ended and wrote elsewhere"):
        launch_missing(baselines.ENTRY.task, jobs, store, lambda overrides, provenance: None, {})


@pytest.mark.parametrize(
    "choice",
    ["hydra/sweeper=basic", "hydra/sweeper=optuna",
     "hydra.sweeper._target_=hydra._internal.core_plugins.basic_sweeper.BasicSweeper"],
)  # fmt: skip
def test_another_sweeper_is_refused_in_one_message(fit, choice: str, tmp_path: Path, capfd):
    assert fit(choice) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("ncfjax: hydra/sweeper: expected ncfjax, which plans, checks and sums up a study, got ")
    assert written(tmp_path) == []


def test_a_home_folder_is_meant_by_a_tilde(fit, tmp_path: Path):
    assert fit("results_dir=~/out") == 0 and fit("results_dir=~/out", "hydra.job.chdir=true", "study.name=b") == 0
    assert written(tmp_path) == ["home/out/b/runs.csv", "home/out/baselines/runs.csv"]
    assert list((tmp_path / "here").iterdir()) == []


def test_a_tilde_in_a_file_of_the_users_own_is_one_too(fit, tmp_path: Path):
    study = tmp_path / "conf" / "study" / "baselines" / "mine.yaml"
    study.parent.mkdir(parents=True)
    study.write_text("# @package _global_\nresults_dir: ~/out\nhydra: {job: {chdir: true}}\n")
    assert fit(OWN, "+study=mine") == 0
    assert written(tmp_path) == ["home/out/baselines/runs.csv"] and list((tmp_path / "here").iterdir()) == []


OWN = "hydra.searchpath=[file://~/../conf]"  # beside the home of these tests
PATHS = {
    sweep: ["dataset=csv dataset.path", "dataset=ncf dataset.prefix", "data_dir", "results_dir",
            "model=neumf pretraining=keras pretraining.mlp=x pretraining.gmf"],
    ratings: ["dataset=csv dataset.path"],
    retrieval: ["source=keras source.model=mlp source.mlp"],
}  # fmt: skip


@pytest.mark.parametrize(("entry", "key"), [(entry, key) for entry, keys in PATHS.items() for key in keys])
def test_every_path_may_begin_at_home(entry, key: str, jobs_of, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/me")
    *choices, name = key.split()
    (job,) = jobs_of(entry.ENTRY, *choices, f"{name}=~/2024_11 (1)")[:1]
    value = job.config
    for part in name.split("."):
        value = getattr(value, part)
    assert value == "/me/2024_11 (1)"


@pytest.mark.parametrize(
    ("name", "keys"),
    [("recommend", recommend.PATHS), ("serve", serve.PATHS), ("plot", ("results_dir",)), ("report", ("results_dir",))],
)
def test_every_path_of_a_command_without_jobs_may_too(name: str, keys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/me")
    values = compose_alone(name, [f"{key}=~/1.10" for key in keys], paths=keys)
    assert [values[key] for key in keys] == ["/me/1.10"] * len(keys)
    assert compose_alone("serve", ["model=~/1.10,b"], paths=["model"], lists=True)["model"] == ["/me/1.10", "b"]


@pytest.mark.parametrize("name", ["2024_11_25", "1.10", "4e12345", "007"])
def test_a_studys_name_keeps_its_text_from_the_command_line_to_the_table_and_the_plot(fit, name: str, capsys):
    assert fit(f"study.name={name}") == 0
    store = Store(Path("results") / name, baselines.ENTRY.task.all_columns)
    assert store.runs()["study"].tolist() == [name]
    assert plot.main(["figure2", f"study={name}0"]) == 2
    assert f"study={name}0: no such table in results, did you mean {name}?" in capsys.readouterr().err


def test_a_folder_of_hydras_own_keeps_its_text_too(fit, tmp_path: Path):
    assert fit("hydra.sweep.dir=~/1_000") == 0
    assert (tmp_path / "home" / "1_000").is_dir() and written(tmp_path) == ["here/results/baselines/runs.csv"]


def test_files_of_a_list_keep_their_names(jobs_of):
    names = ["1.10", "2024_11", "a b (1).csv", "1e5,c"]
    jobs = jobs_of(sweep.ENTRY, "dataset=csv", 'dataset.path=1.10,2024_11,a b (1).csv,"1e5,c"')
    assert [job.config.dataset.path for job in jobs] == names


def test_a_file_of_conf_whose_name_is_read_as_a_number_is_refused(fit, tmp_path: Path, capfd):
    study = tmp_path / "conf" / "study" / "baselines" / "mine.yaml"
    study.parent.mkdir(parents=True)
    study.write_text("# @package _global_\nstudy: {name: 2024_11_25}\n")
    assert fit(OWN, "+study=mine") == 2
    expected = "ncfjax: study.name: expected a text, in quotes where it could be read as a number, got 20241125\n"
    assert capfd.readouterr().err == expected


def test_a_study_and_a_group_may_have_names_that_are_numbers(fit, tmp_path: Path):
    study = tmp_path / "conf" / "study" / "baselines" / "2024_11.yaml"
    study.parent.mkdir(parents=True)
    study.write_text("# @package _global_\nstudy: {name: mine}\n")
    assert fit(OWN, "+study=2024_11") == 0
    assert written(tmp_path) == ["here/results/mine/runs.csv"]


# ---- folders that cannot be, or are no more


@pytest.mark.parametrize("name", ["figures", "ranks", "models"])
def test_a_file_in_the_place_of_a_folder_is_refused_before_anything_is_trained(fit, name: str, capfd):
    path = Path("results/baselines") / name
    path.parent.mkdir(parents=True)
    path.write_text("in the way")
    assert fit() == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{path}: expected a folder that can be written" in line and not (path.parent / "runs.csv").exists()


@pytest.mark.parametrize(("main", "arguments"), [(plot.main, ["figure2"]), (report.main, [])])
def test_figures_that_are_a_file_are_refused_before_anything_is_drawn(
    main, arguments, tmp_path: Path, monkeypatch, capsys, store_runs, a_run
):
    monkeypatch.chdir(tmp_path)
    store_runs(Path("results/figure2-ml-1m"), a_run())
    Path("results/figure2-ml-1m/figures").write_text("in the way")
    before = sorted(Path().rglob("*"))
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.endswith(
        ": results/figure2-ml-1m/figures: expected a folder that can be written, got a file\n"
    )
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("output", [".", "file/top.csv"])
def test_an_answer_that_cannot_be_written_is_refused_before_anything_is_trained(output, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("in the way")
    assert recommend.main(["user=0", f"output={output}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()  # and none on training
    assert re.match("recommend: (output: expected a file|file: expected a folder)", line)


def test_a_working_folder_that_was_deleted_is_one_message_of_every_command(fit, tmp_path: Path, capfd):
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    shutil.rmtree(gone)
    codes = [fit(), plot.main(["figure2"]), report.main([]), recommend.main([]), serve.main([])]
    assert codes == [2] * 5
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        "the working folder is not there any more: go to another one"
    ] * 5


def test_what_is_read_of_another_folder_stays_what_it_was(fit, tmp_path: Path):
    """The rows say the same, whether Hydra changes the folder or not."""
    fit("results_dir=a"), fit("results_dir=b", "hydra.job.chdir=true")
    tables = [pd.read_csv(f"{name}/baselines/runs.csv") for name in "ab"]
    assert tables[0]["run_id"].tolist() == tables[1]["run_id"].tolist()


@pytest.mark.parametrize("key", ["dataset=csv dataset.path", "dataset=ncf dataset.prefix"])
def test_a_tilde_of_nobody_is_a_name_like_any_other(run_entry, results: Path, key: str, capfd):
    *choices, name = key.split()
    arguments = [*choices, f"{name}=~nobody-of-this-name/a", "baseline=popularity", f"results_dir={results}"]
    assert run_entry(baselines, *arguments) == 2
    assert "~nobody-of-this-name/a" in capfd.readouterr().err
