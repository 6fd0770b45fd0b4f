"""Tuning: the winner comes from the holdout alone, and only the winner is scored on the test split."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.engine import tuning
from experiments.engine.config import point_type
from experiments.engine.jobs import Job
from experiments.engine.tuning import Candidate, TuningError, Winner, candidates, final_overrides, stored_scores
from ncfjax.store import CURVE_COLUMNS

NAN = float("nan")
NAMES = dict(zip("abc", (1.0, 2.0, 3.0), strict=True))  # of the three candidates -> their rate
Point = point_type(("rate", "seed"))


@pytest.fixture
def job(bare_config) -> Job:
    """Three candidates of two seeds each."""
    config = bare_config("tune=true", "phase=tune", "split=holdout", "final_seeds=[5,6]", "eval_every=2")
    runs = {f"{name}{seed}": Point(rate, seed) for name, rate in NAMES.items() for seed in (7, 8)}
    return Job(["size=1"], config, runs)


class Rows:
    """A store that is only read; each run's curve ends in its score."""

    def __init__(self, rows: pd.DataFrame, curves: pd.DataFrame | None = None):
        self.rows = rows
        self.points = curves

    def runs(self) -> pd.DataFrame:
        return self.rows

    def curves(self) -> pd.DataFrame:
        return self.points


def table(scores: dict[str, float], split: str = "holdout", phase: str = "tune") -> pd.DataFrame:
    rows = [(key, phase, split, "diverged" if score != score else "completed", score) for key, score in scores.items()]
    return pd.DataFrame(rows, columns=["run_id", "phase", "split", "status", "score"])


def curves(values: dict[str, list[float]], epochs=(2, 4, 6), metric: str = "score") -> pd.DataFrame:
    rows = [(key, e, metric, value) for key, points in values.items() for e, value in zip(epochs, points, strict=True)]
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def choose(task, job: Job, rows: pd.DataFrame, points: pd.DataFrame | None = None) -> Winner | None:
    return tuning.choose(candidates(job), stored_scores(task, [job], Rows(rows, points)))


def test_a_candidate_is_everything_but_the_seed(job):
    assert candidates(job) == [Candidate(job, Point(rate, 7), (f"{name}7", f"{name}8")) for name, rate in NAMES.items()]


def test_the_highest_mean_over_seeds_wins(task, job):
    rows = table({"a7": 0.9, "a8": 0.1, "b7": 0.6, "b8": 0.5, "c7": 0.2, "c8": 0.7})
    winner = choose(task, job, rows)
    assert winner.candidate.run_ids == ("b7", "b8") and winner.score == pytest.approx(0.55)


EPOCHS = {"a": [0.1, 0.9, 0.2], "b": [0.3, 0.4, 0.8], "c": [0.5, 0.5, 0.5]}  # the score after epochs 2, 4, 6


def test_the_holdout_may_choose_the_epoch_too(task, job):
    points = curves({f"{name}{seed}": values for name, values in EPOCHS.items() for seed in (7, 8)})
    rows = table({f"{name}{seed}": values[-1] for name, values in EPOCHS.items() for seed in (7, 8)})
    last = choose(task, job, rows, points)
    assert (last.candidate.run_ids[0], last.epoch, last.score) == ("b7", None, 0.8), "there is none to choose"
    job.config.epoch_rule = "all"
    best = choose(task, job, rows, points)
    assert (best.candidate.run_ids[0], best.epoch, best.score) == ("a7", 4, 0.9)


def test_another_metric_may_choose(task, job):
    job.config.tune_by = "other"
    other = [NAMES[key[0]] for key in job.runs]
    assert choose(task, job, table(dict.fromkeys(job.runs, 0.5)).assign(other=other)).candidate.run_ids[0] == "c7"
    job.config.epoch_rule = "all"
    both = [curves({key: [value] for key in job.runs}, [6], metric) for metric, value in (("score", 0.5),)]
    both.append(curves({key: [NAMES[key[0]]] for key in job.runs}, [6], "other"))
    job.config.eval_every = 6
    assert choose(task, job, table(dict.fromkeys(job.runs, 0.5)), pd.concat(both)).candidate.run_ids[0] == "c7"


def test_evaluations_that_a_stored_run_did_not_get_are_named(task, job):
    """A run stored by eval_every=3 cannot stand beside others that are evaluated after every epoch; more is no harm."""
    job.config.epoch_rule = "all"
    stored = Rows(table({"a7": 0.5}), curves({"a7": [0.3, 0.6, 0.7]}, (3, 6, 7)))
    for eval_every, epochs in ((3, [3, 6, 7]), (6, [6, 7])):
        job.config.eval_every = eval_every
        assert list(stored_scores(task, [job], stored)) == epochs
    job.config.eval_every = 1
    with pytest.raises(TuningError, match="a7: expected 7 evaluations, one every 1 epochs, got 3"):
        stored_scores(task, [job], stored)
    job.config.epoch_rule = "last"
    assert list(stored_scores(task, [job], stored)) == [-1], "the last, whichever it is"


def test_of_equal_scores_the_first_wins(task, job):
    rows = table(dict.fromkeys(["c7", "c8", "b7", "b8", "a7", "a8"], 0.5))
    assert choose(task, job, rows).candidate.run_ids == ("a7", "a8")


@pytest.mark.parametrize("lost", [{"b8": NAN}, {}], ids=["diverged", "missing"])
def test_a_candidate_without_all_its_seeds_cannot_win(lost, task, job):
    rows = table({"a7": 0.1, "a8": 0.1, "b7": 0.9, "c7": 0.2, "c8": 0.2} | lost)
    assert choose(task, job, rows).candidate.run_ids == ("c7", "c8")


