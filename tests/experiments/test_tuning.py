"""Tuning: the winner comes from the holdout alone, and only the winner is scored on the test split."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import tuning
from experiments.config import Point
from experiments.study import Job, final_jobs
from experiments.tuning import Candidate, Winner, candidates, final_overrides
from ncfjax.store import CURVE_COLUMNS, Store

Run = Callable[..., int]
NAN = float("nan")


def point(rate: float, seed: int = 0) -> Point:
    return Point(rate, 0.1, 0.1, 1.0, seed)


# Three candidates of two seeds each.
COMPETING = candidates(
    0, {f"{name}{seed}": point(rate, seed) for name, rate in zip("abc", (1, 2, 3), strict=True) for seed in (7, 8)}
)


def table(scores: dict[str, float], split: str = "holdout", phase: str = "tune") -> pd.DataFrame:
    rows = [(key, phase, split, "diverged" if score != score else "completed", score) for key, score in scores.items()]
    return pd.DataFrame(rows, columns=["run_id", "phase", "split", "status", "ndcg@10"])


def curves(rows: pd.DataFrame, epoch: int = 9) -> pd.DataFrame:
    """The point of each run's curve at its last epoch."""
    points = [(key, epoch, "ndcg@10", score) for key, score in zip(rows["run_id"], rows["ndcg@10"], strict=True)]
    return pd.DataFrame([point for point in points if point[3] == point[3]], columns=CURVE_COLUMNS)


def choose(rows: pd.DataFrame) -> Winner | None:
    points = curves(rows).drop_duplicates(["run_id", "epoch"], keep="last")
    return tuning.choose(COMPETING, tuning.scores(rows, points, "last", "ndcg@10"))


def test_a_candidate_is_everything_but_the_seed():
    assert COMPETING == [
        Candidate(0, point(1, 7), ("a7", "a8")),
        Candidate(0, point(2, 7), ("b7", "b8")),
        Candidate(0, point(3, 7), ("c7", "c8")),
    ]


def test_the_highest_mean_over_seeds_wins():
    rows = table({"a7": 0.9, "a8": 0.1, "b7": 0.6, "b8": 0.5, "c7": 0.2, "c8": 0.7})
    winner = choose(rows)
    assert winner.candidate.run_ids == ("b7", "b8") and winner.score == pytest.approx(0.55)


EPOCHS = {"a": [0.1, 0.9, 0.2], "b": [0.3, 0.4, 0.8], "c": [0.5, 0.5, 0.5]}  # NDCG@10 after epochs 2, 4, 6


def test_the_holdout_may_choose_the_epoch_too():
    rows = table({f"{name}{seed}": values[-1] for name, values in EPOCHS.items() for seed in (7, 8)})
    points = pd.DataFrame(
        [(key, epoch, "ndcg@10", value) for key in rows["run_id"] for epoch, value in zip((2, 4, 6), EPOCHS[key[0]],
                                                                                         strict=True)],
        columns=CURVE_COLUMNS,
    )  # fmt: skip
    last = tuning.choose(COMPETING, tuning.scores(rows, points, "last", "ndcg@10"))
    best = tuning.choose(COMPETING, tuning.scores(rows, points, "holdout", "ndcg@10", 2))
    assert (last.candidate.run_ids[0], last.num_epochs, last.score) == ("b7", 6, 0.8)
    assert (best.candidate.run_ids[0], best.num_epochs, best.score) == ("a7", 4, 0.9)


def test_another_metric_may_choose():
    rows = table({f"{name}{seed}": 0.5 for name in "abc" for seed in (7, 8)})
    ndcg, hit_ratio = curves(rows), curves(rows).assign(metric="hit_ratio@10")
    hit_ratio["value"] = [{"a": 0.1, "b": 0.2, "c": 0.3}[key[0]] for key in hit_ratio["run_id"]]
    scores = tuning.scores(rows, pd.concat([ndcg, hit_ratio]), "last", "hit_ratio@10")
    assert tuning.choose(COMPETING, scores).candidate.run_ids[0] == "c7"


