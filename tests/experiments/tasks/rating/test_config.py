"""What python -m experiments.ratings is told: what is refused, and what makes a run what it is."""

import pytest

from experiments.engine.config import CONF
from experiments.ratings import ENTRY
from experiments.tasks.rating import config as configs

GRADIENT = ("method=gradient", "model=dot")


@pytest.mark.parametrize("group", ["method", "folds"])
def test_every_name_has_its_file_and_every_file_its_name(group: str):
    choice = {"method": configs.METHOD, "folds": configs.FOLDS}[group]
    assert sorted(path.stem for path in (CONF / group).glob("*.yaml")) == sorted(choice.options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("method=biases", "grid.learning_rate=0.1"), "grid.learning_rate: expected nothing, as only method=gradient"),
        (("fold=6",), "fold: expected at most 5, as there are so many folds, got 6"),
        (("fold=0",), "fold: expected an integer >= 1, got 0"),
        (("folds.share=0.1",), "folds.share: expected nothing, as only folds=share or latest or cold_items"),
        (("folds=share", "folds.share=1.0"), "folds.share: expected a number between 0 and 1, got 1.0"),
        (("leak=true",), "validation_share: expected a number above 0, as leak=true, got 0.0"),
        (("leak=true", "validation_share=0.2", "tune=true"), "leak: expected false, as tune=true, got True"),
        (("select_epoch=holdout",), "select_epoch: expected last, as only tune=true evaluates on a holdout"),
        (("method=content_based",), "dataset: expected ml-100k or ml-1m or worked-example, as method=content_based"),
        ((*GRADIENT, "model.embedding_dim=1"), "model.embedding_dim: expected an integer >= 2"),
        ((*GRADIENT, "grid.decay=1.1"), "grid.decay: expected a number above 0, at most 1, got 1.1"),
        (("method=alternating", "grid.regularization=1,0"), "grid.regularization: expected numbers > 0, as method=alt"),
        (("method=alternating", "grid.bias_regularization=0"), "grid.bias_regularization: expected numbers > 0"),
        (("method=alternating", "method.embedding_dim=1"), "method.embedding_dim: expected an integer >= 2"),
        (
            ("dataset=ml-100k", "dataset.min_rating=4"),
            "dataset.min_rating: expected nothing, as only the ranking",
        ),
        (("dataset=netflix-excerpt", "dataset.num_negatives=9"), "dataset.num_negatives: expected nothing, as only"),
        (("dataset=csv", "dataset.path=x", "dataset.strength=true"), "dataset.strength: expected nothing, as only"),
        (("dataset=csv", "dataset.path=x", "dataset.scale=low"), "dataset.scale: expected a scale: binary, unary, '1"),
        (("method=bias",), "method=bias: no such method, did you mean biases?"),
    ],
)
def test_what_could_only_fail_later_is_refused(refusal, arguments, message: str):
    assert message in refusal(ENTRY, *arguments)


def test_what_decides_the_numbers_makes_another_run(id_of):
    one = id_of(ENTRY, *GRADIENT)
    others = ["fold=2", "folds.seed=1", "split=holdout", "model.embedding_dim=8", "grid.decay=0.9", "grid.seed=3",
              "method.batch_size=64", "dataset.rank=3", "validation_share=0.2", "method.optimizer=adam"]  # fmt: skip
    assert len({one, *(id_of(ENTRY, *GRADIENT, other) for other in others)}) == 1 + len(others)


def test_what_decides_nothing_makes_no_other_run(id_of):
    assert id_of(ENTRY, *GRADIENT) == id_of(ENTRY, *GRADIENT, "eval_every=1", "memory_gb=3", "study.name=other")
    assert id_of(ENTRY, "method=biases") == id_of(ENTRY, "method=biases", "model=neumf")  # which only gradient trains


def test_a_tuning_of_each_fold_has_a_winner_of_its_own(jobs_of):
    jobs = jobs_of(ENTRY, *GRADIENT, "tune=true", "fold=1,2", "grid.regularization=0.1,0.2")
    assert len({ENTRY.task.tuning_group(job.config) for job in jobs}) == len(jobs) == 2