def test_without_a_score_there_is_no_winner(task, job):
    assert choose(task, job, table({"a7": NAN, "b7": 0.4})) is None
    assert choose(task, job, table({})) is None


scores = st.dictionaries(st.sampled_from(["a7", "a8", "b7", "b8", "c7", "c8"]), st.floats(0, 1), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tuned=scores, tested=scores, phase=st.sampled_from(["run", "tune", "final"]))
def test_no_test_row_has_a_say(tuned, tested, phase, task, job):
    """Even one that a mistake gave the run_id of a candidate."""
    rows = table(tuned)
    assert choose(task, job, pd.concat([table(tested, "test", phase), rows])) == choose(task, job, rows)


def test_the_final_job_is_the_winner_on_all_training_data_with_the_final_seeds(task, job):
    winner = Winner(Candidate(job, Point(1e-05, 3), ("x",)), 17, 0.5)
    assert final_overrides(task, winner) == [
        "size=1", "grid.rate=[1e-05]", "grid.seed=[5, 6]", "num_epochs=17", "phase=final", "split=test",
    ]  # fmt: skip


def test_tuning_jobs_never_see_the_test_split(planned):
    jobs = planned({"tune": "true", "split": "test", "size": (4, 8)})
    assert [(job.config.phase, job.config.split) for job in jobs] == [("tune", "holdout")] * 2


def test_each_group_has_its_own_winner_and_static_choices_compete(task, planned):
    jobs = planned({"tune": "true", "final_seeds": [5, 6], "data": ("x", "y"), "size": (1, 3), "grid.rate": [1, 2]})
    values = [0.1, 0.2, 0.4, 0.3, 0.5, 0.8, 0.7, NAN]  # of x: size 1 at rates 1 and 2, then size 3; of y likewise
    keys = [key for job in jobs for key in job.runs]
    store = Rows(table(dict(zip(keys, values, strict=True))))
    final, without = tuning.final_jobs(task, jobs, store, lambda _: jobs[0].config)
    assert without == [] and [job.overrides[:-2] for job in final] == [
        [*jobs[1].overrides, "grid.rate=[1.0]", "grid.seed=[5, 6]"],
        [*jobs[2].overrides, "grid.rate=[2.0]", "grid.seed=[5, 6]"],
    ]


# ---- whole studies

TUNING = {"tune": "true", "final_seeds": [5, 6], "grid.rate": [1, 2, 3, 2000], "grid.seed": [0, 1]}


def test_tuning_tries_every_candidate_and_scores_only_the_winner_on_test(run, store, task, capfd):
    run(TUNING)
    runs = store.runs()
    tune, final = runs[runs["phase"] == "tune"], runs[runs["phase"] == "final"]
    assert len(tune) == 4 * 2 and set(tune["split"]) == {"holdout"} and (tune["status"] == "diverged").sum() == 2
    assert list(final["seed"]) == [5, 6] and set(final["split"]) == {"test"}
    assert set(final["rate"]) == {2.0}, "the best on the holdout; on test it is 3"
    said = capfd.readouterr().out
    assert said.startswith("ncfjax: 1 tuning job, 8 runs: 8 to train, 0 done before, then the winners' final runs -> ")
    assert "ncfjax: toy of size 1: best of 4 on the holdout is rate=2 (validation score 96.9950)\n" in said
    phases = [
        word
        for line in said.splitlines()
        for word in line.split()
        if not line.startswith("ncfjax") and word in ("tune", "run", "final")
    ]
    assert phases == ["final", "run", *["tune"] * 4], "what was scored on test comes first"
    before = (store.folder / "runs.csv").read_bytes()
    task.trained.clear()
    run(TUNING)
    assert (store.folder / "runs.csv").read_bytes() == before and not task.trained


def test_the_epoch_that_the_holdout_chose_is_that_of_the_final_runs(run, store, capfd):
    run(TUNING | {"epoch_rule": "all", "eval_every": 2, "num_epochs": 6})
    runs = store.runs()
    final = runs[runs["phase"] == "final"]
    assert set(final["num_epochs"]) == {4} and set(final["epoch"]) == {4} and list(final["seed"]) == [5, 6]
    assert "best of 4 on the holdout is rate=2, num_epochs=4 (validation score 98.9950)" in capfd.readouterr().out


def test_a_tuning_without_a_winner_fails_after_its_table(run, store, capfd):
    with pytest.raises(TuningError, match="no winner for toy of size 1: every candidate diverged"):
        run(TUNING | {"grid.rate": [2000]})
    assert "diverged" in capfd.readouterr().out and "final" not in set(store.runs()["phase"])


def test_evaluations_that_are_missing_are_named_before_training_and_runs_of_other_tunings_do_not_matter(
    run, store, task
):
    """A run stored with evaluations at 3 and 6: a tuning of others goes on beside it, one that has it is refused."""
    command = TUNING | {"epoch_rule": "all", "num_epochs": 6, "grid.rate": 2}
    run(command | {"grid.seed": 0, "eval_every": 3})
    run(command | {"grid.seed": 1, "eval_every": 2})
    before = (store.folder / "runs.csv").read_bytes()
    task.trained.clear()
    with pytest.raises(TuningError, match="expected 3 evaluations, one every 2 epochs, got 1"):
        run(command | {"grid.seed": [0, 2], "eval_every": 2})
    assert (store.folder / "runs.csv").read_bytes() == before and not task.trained


def test_a_static_choice_that_was_swept_is_named_with_the_winner(run, capfd):
    run({"tune": "true", "final_seeds": [5], "size": (1, 2)})
    assert "best of 2 on the holdout is rate=1, size=1 (validation" in capfd.readouterr().out
