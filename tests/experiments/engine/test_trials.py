"""A search of a made-up task: half of the trials stop early, the rest follows from scores, and it can be stopped."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from experiments.engine.checks import ConfigError
from experiments.engine.config import points
from experiments.engine.search import Interval, Options
from experiments.engine.trials import Search, replayed
from experiments.engine.tuning import TuningError
from ncfjax.store import Store
from tests.experiments.engine import conftest as toys
from tests.experiments.engine.conftest import KeepingToyTask, run_toy

RATE, SIZE = Interval("grid.rate", 0.5, 8.0, True), Options("size", ("1", "2"))
SPACE = (RATE, SIZE)
TRIALS = {"tune": "true", "trials.drawn": 8, "trials.around": 4}


@pytest.fixture
def search(run: Callable[..., None]) -> Callable[..., None]:
    return lambda arguments=TRIALS, space=SPACE: run(arguments, space=space)


@pytest.fixture
def tried(store: Store) -> Callable[[], pd.DataFrame]:
    def tried() -> pd.DataFrame:
        runs = store.runs()
        return runs[runs["phase"] == "tune"]

    return tried


def test_every_trial_is_seen_early_and_the_better_half_is_trained_to_its_end(search, tried, store):
    search()
    rows = tried()
    short, whole = (rows[rows["num_epochs"] == epochs] for epochs in (2, 6))
    assert (len(short), len(whole)) == (8 + 4, 4 + 2) and set(rows["split"]) == {"holdout"}
    drawn = short.iloc[:8].sort_values("score", ascending=False)
    pairs = ["rate", "size"]
    assert set(map(tuple, whole[pairs].iloc[:4].to_numpy())) == set(map(tuple, drawn[pairs].iloc[:4].to_numpy()))


def test_the_last_trials_are_near_the_best(search, tried):
    search()
    rates = tried().loc[lambda rows: rows["num_epochs"] == 2, "rate"]
    best = rates.iloc[:8].sub(2.0).abs().sort_values().iloc[:4]
    reach = 16**0.15
    assert all(any(1 / reach <= near / rates[i] <= reach for i in best.index) for near in rates.iloc[8:])


def test_every_round_is_around_the_best_so_far_and_nearer(search, tried):
    search({**TRIALS, "trials.rounds": 3}, space=(RATE,))
    rows = tried()
    short = rows[rows["num_epochs"] == 2]
    assert len(short) == 8 + 3 * 4 and len(rows) == len(short) + 4 + 3 * 2
    off = np.abs(np.log(short["rate"] / 2.0)).to_numpy()
    assert off[-4:].min() <= off[:8].min() and off[-4:].mean() < off[8:12].mean()


def test_trials_by_hand_come_last_and_have_the_other_values_of_the_best(search, tried):
    search({**TRIALS, "trials.by_hand": '"grid.rate=0.125; grid.rate=2.03 size=2"'})
    rows = tried()
    before, own = rows.iloc[:-3], rows.iloc[-3:]
    best = before.sort_values("score", ascending=False, kind="stable").iloc[0]
    assert list(own["rate"]) == [0.125, 2.03, 2.03] and list(own["num_epochs"]) == [2, 2, 6]
    assert list(own["size"]) == [best["size"], 2, 2], "beyond the range, and in the order of their command"


def test_the_four_best_get_more_seeds_and_the_best_mean_wins_not_the_luckiest(search, tried, store, monkeypatch, capfd):
    """The other seeds of the best trial fail by much, as where training is at the edge of diverging."""
    search({**TRIALS, "final_seeds": [0]}, space=(RATE,))
    lucky = store.runs().loc[lambda rows: rows["phase"] == "final", "rate"].item()
    monkeypatch.setattr(toys, "score", lambda c, p, e, of=toys.score: of(c, p, e) - 50 * (p.rate == lucky and p.seed))
    first = tried()
    search({**TRIALS, "final_seeds": [0], "trials.num_seeds": 3}, space=(RATE,))
    rows = tried()
    assert list(rows["run_id"])[: len(first)] == list(first["run_id"]), "the trials are those of before"
    more = rows.iloc[len(first) :]
    best = first.sort_values("score", ascending=False)["rate"].drop_duplicates().iloc[:4]
    assert set(more["rate"]) == set(best) and set(more["seed"]) == {1, 2} and len(more) == 8
    final = store.runs().loc[lambda rows: rows["phase"] == "final", "rate"]
    assert best.iloc[0] == lucky and final.iloc[-1] == best.iloc[1]
    search({**TRIALS, "final_seeds": [0], "trials.num_seeds": 3}, space=(RATE,))
    assert f" {len(rows)} runs: all done before" in capfd.readouterr().out, "a trial's first seed is counted once"


def test_where_the_best_trials_fail_with_more_seeds_there_is_no_winner(search, monkeypatch):
    monkeypatch.setattr(toys, "diverges", lambda point: point.seed > 0)
    with pytest.raises(TuningError, match="every candidate diverged"):
        search({**TRIALS, "trials.num_seeds": 2}, space=(RATE,))


def test_the_best_of_all_trials_is_scored_on_test_with_the_final_seeds(search, tried, store):
    search({**TRIALS, "final_seeds": [5, 6]})
    final = store.runs().loc[lambda rows: rows["phase"] == "final"]
    best = tried().sort_values("score", ascending=False, kind="stable").iloc[0]
    assert list(final["rate"]) == [best["rate"]] * 2 and list(final["seed"]) == [5, 6]
    assert set(final["split"]) == {"test"} and set(final["num_epochs"]) == {best["num_epochs"]}


def test_a_search_that_is_asked_again_has_nothing_to_do(search, store, task):
    search()
    table = (store.folder / "runs.csv").read_bytes()
    task.trained.clear()
    search()
    assert not task.trained and (store.folder / "runs.csv").read_bytes() == table


@pytest.mark.parametrize("num_left", [1, 6, 9, 15, 18])
def test_a_search_that_was_stopped_ends_in_the_same_rows(num_left, search, run, results, store, without_clocks):
    search()
    whole, lines = without_clocks(store), (store.folder / "runs.csv").read_text().splitlines(keepends=True)
    (store.folder / "runs.csv").write_text("".join(lines[: 1 + num_left]))
    search()
    pd.testing.assert_frame_equal(without_clocks(store), whole)


def test_trials_of_one_program_are_trained_beside_each_other(search, task):
    search(space=(RATE,))
    assert len(task.trained[0].members) == 2 and task.trained[0].members[0].rate != task.trained[0].members[1].rate


def test_a_job_that_draws_none_begins_around_the_best_of_the_one_before(search, tried, task):
    task.register()
    search({**TRIALS, "data": ("there", "elsewhere"), "trials.drawn": "${pick:${data},{there:8,elsewhere:0}}"})
    rows = tried()
    assert len(rows[rows["num_epochs"] == 2]) == 8 + 4 + 4


def test_what_is_left_of_a_search_is_what_its_scores_decide(search, store, task, planned):
    """Of an empty table the first trials alone; of a whole one all of them."""

    def replay() -> set[str]:
        from tests.experiments.engine.conftest import compose, overrides_of

        arguments = overrides_of(TRIALS | {"results_dir": store.folder.parent})
        asked = Search(task, arguments, SPACE, lambda overrides: compose(task, overrides))
        return {run_id for job in replayed(asked, store) for run_id in job.runs}

    first = replay()
    assert len(first) == 8
    search()
    runs = store.runs()
    assert first < replay() == set(runs.loc[runs["phase"] == "tune", "run_id"])


def test_whole_trials_go_on_from_their_first_look_of_which_nothing_is_left(results):
    task = KeepingToyTask()
    arguments = TRIALS | {"results_dir": results, "final_seeds": [0]}
    run_toy(task, arguments, space=(RATE,))
    rows = Store(results / "toy", task.all_columns).runs()
    tried, final = rows[rows["phase"] == "tune"], rows[rows["phase"] == "final"]
    assert set(tried.loc[tried["num_epochs"] == 2, "beside"]) == {"goes on from []"}
    assert set(tried.loc[tried["num_epochs"] == 6, "beside"]) == {"goes on from [2]"}
    assert set(final["beside"]) == {"goes on from []"} and not list((results / "toy" / "checkpoints").iterdir())


def test_what_a_user_asks_to_keep_of_a_search_stays(results):
    task = KeepingToyTask()
    arguments = TRIALS | {"results_dir": results, "final_seeds": [0], "keep_checkpoints": "true"}
    run_toy(task, arguments, space=(RATE,))
    names = {path.name.partition("-")[0] for path in (results / "toy" / "checkpoints").iterdir()}
    assert names == {"tune", "final"}


def test_diverged_trials_cannot_win_and_do_not_go_on(search, tried, store):
    search({**TRIALS, "final_seeds": [0]}, space=(Interval("grid.rate", 1.0, 1e6, True),))
    rows = tried()
    assert (rows["status"] == "diverged").any()
    assert (rows.loc[rows["num_epochs"] == 6, "status"] == "completed").all()


def test_where_every_trial_diverges_there_is_no_winner(search):
    with pytest.raises(TuningError, match="every candidate diverged"):
        search(space=(Interval("grid.rate", 2e3, 1e6, True),))


def test_a_winner_near_an_end_is_told(search, capfd):
    search({**TRIALS, "trials.rounds": 0}, space=(Interval("grid.rate", 1.9, 80.0, True),))
    assert "grid.rate=" in (said := capfd.readouterr().out) and "is near an end of what was tried, 1.9 to 80" in said


@pytest.mark.parametrize(
    ("arguments", "space", "message"),
    [
        ({"tune": "false"}, SPACE, "grid.rate: expected one value or a list, unless tune=true"),
        ({"trials.drawn": 0}, SPACE, "trials.drawn: expected an integer >= 4, of the first job, got 0"),
        ({"trials.drawn": 3}, SPACE, "trials.drawn: expected 0 or an integer >= 4, got 3"),
        (
            {"data": ("x", "y"), "epoch_rule": ("last", "all"), "trials.drawn": "${pick:${data},{x:8,y:0}}"},
            SPACE,
            "trials.drawn=0: expected a job that differs in one key from",
        ),
        ({}, (RATE, Options("data", ("x", "y"))), "data: expected a list, as each value has a winner of its own"),
        ({}, (Interval("grid.rate", 2.0, 1.0, False),), "grid.rate: expected interval(LOW, HIGH) with LOW < HIGH"),
        ({}, (RATE, Options("size", ("1", "x"))), "size: expected an integer, got 'x'"),
        (
            {"trials.by_hand": '"grid.seed=1"'},
            SPACE,
            "trials.by_hand: expected keys that are searched over: grid.rate,",
        ),
        ({"trials.by_hand": '"rate"'}, SPACE, "trials.by_hand: expected KEY=VALUE, apart by spaces, got 'rate'"),
        ({"trials.by_hand": '"size=3"'}, SPACE, "trials.by_hand: expected size=1 or 2, got 'size=3'"),
        ({"trials.by_hand": '"grid.rate=-1"'}, SPACE, "grid.rate: expected a number > 0, got -1"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_runs(arguments, space, message, search, store, task):
    task.register()
    with pytest.raises(ConfigError) as refused:
        search({**TRIALS, **arguments}, space)
    assert str(refused.value).startswith(message) and not task.trained and not store.folder.exists()


def test_an_axis_that_is_not_searched_over_has_one_value(search):
    with pytest.raises(
        ConfigError, match="grid.rate: expected one value or an interval, as other keys are searched over"
    ):
        search({**TRIALS, "grid.rate": [1, 2]}, (SIZE,))


def test_lists_that_are_zipped_are_members_side_by_side(planned):
    (job,) = planned({"zip": "true", "grid.rate": [1, 2, 2], "grid.seed": [0, 1]})
    assert [tuple(point) for point in job.runs.values()] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert len(points(job.config.grid, is_zipped=True)) == 4, "a member that is asked for twice is one"
    (crossed,) = planned({"grid.rate": [1, 2], "grid.seed": [0, 1]})
    assert set(crossed.runs) == set(job.runs), "the runs are the same runs"
