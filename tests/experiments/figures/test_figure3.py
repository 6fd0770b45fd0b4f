"""Figure 3: gaps against the number of users, beside the paper's."""

import itertools
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from experiments.analysis.figure3 import gap_cells
from experiments.analysis.published import figure3
from experiments.entries import columns
from experiments.figures.answers import learned_dot_product
from experiments.figures.figure3 import draw, gap_table
from experiments.figures.panels import render
from experiments.plot import main
from ncfjax.store import Store

COLUMNS = columns()

IDS = itertools.count()


def a_run(gap: float = 0.05, **changed) -> dict:
    """A completed run of the study's smallest cell."""
    row = (
        dict.fromkeys(COLUMNS["imitate"])
        | {"run_id": f"{next(IDS):016x}", "status": "completed", "target": "dot"}
        | figure3().setup
    )
    row |= {"num_users": 4000, "embedding_dim": 16, "width_multiplier": 1, "layers": "32-16-8", "seed": 0}
    errors = {"rmse_dot_fresh": 0.85, "rmse_fresh": 0.85 + gap, "rmse_dot_test": 0.84, "rmse_test": 0.83 + gap}
    return row | errors | changed


DIVERGED = {"status": "diverged", "rmse_fresh": None, "rmse_test": None}


def store_runs(folder: Path, *runs: dict) -> Store:
    store = Store(folder, COLUMNS["imitate"])
    for run in runs:
        store.append(run, [], {})
    return store


def rows_of(tmp_path: Path, *runs: dict) -> list[list[str]]:
    lines = gap_table(gap_cells(store_runs(tmp_path / "study", *runs).runs())).splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def drawn(tmp_path: Path, *runs: dict) -> Figure:
    return draw(gap_cells(store_runs(tmp_path / "study", *runs).runs()))


def test_a_cell_is_a_mean_over_seeds_with_its_interval_beside_the_papers(tmp_path: Path):
    (row,) = rows_of(tmp_path, a_run(0.05), a_run(0.06, seed=1))
    # 12.706 * sqrt(2 * 0.005^2) / sqrt(2)
    assert row == ["1", "16", "4000", "", "2", "0.0570", "0.0550 ± 0.0635", "-0.0020", "0.0450 ± 0.0635", ""]


def test_what_differs_from_the_study_is_a_row_of_its_own_with_nothing_beside_it(tmp_path: Path):
    variants = (
        {"product": "true"},
        {"schedule": "cosine", "num_epochs": 64},
        {"width_multiplier": None, "layers": "9"},
    )
    rows = rows_of(tmp_path, a_run(), *(a_run(0.01, **variant) for variant in variants))
    assert [row[3] for row in rows] == ["", "product", "schedule cosine, num_epochs 64", "layers 9"]
    assert [row[5] for row in rows] == ["0.0570", "", "", ""] and rows[3][0] == ""


def test_a_diverged_run_is_counted_and_in_no_mean(tmp_path: Path):
    rows = rows_of(tmp_path, a_run(), a_run(seed=1, **DIVERGED), a_run(embedding_dim=32, layers="64-32-16", **DIVERGED))
    assert [(row[4], row[6], row[9]) for row in rows] == [("1", "0.0500", "1"), ("0", "", "1")]


def test_a_gap_beyond_the_papers_axis_has_no_number_beside_it(tmp_path: Path):
    (row,) = rows_of(tmp_path, a_run(0.12, embedding_dim=64, layers="128-64-32"))
    assert row[5] == row[7] == "" and row[6] == "0.1200"


def test_three_panels_show_ours_the_papers_and_what_is_significant(tmp_path: Path):
    figure = drawn(tmp_path, a_run(), a_run(num_users=8000), a_run(width_multiplier=4, layers="128-64-32"))
    titles = [axes.get_title(loc="left").split(": ")[1] for axes in figure.axes]
    assert titles == ["[2d, d, d/2]", "[4d, 2d, d]", "[8d, 4d, 2d]"]
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [[], ["no run yet"], []]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["d = 16, fresh", "d = 16, held-out"] and "paper: d = 128, fresh" in labels
    assert {f"{level:g} {meaning}" for level, meaning in figure3().levels.items()} < set(labels)
    crosses = {tuple(line.get_ydata()) for line in figure.axes[0].lines if line.get_marker() == "x"}
    assert crosses == {tuple(figure3().gaps[1][dim].values()) for dim in (16, 32, 64, 128)}


def test_a_wider_net_is_worse_where_data_are_few():
    """As the study says of its d=64 at 8,000 and 16,000 users."""
    gap = figure3().gap
    assert gap(2, 64, 8_000) > gap(1, 64, 8_000) and gap(4, 64, 16_000) > gap(2, 64, 16_000)


def test_the_command_prints_the_table_and_writes_the_figure(tmp_path: Path, capsys):
    store_runs(tmp_path / "mine", a_run(), a_run(seed=1), a_run(product="true"))
    assert main(["figure3", "study=mine", f"results_dir={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert "| 1 | 16 | 4000 |" in said and "figure3.png" in said.splitlines()[-1]
    assert (tmp_path / "mine" / "figures" / "figure3.svg").stat().st_size > 0


def test_the_same_table_gives_the_same_bytes(tmp_path: Path):
    cells = gap_cells(store_runs(tmp_path / "study", a_run()).runs())
    assert render(lambda: draw(cells)) == render(lambda: draw(cells))


@pytest.mark.parametrize("run", [a_run(**DIVERGED), a_run(product="true")])
def test_without_a_run_of_the_studys_setup_there_is_no_figure(run: dict, tmp_path: Path, capsys):
    store_runs(tmp_path / "mine", run)
    assert main(["figure3", "study=mine", f"results_dir={tmp_path}"]) == 2
    assert "expected completed runs of the study's setup" in capsys.readouterr().err


def test_the_answer_names_the_smallest_and_largest_gap_and_the_best_variant(tmp_path: Path):
    runs = [a_run(0.005), a_run(0.02, num_users=8000), a_run(0.012, num_users=16000), a_run(0.004, product="true")]
    answer = learned_dot_product(gap_cells(store_runs(tmp_path, *runs).runs()))
    assert "by 0.0050 (m=1, d=16, 4,000 users) to 0.0200 (m=1, d=16, 8,000 users)" in answer
    assert "2 of 3 sizes are more than 0.01 behind, which the study calls very significant" in answer
    assert "ours differ by 0.0520 at most" in answer and "The best variant (product) is 0.0040 behind" in answer
