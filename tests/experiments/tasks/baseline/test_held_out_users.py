"""python -m experiments.baselines on data whose users are held out: rows, tuning, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from experiments import baselines, sweep
from ncfjax.evaluation.fold_out_metrics import fold_out_metrics

FOLD_OUT = ["recall@20", "recall@50", "ndcg@100"]


@pytest.fixture(scope="module")
def ml_20m(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Arguments of a command on a small ratings.csv: users like items of their own number's remainder."""
    folder: Path = tmp_path_factory.mktemp("ml-20m")
    random = np.random.default_rng(0)
    lines = ["userId,movieId,rating,timestamp"]
    for user in range(1, 121):
        chosen = {user % 4 + 4 * int(40 * x**2) for x in random.random(25)} | set(random.integers(0, 160, 3).tolist())
        lines += [f"{user},{item},{4.0 + item % 2},{user}" for item in sorted(chosen)]
    (folder / "ratings.csv").write_text("\n".join(lines))
    return "dataset=ml-20m", f"data_dir={folder}", "dataset.num_held_out=20"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["baseline=user_knn"], "baseline: expected one of popularity, item_knn, ease, slim, ials, as dataset=ml-20m"),
        (["evaluation.ties=favour"], "evaluation: expected ties: against, self_negatives: masked, as dataset=ml-20m"),
        (["tune=true"], "tune_by: expected one of ndcg@100, recall@20, recall@50, as dataset=ml-20m, got 'ndcg@10'"),
        (["dataset=ml-1m", "tune=true", "tune_by=ndcg@100"], "tune_by: expected one of ndcg@10, hit_ratio@10, as"),
        (["dataset.num_held_out=0"], "dataset.num_held_out: expected an integer >= 1, got 0"),
        (["dataset=ml-1m", "dataset.num_held_out=5"], "dataset.num_held_out: expected nothing, as only dataset="),
    ],
)  # fmt: skip
def test_what_does_not_go_with_what_is_held_out_is_refused(arguments, message, refusal: Callable[..., str]):
    assert message in refusal(baselines.ENTRY, "dataset=ml-20m", *arguments)


def test_another_kind_of_run_does_not_know_such_data(refusal: Callable[..., str]):
    assert "dataset.name=ml-20m: no such name" in refusal(sweep.ENTRY, "dataset=ml-20m")


def test_other_users_are_another_run_and_so_is_another_split(id_of: Callable[..., str]):
    run = ("dataset=ml-20m", "baseline=popularity")
    ids = [id_of(baselines.ENTRY, *run, *other) for other in ([], ["dataset.num_held_out=5"], ["dataset.seed=1"],
                                                              ["split=holdout"])]  # fmt: skip
    assert len(set(ids)) == 4 and id_of(baselines.ENTRY, *run, "dataset.num_held_out=10000") == ids[0]


@pytest.mark.slow  # XLA compiles
def test_every_row_has_the_metrics_of_its_ranks_its_protocol_and_no_others(finish, ml_20m):
    finished = finish(baselines, *ml_20m, "baseline=popularity,item_knn,ease,slim,ials")
    store, runs = finished.store, finished.store.runs()
    assert runs["status"].eq("completed").all() and len(runs) == 5
    assert (
        runs["hit_ratio@10"].isna().all() and runs["negatives"].str.match(r"all items, \d+ users by seed=98765").all()
    )
    protocol = "20 users that are not in training, folded in by 80 % of their items and asked for the others"
    assert runs["note"].str.endswith(protocol).all()
    for row in runs.to_dict("records"):
        ranks = store.ranks(row["run_id"])
        assert fold_out_metrics(ranks["fold_out"], ranks["fold_out_users"]) == {name: row[name] for name in FOLD_OUT}
    by_model = runs.set_index("model")["ndcg@100"]
    assert by_model["popularity"] < by_model.drop("popularity").min()
    lines = finished.said.splitlines()
    header = next(i for i, line in enumerate(lines) if "NDCG@100" in line)
    assert "HR@10" not in lines[header] and lines[header + 1].split()[0] == by_model.idxmax()


@pytest.mark.slow
def test_a_penalty_is_chosen_by_the_validation_users_and_scored_on_the_test_users(finish, ml_20m):
    tuned = ("baseline=ease", "grid.regularization=1,30", "tune=true", "tune_by=ndcg@100")
    runs = finish(baselines, *ml_20m, *tuned).store.runs()
    assert list(zip(runs["phase"], runs["split"], strict=True)) == [("tune", "holdout")] * 2 + [("final", "test")]
    best = runs[runs["phase"] == "tune"].set_index("regularization")["ndcg@100"].idxmax()
    assert runs["regularization"].iloc[-1] == best


@pytest.mark.slow
def test_a_dry_run_counts_the_held_out_users_and_a_missing_file_is_one_message(finish, ml_20m, tmp_path, capsys):
    said = finish(baselines, *ml_20m, "baseline=ials", "dry_run=true").said
    assert "ml-20m ials d=64: 1 run to fit in 1 block of up to 1 run and " in said
    with pytest.raises(SystemExit):
        finish(baselines, "dataset=msd", f"data_dir={tmp_path}", "baseline=popularity")
    error = capsys.readouterr().err
    assert "dataset=msd: msd: expected train_triplets.txt (plain or .gz) in " in error and "http://millionsong" in error
