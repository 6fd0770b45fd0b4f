"""What a run of retrieval is told: what is refused, and what makes a run what it is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli.compose import configured
from experiments.engine.checks import ConfigError
from experiments.retrieval import ENTRY

_RUNS = """run_id,status,phase,model,embedding_dim,pretraining,learning_rate,seed,command
aa,completed,run,dot,16,,0.1,0,python -m experiments.sweep A
ab,completed,run,dot,16,,0.1,1,python -m experiments.sweep A
ba,completed,run,neumf,24,,0.1,0,python -m experiments.sweep B
bb,completed,run,neumf,24,"trained, 20 epochs",0.1,0,python -m experiments.sweep C
ca,diverged,run,mlp,16,,9,0,python -m experiments.sweep D
da,completed,run,gmf,8,,0.1,0,python -m experiments.sweep E
db,completed,run,gmf,8,,0.2,0,python -m experiments.sweep E
"""
_SHARED = {
    "objective": "sampled", "num_negatives": "4", "negative_weight": "1.0", "optimizer": "sgd", "regularization": "0.0",
    "stddev": "0.1", "num_epochs": "3", "batch_size": "64",
}  # fmt: skip
RUNS = "".join(
    f"{line},{','.join(_SHARED.values() if number else _SHARED)}\n" for number, line in enumerate(_RUNS.splitlines())
)


@pytest.fixture
def study(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "runs.csv").write_text(RUNS)
    return "source=study", f"source.folder={tmp_path}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search=exac"], "search=exac: no such search, did you mean exact?"),
        (["source=saved"], "source=saved: no such source"),
        (["source.model=dott"], "source: model.name=dott: no such name, did you mean dot?"),
        (["source.embedding_dim=0"], "source: model.embedding_dim: expected an integer >="),
        (["num_items=0"], "num_items: expected an integer >= 1, or null, got 0"),
        (["search=exact", "grid.probes=3"], "grid.probes: expected nothing, as only search=clusters or ivf or svd"),
        (["search=clusters", "grid.probes=0"], "grid.probes: expected an integer >= 1, got 0"),
        (["search=svd", "grid.num_candidates=9"], "grid.num_candidates: expected 0, or an integer >= 10"),
        (["search=svd", "grid.probes=3"], "grid.probes: expected null, as search.num_clusters is null"),
        (["search=svd", "search.num_clusters=9"], "grid.probes: expected an integer, as search.num_clusters=9"),
        (["search=svd", "search.longest=9"], "search.longest: expected null, as search.num_clusters is null"),
        (["search=svd", "search.num_anchors=63"], "search.num_anchors: expected at least search.rank=64, or null"),
        (["search=cur", "search.rank=257"], "search.rank: expected at most search.num_users=256, got 257"),
        (["search=svd", "search.num_users=9"], "search.rank: expected at most search.num_users=9, got 64"),
        (["source=keras", "source.model=mlp"], "source.mlp: expected a file of weights, got None"),
        (["source=keras", "source.model=dot"], "source.model=dot: no such name"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments: list[str], message: str, refusal: Callable[..., str]):
    assert message in refusal(ENTRY, *arguments)


def test_what_only_the_model_forbids_is_refused_before_anything_is_measured(tiny_data: tuple[str, ...]):
    for given, message in (
        (("search=hnsw", "source.model=mlp"), "search=hnsw: expected a model that is a dot product, got mlp"),
        (("search=clusters",), "search.num_clusters: expected at most 60, as many as there are, got 61"),
        (("search=svd", "search.rank=4", "search.num_anchors=99"), "search.num_anchors: expected at most 60, as many"),
        (("search.num_devices=999",), "search.num_devices: expected at most .*, the devices that are there, got 999"),
        (("search=svd",), "search.rank: expected at most 30, as many as there are, got 64"),
        (("search=cur", "search.rank=4", "search.num_anchors=4"), "search.num_users: expected at most 30, as many"),
        (("num_queries=30",), "num_queries: expected fewer than 30, the users with a held-out item, or null for all"),
    ):
        config = configured(ENTRY, *tiny_data, "source.num_epochs=1", *given)
        with pytest.raises(ConfigError, match=message):
            ENTRY.task.opened(config)


def test_rows_that_repeat_or_are_torn_are_no_other_runs(study: tuple[str, ...], tmp_path: Path):
    """As the tables are read everywhere: the first row of a run, of whole lines."""
    config = configured(ENTRY, *study, "source.model=dot", "source.embedding_dim=16")
    first, _ = RUNS.splitlines()[1:3]
    (tmp_path / "runs.csv").write_text(RUNS + first + "\n" + first.replace("aa", "zz")[:-3])
    assert ENTRY.task.id_of(config, ENTRY.task.points(config)[0])
    assert configured(ENTRY, *study, "source.model=dot", "source.embedding_dim=16") == config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["source.model=mlp"], "expected one run of model=mlp, embedding_dim=16, seed=0, got none among dot d=16, gmf"),
        (["grid.seed=0,2"], "expected one run of model=dot, embedding_dim=16, seed=2, got none"),
        (["source.model=gmf", "source.embedding_dim=8"], "model=gmf, embedding_dim=8, seed=0, got 2: da, db"),
        (["source.pretrained=true"], "expected one run of model=dot, embedding_dim=16, seed=0, pretrained, got none"),
    ],
)  # fmt: skip
def test_a_model_that_no_row_or_several_are_is_refused(arguments, message, refusal, study):
    assert message in refusal(ENTRY, *study, *arguments)


def test_a_folder_without_a_table_says_what_writes_one(refusal, tmp_path):
    message = refusal(ENTRY, "source=study", f"source.folder={tmp_path}")
    assert f"got no {tmp_path}/runs.csv; python -m experiments.sweep with save_models=true writes one" in message


def test_a_model_whose_files_are_gone_says_what_makes_them(study, tiny_data, tmp_path):
    config = configured(ENTRY, *tiny_data, *study)
    message = (
        rf"expected the saved model {tmp_path}/models/aa, got none; python -m experiments.sweep A save_models=true"
    )
    with pytest.raises(ConfigError, match=message):
        ENTRY.task.opened(config)


def test_what_is_searched_and_how_changes_the_id_and_nothing_else_does(id_of, study, tmp_path):
    svd = (*study, "search=svd")
    usual = id_of(ENTRY, *svd)
    others = ("search.rank=16", "search.num_anchors=99", "search.num_users=99", "search=distill_ranking")
    others += ("grid.num_candidates=50", "grid.seed=1", "num_items=1000", "num_queries=5", "dataset=ml-100k")
    for other in others:
        assert id_of(ENTRY, *svd, other) != usual, other
    for same in ("eval_every=2", "results_dir=elsewhere", "study.name=other", "memory_gb=3"):
        assert id_of(ENTRY, *svd, same) == usual, same
    neumf = (*study, "source.model=neumf", "source.embedding_dim=24")
    assert id_of(ENTRY, *neumf) != id_of(ENTRY, *neumf, "source.pretrained=true")


def test_the_same_model_in_another_folder_is_the_same_run(id_of, study, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "runs.csv").write_text(RUNS)
    assert id_of(ENTRY, *study) == id_of(ENTRY, "source=study", f"source.folder={tmp_path}/copy")


def test_a_file_of_other_content_than_is_stated_is_refused(tiny_data, tmp_path, id_of):
    """What is stated makes the run: its id is the same where the file is not."""
    path = tmp_path / "weights.h5"
    stated = ("source=keras", f"source.mlp={path}", "source.mlp_sha256=0123456789abcdef")
    before = id_of(ENTRY, *stated)
    path.write_bytes(b"a")
    assert id_of(ENTRY, *stated) == before
    with pytest.raises(ConfigError, match="source.mlp: expected a file of SHA-256 0123456789abcdef..., got"):
        ENTRY.task.opened(configured(ENTRY, *tiny_data, *stated))


def test_other_weights_at_the_same_path_are_another_run(id_of, tmp_path):
    path = tmp_path / "weights.h5"
    ids = []
    for content in (b"", b"a", b"b"):
        if content:
            path.write_bytes(content)
        ids.append(id_of(ENTRY, "source=keras", f"source.mlp={path}"))
    assert len(set(ids)) == 3