def test_looks_that_a_stored_run_did_not_get_are_asked_for():
    """A run stored by eval_every=3 cannot stand beside others that are looked at every epoch; looks too many can."""
    rows = table({"a7": 0.5})
    points = pd.DataFrame([("a7", epoch, "ndcg@10", epoch / 10) for epoch in (3, 6, 7)], columns=CURVE_COLUMNS)
    assert list(tuning.scores(rows, points, "holdout", "ndcg@10", 3)) == [3, 6, 7]
    assert list(tuning.scores(rows, points, "holdout", "ndcg@10", 6)) == [6, 7]
    assert list(tuning.scores(rows, points, "last", "ndcg@10", 1)) == [7]
    with pytest.raises(tuning.TuningError, match="a7: expected 7 looks at it, one every 1 epochs, got 3"):
        tuning.scores(rows, points, "holdout", "ndcg@10", 1)


def test_of_equal_scores_the_first_wins():
    rows = table(dict.fromkeys(["c7", "c8", "b7", "b8", "a7", "a8"], 0.5))
    assert choose(rows).candidate.run_ids == ("a7", "a8")


@pytest.mark.parametrize("lost", [{"b8": NAN}, {}], ids=["diverged", "missing"])
def test_a_candidate_without_all_its_seeds_cannot_win(lost: dict[str, float]):
    rows = table({"a7": 0.1, "a8": 0.1, "b7": 0.9, "c7": 0.2, "c8": 0.2} | lost)
    assert choose(rows).candidate.run_ids == ("c7", "c8")


def test_without_a_score_there_is_no_winner():
    assert choose(table({"a7": NAN, "b7": 0.4})) is None
    assert choose(table({})) is None


scores = st.dictionaries(st.sampled_from(["a7", "a8", "b7", "b8", "c7", "c8"]), st.floats(0, 1), min_size=1)


@given(tuned=scores, tested=scores, phase=st.sampled_from(["run", "tune", "final"]))
def test_no_test_row_has_a_say(tuned: dict[str, float], tested: dict[str, float], phase: str):
    """Even one that a mistake gave the run_id of a candidate."""
    rows = table(tuned)
    assert choose(pd.concat([table(tested, "test", phase), rows])) == choose(rows)


def test_the_final_job_is_the_winner_on_all_training_data():
    winner = Winner(Candidate(0, Point(1e-05, 0.0, 0.1, 1.0, 3), ("x",)), 17, 0.5)
    overrides = final_overrides(["a=1", "phase=tune", "split=holdout"], winner, [4, 5])
    assert overrides == [
        "a=1", "phase=tune", "split=holdout", "grid.learning_rate=[1e-05]", "grid.regularization=[0.0]",
        "grid.stddev=[0.1]", "grid.negative_weight=[1.0]", "grid.seed=[4, 5]", "num_epochs=17", "phase=final",
        "split=test",
    ]  # fmt: skip


def test_tuning_jobs_never_see_the_test_split(jobs_of: Callable[..., list[Job]]):
    jobs = jobs_of("tune=true", "split=test", "model.embedding_dim=4,8")
    assert [(job.config.phase, job.config.split) for job in jobs] == [("tune", "holdout")] * 2


class Rows:
    """A store that is only read."""

    def __init__(self, rows: pd.DataFrame):
        self.rows = rows

    def runs(self) -> pd.DataFrame:
        return self.rows

    def curves(self) -> pd.DataFrame:
        return curves(self.rows, epoch=64)


def test_each_dimension_has_its_own_winner_and_static_choices_compete(jobs_of: Callable[..., list[Job]]):
    jobs = jobs_of(
        "tune=true", "final_seeds=5,6", "model.embedding_dim=4,8", "objective.num_negatives=1,3",
        "grid.learning_rate=0.1,0.2", "grid.regularization=0", "grid.seed=0",
    )  # fmt: skip
    # NDCG@10 of (dim, num_negatives, learning_rate) = (4, 1, 0.1), (4, 1, 0.2), (4, 3, 0.1), ..., (8, 3, 0.2)
    scores = [0.1, 0.2, 0.4, 0.3, 0.5, 0.8, 0.7, NAN]
    keys = [key for job in jobs for key in job.runs]
    final, without = final_jobs(jobs, Rows(table(dict(zip(keys, scores, strict=True)))), lambda _: jobs[0].config)
    fixed = ["grid.regularization=[0.0]", "grid.stddev=[0.1]", "grid.negative_weight=[1.0]", "grid.seed=[5, 6]"]
    assert without == [] and [job.overrides[:-3] for job in final] == [
        [*jobs[1].overrides, "grid.learning_rate=[0.1]", *fixed],
        [*jobs[2].overrides, "grid.learning_rate=[0.2]", *fixed],
    ]


