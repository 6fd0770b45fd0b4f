"""Which rows a report reads of a table that holds others beside them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments import baselines, plot, retrieval, sweep
from experiments.cli.studies import jobs_of
from experiments.entries import claims_in
from experiments.figures.page import write_section
from experiments.figures.sections import PLOTS
from experiments.tasks.retrieval import origin
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.store import Store

STUDY = "figure2_ml-1m"
IGNORED = "Rows that no study of conf/ asks for, and that were ignored: 3 of results/figure2-ml-1m/runs.csv."
EASE = "aef977fac25b2aed"  # the committed final run of EASE, at a penalty of 1320


@pytest.fixture(scope="module")
def claimed() -> list[str]:
    """The run_ids of the study's eight seeds at d=16."""
    return [
        run_id for job in jobs_of(sweep.ENTRY, STUDY) if job.config.model.embedding_dim == 16 for run_id in job.runs
    ]


@pytest.fixture
def table(tmp_path: Path, claimed: list[str], a_run: Callable, store_runs: Callable) -> Store:
    """Eight seeds, and trial runs beside them: a ninth seed of one epoch, another data set, a holdout's."""
    runs = [a_run(run_id=run_id, seed=seed) for seed, run_id in enumerate(claimed)]
    low = dict.fromkeys(COLUMNS, 0.1)
    trials = [a_run(seed=8, num_epochs=1, **low), a_run(dataset="ml-100k", **low), a_run(split="holdout", **low)]
    return store_runs(tmp_path / "figure2-ml-1m", *runs, *trials)


def test_a_claim_is_read_from_the_rows_that_its_study_asks_for(table: Store, claimed: list[str]):
    results = claims_in(table.folder.parent)
    assert list(results.store("figure2-ml-1m", "sweep").runs()["run_id"]) == claimed
    assert results.ignored == IGNORED
    assert len(results.table("figure2-ml-1m", "sweep").runs()) == len(claimed) + 3


def test_rows_that_repeat_a_run_change_nothing_and_are_counted(table: Store, claimed: list[str]):
    """As where two tables were put one behind the other: the first row of a run counts."""
    path = table.folder / "runs.csv"
    *_, last = lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[1].replace("0.7", "0.1"), last]))
    results = claims_in(table.folder.parent)
    runs = results.store("figure2-ml-1m", "sweep").runs()
    assert list(runs["run_id"]) == claimed and (runs["ndcg@10"] == 0.7).all()
    repeated = "Rows that repeat the run of an earlier one, and that were ignored: 2 of results/figure2-ml-1m/runs.csv."
    assert results.ignored == f"{IGNORED} {repeated}"


def test_a_folder_that_no_study_has_is_read_whole(tmp_path: Path, a_run: Callable, store_runs: Callable):
    store_runs(tmp_path / "mine", a_run(), a_run(dataset="ml-100k"))
    results = claims_in(tmp_path)
    assert len(results.store("mine", "sweep").runs()) == 2 and results.ignored == ""


def test_a_reference_belongs_to_the_claim_whose_data_it_is_of(table: Store, a_run: Callable):
    config = jobs_of(sweep.ENTRY, STUDY)[0].config
    (reference,) = sweep.ENTRY.task.reference_ids(config)
    table.append(a_run(run_id=reference, model="popularity", objective="", embedding_dim=None), [], {})
    table.append(a_run(model="popularity", objective="", embedding_dim=None), [], {})
    runs = claims_in(table.folder.parent).store("figure2-ml-1m", "sweep").runs()
    assert list(runs["run_id"][runs["model"] == "popularity"]) == [reference]


def test_of_final_runs_those_of_the_winner_belong_to_a_claim(tmp_path: Path, make_row: Callable, store_runs: Callable):
    """The winner of the stored tuning, whichever it is: here the penalty of the committed table, then another."""
    (job,) = jobs_of(baselines.ENTRY, "baselines_ml-1m_ease")
    for best, num_claimed in ((1320.0, 1), (500.0, 0)):
        tried = [
            make_row("baselines", run_id=run_id, phase="tune", split="holdout", seed=None)
            | {"ndcg@10": 0.5 if point.regularization == best else 0.4}
            for run_id, point in job.runs.items()
        ]
        finals = [make_row("baselines", run_id=run_id, phase="final", split="test") for run_id in (EASE, "f" * 16)]
        folder = tmp_path / f"{best:g}" / "baselines-ml-1m"
        store_runs(folder, *tried, *finals, entry="baselines")
        runs = claims_in(folder.parent).store("baselines-ml-1m", "baselines").runs()
        assert list(runs["run_id"][runs["phase"] == "final"]) == [EASE] * num_claimed


def test_the_section_and_the_terminal_say_how_many_rows_were_ignored(table: Store, capsys: pytest.CaptureFixture):
    assert plot.main(["figure2", f"results_dir={table.folder.parent}"]) == 0
    *_, tables, ignored, paths = capsys.readouterr().out.splitlines()
    assert ignored == IGNORED and paths.endswith("figure2.svg")
    written = write_section(PLOTS["figure2"], claims_in(table.folder.parent))
    assert written.ignored == IGNORED and "| MF | expected | 16 | 8 | 0.6887 | 0.7000" in written.tables


def test_a_table_of_trial_runs_alone_says_why_nothing_is_drawn(tmp_path: Path, capsys, a_run, store_runs):
    store_runs(tmp_path / "figure2-ml-1m", a_run(num_epochs=1))
    assert plot.main(["figure2", f"results_dir={tmp_path}"]) == 2
    assert "expected completed runs on the test split, got none. Rows that no study of conf/ asks for, and that" in (
        capsys.readouterr().err
    )


def test_the_figure_that_ends_a_sweep_is_that_of_its_claim(table: Store, capsys: pytest.CaptureFixture, monkeypatch):
    drawn = []
    monkeypatch.setattr(type(PLOTS["figure2"]), "files", lambda section, runs, folder: drawn.append(runs) or {})
    sweep.draw(table)
    assert len(drawn[0]) == 8 and IGNORED in capsys.readouterr().out


def test_a_trial_beside_a_model_that_a_study_asks_for_does_not_hide_it(tmp_path: Path, a_run, store_runs):
    config = jobs_of(sweep.ENTRY, "retrieval_models_ml-1m")[0]
    (asked_for, _), *_ = ((run_id, point) for run_id, point in config.runs.items() if point.seed == 0)
    dim = config.config.model.embedding_dim
    runs = [a_run(embedding_dim=dim, num_epochs=1), a_run(embedding_dim=dim, run_id=asked_for)]
    folder = tmp_path / "retrieval-models-ml-1m"
    store_runs(folder, *runs)
    source = SimpleNamespace(folder=str(folder), model="dot", embedding_dim=dim, pretrained=False)
    assert retrieval.ENTRY and origin.trained_run(source, 0)["run_id"] == asked_for
