"""python -m experiments.plot: what it prints, what it writes, and what it refuses."""

import io
import os
import re
from pathlib import Path

import pytest
from matplotlib import image
from matplotlib.figure import Figure

from experiments.cli import claims
from experiments.entries import columns
from experiments.figures.sections import PLOTS
from experiments.plot import main

COLUMNS_OF = columns()

# ---- files


@pytest.fixture(autouse=True)
def every_row_counts(monkeypatch):
    """Of tables that are made up no study of conf/ asks for a row; tests/experiments/cli/test_claims.py has those."""
    monkeypatch.setattr(claims, "claimed_runs", lambda *where: None)


@pytest.mark.slow
def test_the_same_table_gives_the_same_bytes(tmp_path, a_run, store_runs):
    runs = store_runs(tmp_path, a_run(), a_run(seed=1), a_run(embedding_dim=32)).runs()
    files = PLOTS["figure2"].files(runs, tmp_path)
    assert [path.name for path in files] == ["figure2.png", "figure2.svg"]
    assert files == PLOTS["figure2"].files(runs, tmp_path)
    assert image.imread(io.BytesIO(files[tmp_path / "figure2.png"])).shape[:2] == (1125, 1999)


@pytest.mark.slow
def test_two_data_sets_are_two_figures(tmp_path, a_run, store_runs):
    runs = store_runs(tmp_path, a_run(), a_run(dataset="pinterest")).runs()
    names = [path.name for path in PLOTS["figure2"].files(runs, tmp_path)]
    assert names == [f"figure2-{name}.{kind}" for name in ("ml-1m", "pinterest") for kind in ("png", "svg")]


# ---- the command line


def test_the_last_line_is_the_paths_written(tmp_path, capsys, monkeypatch, a_run, store_runs):
    monkeypatch.chdir(tmp_path)
    store_runs(Path("results/figure2-ml-1m"), a_run())
    assert main(["figure2", "study=figure2-ml-1m"]) == 0
    paths = capsys.readouterr().out.splitlines()[-1].split()
    assert paths == [f"results/figure2-ml-1m/figures/figure2.{kind}" for kind in ("png", "svg")]
    assert all(Path(path).stat().st_size > 10_000 for path in paths)
    assert sorted(path.name for path in Path().iterdir()) == ["results"]  # no folder of Hydra's


def test_a_study_that_is_not_named_is_the_figures_own(tmp_path, capsys, monkeypatch, a_run, store_runs):
    monkeypatch.chdir(tmp_path)
    store_runs(Path("results/figure2-ml-1m"), a_run())
    assert main(["figure2"]) == 0
    assert "| MF | expected | 16 | 1 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure22", "study=whole"], r"figure 'figure22': .*did you mean figure2\?"),
        ([], "figure '': .*figure2"),
        (["figure2", "study=hole"], r"study=hole: .*did you mean whole\?"),
        (["figure2"], "results/figure2-ml-1m/runs.csv: no such table: .*whole"),
        (["equal_budget"], "results/equal-budget-ml-1m/runs.csv: no such table"),
        (["ncf_reference"], "results/ncf-reference-ml-1m/runs.csv: no such table"),
        (["equal_budget", "study=whole"], "whole/runs.csv: expected final runs of a tuning .* got 1 run test"),
        (["ncf_reference", "study=whole"], "whole/runs.csv: expected test runs of gmf, mlp, neumf"),
        (["figure2", "studdy=whole"], r"studdy: no such key, did you mean study\?"),
        (["figure2", "study=[whole"], "input"),
        (["figure2", "study=empty"], "empty/runs.csv: expected runs, got none"),
        (["figure2", "study=foreign"], "foreign/runs.csv:1: expected the columns"),
        (["figure2", "study=tuning"], "expected completed runs on the test split, got 1 completed holdout"),
        (["figure2", "study=whole", "results_dir=nowhere"], "results_dir=nowhere: expected a folder"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_exit_code_2(
    tmp_path, capsys, monkeypatch, arguments, message, a_run, store_runs
):
    monkeypatch.chdir(tmp_path)
    store_runs(Path("results/whole"), a_run())
    store_runs(Path("results/tuning"), a_run(split="holdout", phase="tune"))
    for name, text in (("empty", ",".join(COLUMNS_OF["sweep"]) + "\n"), ("foreign", "a,b\n")):
        (tmp_path / "results" / name).mkdir()
        (tmp_path / "results" / name / "runs.csv").write_text(text)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1
    assert re.search(message, captured.err)


def test_help_says_what_can_be_drawn(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"experiments.plot {name} " in shown for name in PLOTS)


def a_stop(*_, **__) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("stopped", [(Figure, "savefig"), (os, "replace")])
def test_ctrl_c_leaves_whole_files_and_says_so(tmp_path, capsys, monkeypatch, stopped, a_run, store_runs):
    store_runs(tmp_path / "figure2-ml-1m", a_run())
    folder = tmp_path / "figure2-ml-1m" / "figures"
    folder.mkdir()
    before = {folder / f"figure2.{kind}": b"old" for kind in ("png", "svg")}
    for path, data in before.items():
        path.write_bytes(data)
    monkeypatch.setattr(*stopped, a_stop)
    assert main(["figure2", f"results_dir={tmp_path}"]) == 130
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == "\nplot: stopped; every file is whole, as it was before or new\n"
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
