"""Data sets of one name, in one study and in one table; a file that changes."""

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import baselines, imitate, ratings, retrieval, sweep
from experiments.engine.checks import ConfigError
from experiments.engine.names import check_names
from experiments.tasks.baseline.work import BaselineWork
from ncfjax.data.content import of_file
from ncfjax.store import Store

ROWS = ["user,item,rating,timestamp", *(f"{u},{i},{1 + (u + i) % 5},{i}" for u in range(8) for i in range(8) if u != i)]
FIT = ("baseline=popularity", "dataset=csv", "dataset.num_negatives=1")
ARGUMENTS = {
    sweep: ("grid.seed=0", "grid.learning_rate=0.01", "grid.regularization=0.01"),
    baselines: ("baseline=popularity",),
    imitate: ("target=recommender", "embedding_dim=4"),
    ratings: ("method=global_mean", "folds=share"),
    retrieval: ("source.model=dot",),
}


def write(path: Path, rows: list[str] = ROWS) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    content = "\n".join(rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    os.utime(path, ns=(0, time.time_ns()))
    return path


@pytest.fixture
def checked(jobs_of: Callable, results: Path) -> Callable[..., list]:
    """The jobs of a command line, once their names were checked."""

    def checked(entry, *arguments: str) -> list:
        jobs = jobs_of(entry.ENTRY, *ARGUMENTS[entry], *arguments, f"results_dir={results}")
        check_names(entry.ENTRY.task, [job.config for job in jobs], entry.ENTRY.task.store(jobs[0].config))
        return jobs

    return checked


@pytest.fixture
def fit(run_entry: Callable[..., int], results: Path) -> Callable[..., int]:
    """Runs popularity on some tables."""
    return lambda *paths, **more: run_entry(
        baselines, *FIT, f"dataset.path={','.join(map(str, paths))}", f"results_dir={results}"
    )


def rows_of(results: Path) -> pd.DataFrame:
    return Store(results / "baselines", baselines.ENTRY.task.all_columns).runs()


@pytest.mark.parametrize("entry", ARGUMENTS, ids=lambda entry: entry.__name__)
def test_a_run_is_known_by_the_content_of_its_files_and_not_by_their_place(entry, id_of: Callable, tmp_path: Path):
    one, moved, packed = (write(tmp_path / path) for path in ("a/r.csv", "b/s.csv", "c/r.csv.gz"))
    changed = write(tmp_path / "d" / "r.csv", [*ROWS, "9,1,5,3", "9,2,5,4"])

    def run_id(path: Path) -> str:
        return id_of(entry.ENTRY, *ARGUMENTS[entry], "dataset=csv", f"dataset.path={path}")

    assert run_id(moved) == run_id(packed) == run_id(one) != run_id(changed)


@pytest.mark.parametrize("entry", ARGUMENTS, ids=lambda entry: entry.__name__)
def test_two_files_of_one_name_are_refused_before_anything_is_run(entry, checked: Callable, tmp_path: Path):
    a, b = write(tmp_path / "a/r.csv"), write(tmp_path / "b/r.csv", ROWS[:-5])
    with pytest.raises(ConfigError, match=rf"dataset.path={b}: expected another name than r, which rows of .*{a} have"):
        checked(entry, "dataset=csv", f"dataset.path={a},{b}")
    write(b)
    checked(entry, "dataset=csv", f"dataset.path={a},{b}")  # the same data twice


def test_files_that_differ_behind_the_first_dot_have_names_of_their_own(
    fit: Callable[..., int], results: Path, tmp_path
):
    old, new = write(tmp_path / "ratings.2020.csv"), write(tmp_path / "ratings.2021.csv", ROWS[:-5])
    assert fit(old, new) == 0
    rows = rows_of(results)
    assert list(rows["dataset"]) == ["ratings.2020", "ratings.2021"] and rows["content"].nunique() == 2


def test_a_plain_file_and_an_older_gz_of_it_are_two(checked: Callable, tmp_path: Path):
    plain, packed = write(tmp_path / "r.csv"), write(tmp_path / "r.csv.gz", ROWS[:-5])
    with pytest.raises(ConfigError, match="expected another name than r"):
        checked(baselines, "dataset=csv", f"dataset.path={plain},{packed}")


def test_two_prefixes_of_one_name_are_refused(checked: Callable, tmp_path: Path):
    for folder, last in (("a", "1\t1\t1\n"), ("b", "1\t2\t1\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.train.rating").write_text("0\t0\t1\n" + last)
        (tmp_path / folder / "x.test.rating").write_text("0\t3\t1\n1\t0\t1\n")
    paths = ",".join(str(tmp_path / folder / "x") for folder in "ab")
    with pytest.raises(ConfigError, match="expected another name than x"):
        checked(sweep, "dataset=ncf", f"dataset.prefix={paths}")


def test_a_file_that_has_changed_is_new_data_and_said_so(fit: Callable[..., int], results: Path, tmp_path: Path, capfd):
    path = write(tmp_path / "r.csv")
    assert fit(path) == 0 == fit(path)
    (first,) = rows_of(results)["run_id"]
    assert "all done before" in capfd.readouterr().out
    write(path, [*ROWS, "9,1,5,3", "9,2,5,4"])
    assert fit(path) == 2
    said = capfd.readouterr().err
    assert f"dataset.path={path}: not what the rows called r of {results}/baselines/runs.csv were made from" in said
    assert "choose another study.name for it, or rename the file" in said
    assert list(rows_of(results)["run_id"]) == [first]
    assert fit(path.rename(tmp_path / "r2.csv")) == 0
    assert rows_of(results)["run_id"].nunique() == 2 == rows_of(results)["content"].nunique()


MORE = ["v,1,5,30", "v,2,5,40", "v,3,1,2"]  # further rows, of one more user
FITS = {
    baselines: FIT,
    ratings: ("dataset=csv", "method=global_mean", "folds=share"),
}


def row_of(entry, results: Path, study: str) -> pd.Series:
    return Store(results / study, entry.ENTRY.task.all_columns).runs().iloc[-1]


@pytest.mark.parametrize("entry", [baselines, ratings], ids=lambda entry: entry.__name__)
def test_a_file_that_has_changed_is_read_anew_by_the_same_process(entry, run_entry, results: Path, tmp_path: Path):
    path = write(tmp_path / "r.csv")
    for study in ("one", "two"):
        arguments = (*FITS[entry], f"dataset.path={path}", f"study.name={study}", f"results_dir={results}")
        assert run_entry(entry, *arguments) == 0
        write(path, [*ROWS, *MORE])
    one, two = (row_of(entry, results, study) for study in ("one", "two"))
    assert one["content"] != two["content"]
    if entry is ratings:
        assert [row["num_train"] + row["num_test"] for row in (one, two)] == [len(ROWS) - 1, len(ROWS) - 1 + len(MORE)]
    else:
        ranks = [np.load(next((results / study / "ranks").iterdir())) for study in ("one", "two")]
        assert [len(next(iter(arrays.values()))) for arrays in ranks] == [8, 9]


def test_a_row_is_of_the_files_that_were_read_even_if_they_change_while_it_is_fitted(
    fit, results: Path, tmp_path: Path, monkeypatch
):
    path = write(tmp_path / "r.csv")
    content = of_file(path)
    scorers = BaselineWork._scorers

    def change(work, point):
        write(path, [*ROWS, *MORE])
        return scorers(work, point)

    monkeypatch.setattr(BaselineWork, "_scorers", change)
    assert fit(path) == 0
    assert list(rows_of(results)["content"]) == [content]


def test_a_file_that_changes_while_it_is_read_is_refused(fit, results: Path, tmp_path: Path, monkeypatch, capfd):
    path = write(tmp_path / "r.csv")
    opened = type(baselines.ENTRY.task).open

    def change(task, config):
        work = opened(task, config)
        write(path, [*path.read_text().split("\n"), "v,1,5,30"])
        return work

    monkeypatch.setattr(type(baselines.ENTRY.task), "open", change)
    assert fit(path) == 2
    assert "expected files that stay as they are while they are read" in capfd.readouterr().err
    assert not len(rows_of(results))


def test_two_names_of_one_content_are_one_data_set_and_said_so(fit, results: Path, tmp_path: Path, capfd):
    one, other = write(tmp_path / "r.csv"), write(tmp_path / "s.csv")
    assert fit(one, other) == 0
    assert f"dataset.path={other} has the content of r: a run that there is of" in capfd.readouterr().out
    assert list(rows_of(results)["dataset"]) == ["r"]
    assert fit(one) == 0 and "has the content of" not in capfd.readouterr().out
    assert fit(other) == 0 and f"dataset.path={other} has the content of r" in capfd.readouterr().out


@pytest.mark.parametrize("entry", ARGUMENTS, ids=lambda entry: entry.__name__)
def test_a_path_that_no_file_can_have_is_refused(entry, refusal: Callable, tmp_path: Path):
    said = refusal(entry.ENTRY, *ARGUMENTS[entry], "dataset=csv", f"dataset.path={tmp_path / ('x' * 300)}")
    assert said.startswith("dataset=csv: [Errno 36] File name too long")


def test_what_a_split_refuses_names_the_file(run_entry, results: Path, tmp_path: Path, capfd):
    """Of the rating of a single row, and of a holdout with one candidate more than the test split."""
    one = write(tmp_path / "one.csv", [ROWS[0], "ann,tea,1,1"])
    few = write(
        tmp_path / "few.csv", [ROWS[0], "ann,tea,1,1", "ann,rye,1,2", "ann,oat,1,3", "bob,tea,1,1", "bob,fig,1,2"]
    )
    for entry, path, said in (
        (ratings, one, "random: expected a share that is some and not all"),
        (baselines, few, "user ann: expected at least 2 items to draw negatives from, got 1 of 4"),
    ):
        split = ("split=holdout",) if entry is baselines else ()
        assert run_entry(entry, *FITS[entry], *split, f"dataset.path={path}", f"results_dir={results}") == 2
        assert f"{path}: {said}" in capfd.readouterr().err


def test_rows_of_an_older_version_stand_for_any_content(checked, tmp_path: Path, results: Path, make_row, store_runs):
    path = write(tmp_path / "r.csv")
    store_runs(results / "baselines", make_row("baselines", dataset="r"), entry="baselines")
    checked(baselines, "dataset=csv", f"dataset.path={path}")
    store_runs(results / "baselines", make_row("baselines", dataset="r", content="0123456789abcdef"), entry="baselines")
    with pytest.raises(ConfigError, match=r"\(content 0123456789abcdef, now "):
        checked(baselines, "dataset=csv", f"dataset.path={path}")


def test_a_table_called_like_a_data_set_with_a_name_is_not_taken_for_it(fit, results: Path, tmp_path: Path):
    assert fit(write(tmp_path / "ml-1m.csv")) == 0
    assert list(rows_of(results)["dataset"]) == ["ml-1m.csv"]


def test_options_that_choose_among_the_rows_of_one_file_are_no_other_content(checked: Callable, tmp_path: Path):
    path = write(tmp_path / "r.csv")
    jobs = checked(sweep, "dataset=csv", f"dataset.path={path}", "dataset.min_rating=3,4")
    assert len({run_id for job in jobs for run_id in job.runs}) == 2


def test_drawn_data_are_told_by_their_options(run_entry, tiny_data: tuple[str, ...], results: Path):
    sizes = ("dataset.synthetic.num_users=30,31", f"results_dir={results}")
    assert run_entry(baselines, "baseline=popularity", *tiny_data, *sizes) == 0
    assert (
        rows_of(results)["content"].str.fullmatch("[0-9a-f]{16}").all() and rows_of(results)["content"].nunique() == 2
    )
