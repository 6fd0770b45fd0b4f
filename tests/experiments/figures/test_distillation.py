"""What a distillation loses: its table, its figure, its answer."""

import numpy as np
import pytest

from experiments import imitate, plot
from experiments.analysis.distillation import LOST, DistilledCell, distilled_cells
from experiments.figures.answers import distillation as answer
from experiments.figures.distillation import HEAD, distilled_table, draw
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.store import Store


@pytest.fixture(scope="module")
def store(finish, distillation) -> Store:
    """Two seeds of two cells, in each of which one of two learning rates diverges."""
    lists = ("grid.seed=0,1", "pairs_per_user=5,20", "grid.learning_rate=0.01,1e30")
    return finish(imitate, *distillation, *lists).store


@pytest.mark.slow
def test_a_cell_has_its_sound_runs_and_says_how_many_diverged(store):
    cells = distilled_cells(store)
    assert [(len(cell), cell.diverged) for cell in cells if cell.diverged == 0] == [(2, 0)] * 2
    diverged = [cell for cell in cells if cell.diverged]
    assert len(diverged) == 2 and all(not len(cell) and "learning_rate 1e+30" in cell.setup for cell in diverged)
    assert distilled_table(cells).count("\n") >= 1 + len(cells)


@pytest.mark.slow
def test_the_figure_draws_both_panels_and_the_dot_models(store, capfd):
    cells = [cell for cell in distilled_cells(store) if cell.diverged == 0]
    figure = draw(cells)
    rmse, hits = figure.axes
    assert [line.get_label() for line in hits.get_lines()][-1] == "dot model, d = 4"
    assert len(rmse.containers) == len(hits.containers) == 1 and rmse.get_ylim()[0] == 0
    assert plot.main(["distillation", "study=imitate", f"results_dir={store.folder.parent}"]) == 0
    assert capfd.readouterr().out.startswith(HEAD)
    assert (store.folder / "figures" / "distillation.png").exists()
    assert "pairs per user)" in answer(cells)


def test_what_is_lost_is_paired_by_users(tmp_path, make_row):
    ranks = {"sampled": [0, 20, 3], "dot_sampled": [0, 2, 30], "full": [0, 1, 2], "dot_full": [0, 1, 2]}
    store = Store(tmp_path, imitate.ENTRY.task.all_columns)
    for seed in (0, 1):
        row = make_row("imitate", seed=seed)
        store.append(row, [], {protocol: np.array(values) for protocol, values in ranks.items()})
    lost = DistilledCell(store, store.runs(), "ml-1m", "", 4, "8-4", "", 20, 0).lost
    result = lost["hit_ratio@10"]
    assert (result.difference, result.wins, result.losses, result.ties) == (0.0, 1, 1, 1)
    assert set(LOST) == set(lost) <= set(COLUMNS)


def test_rows_of_other_targets_are_named(tmp_path):
    store = Store(tmp_path, imitate.ENTRY.task.all_columns)
    with pytest.raises(ValueError, match="expected runs of target=recommender, got none"):
        distilled_cells(store)