def test_tuning_trains_every_candidate_and_scores_only_the_winner_on_test(run_tiny: Run, results: Path, capfd):
    command = ("tune=true", "final_seeds=5,6", "grid.learning_rate=0.003,0.1,1e30", "grid.seed=0,1", "study.name=tuned")
    assert run_tiny(results, *command) == 0
    runs = Store(results / "tuned").runs()
    runs = runs[runs["model"] == "dot"]
    tune, final = runs[runs["phase"] == "tune"], runs[runs["phase"] == "final"]
    assert len(tune) == 3 * 2 and set(tune["split"]) == {"holdout"}
    assert list(final["seed"]) == [5, 6] and set(final["split"]) == {"test"}

    means = tune.groupby("learning_rate")["ndcg@10"].agg(lambda values: values.mean(skipna=False))
    assert set(final["learning_rate"]) == {means.idxmax()} and means.isna().sum() == 1
    said = capfd.readouterr().out
    assert "1 tuning job, 6 runs" in said and "best of 3 on the holdout" in said

    before = (results / "tuned" / "runs.csv").read_bytes()
    assert run_tiny(results, *command) == 0
    assert (results / "tuned" / "runs.csv").read_bytes() == before


def test_a_tuning_without_a_winner_fails_after_its_table(run_tiny: Run, results: Path, capfd):
    assert run_tiny(results, "tune=true", "grid.learning_rate=1e30", "study.name=tuned") == 1
    said = capfd.readouterr()
    assert "no winner for synthetic dot d=4" in said.err and "Traceback" not in said.err
    assert "diverged" in said.out
    assert "final" not in set(Store(results / "tuned").runs()["phase"])


def test_the_epoch_that_the_holdout_chose_is_that_of_the_final_runs(run_tiny: Run, results: Path, capfd):
    command = ("tune=true", "select_epoch=holdout", "final_seeds=5", "grid.seed=0,1", "num_epochs=6", "eval_every=2")
    assert run_tiny(results, *command, "study.name=tuned") == 0
    store = Store(results / "tuned")
    runs, points = store.runs(), store.curves()
    final, tune = runs[runs["phase"] == "final"], runs[runs["phase"] == "tune"]
    on_holdout = points[points["run_id"].isin(tune["run_id"]) & (points["metric"] == "ndcg@10")]
    best = on_holdout.merge(tune[["run_id", "learning_rate", "regularization"]])
    best = best.groupby(["learning_rate", "regularization", "epoch"])["value"].mean().idxmax()
    assert list(final[["learning_rate", "regularization", "epoch"]].itertuples(index=False, name=None)) == [best]
    assert list(final["num_epochs"]) == [best[2]] and set(final["select_epoch"]) == {"holdout"}
    assert f"{best[2]} epochs" in capfd.readouterr().out


def test_looks_that_cannot_be_had_are_asked_for_before_training_and_runs_of_other_tunings_do_not_matter(
    run_tiny: Run, results: Path, capfd
):
    """A run stored with looks at 3 and 6: a tuning of others goes on beside it, one that it belongs to is refused."""
    command = ("tune=true", "select_epoch=holdout", "final_seeds=5", "num_epochs=6", "study.name=tuned")
    assert run_tiny(results, *command, "grid.seed=0", "eval_every=3") == 0
    assert run_tiny(results, *command, "grid.seed=1", "eval_every=2") == 0
    before = (results / "tuned" / "runs.csv").read_bytes()
    assert run_tiny(results, *command, "grid.seed=0,2", "eval_every=2") == 1
    said = capfd.readouterr().err
    assert "expected 3 looks at it, one every 2 epochs, got 1" in said and "Traceback" not in said
    assert (results / "tuned" / "runs.csv").read_bytes() == before
