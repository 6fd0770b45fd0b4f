"""Candidates by an imitation of the model, then the model itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.history import pack_history
from ncfjax.models.keras import read_keras
from ncfjax.models.recommender import Recommender
from ncfjax.retrieval import distillation, exact, imitations, two_stage
from ncfjax.retrieval.distillation import distill_ranking
from ncfjax.retrieval.filters import deny_each
from ncfjax.retrieval.imitations import centred, cur, svd
from tests.retrieval.conftest import make_model

KEY = jax.random.key(5)
WAYS = {
    "svd": lambda model: svd(model, 4, KEY),
    "svd of some users": lambda model: svd(model, 4, KEY, users=jnp.arange(6), num_anchors=30),
    "cur": lambda model: cur(model, KEY, num_anchor_users=6, num_anchors=30),
    "cur, fewer directions": lambda model: cur(model, KEY, num_anchor_users=8, num_anchors=30, rank=4),
    "distill_ranking": lambda model: distill_ranking(model, 4, KEY, num_rounds=8),
}


@pytest.fixture(autouse=True)
def small_distillation(monkeypatch):
    """A network of 64 hidden units, whatever else a test trains."""
    monkeypatch.setattr(distillation, "WIDTH", 64)


@pytest.fixture(params=list(WAYS))
def imitation_of(request):
    return WAYS[request.param]


@pytest.mark.parametrize(("name", "num_clusters"), [("mlp", None), ("neumf", 7)])
def test_with_all_items_as_candidates_it_is_the_model_itself(name, num_clusters):
    """Whatever the candidates come from: all are there."""
    model = make_model(name)
    imitation = WAYS["cur"](model)
    index = two_stage.build(model.item[...], model.similarity, imitation, num_clusters=num_clusters, key=KEY)
    denied = deny_each([range(u, 200, 5) for u in range(13)], 200)
    expected = exact.search(exact.build(model.item[...], model.similarity), model.user[...], 8, denied)
    found = two_stage.search(index, model.user[...], 8, denied, num_candidates=200, probes=1000)
    np.testing.assert_array_equal(found.items, expected.items)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5, atol=1e-6)


def test_what_is_a_dot_product_is_imitated_to_the_last_item(imitation_of):
    """GMF of 6 factors, 4 of which its weights leave: candidates are then the best items themselves."""
    model = make_model("gmf")
    model.similarity.output.weight[...] *= jnp.asarray([1, 1, 1, 1, 0, 0])
    index = two_stage.build(model.item[...], model.similarity, imitation_of(model))
    expected = exact.search(exact.build(model.item[...], model.similarity), model.user[...], 8)
    encoded = two_stage.encode(index, model.user[...])
    assert encoded.shape == (13, index.imitation.keys.shape[1])
    found = two_stage.search(index, model.user[...], 8, num_candidates=12, encoded=encoded)
    assert np.mean(np.sort(found.items, axis=1) == np.sort(expected.items, axis=1)) > 0.95


@pytest.mark.parametrize("floor", [None, 1.28])
def test_svd_is_that_of_the_matrix_of_centred_scores(floor, monkeypatch):
    monkeypatch.setattr(imitations, "BYTES_AT_ONCE", 4 * 200 * 5)  # blocks of 5 users, the last of 3
    model = make_model("mlp")
    imitation = svd(model, 3, KEY, num_passes=3, floor=floor)
    scores = model.score_all(jnp.arange(13))
    if floor is not None:  # about a tenth of the scores stay apart
        lowest = scores.mean(1) + floor * scores.std(1)
        assert 0.05 < jnp.mean(scores > lowest[:, None]) < 0.2
        scores = jnp.maximum(scores, lowest[:, None])
    scores = centred(scores)
    left, values, right = np.linalg.svd(scores, full_matrices=False)
    queries = imitations.queries_of(imitation, model.similarity, model.user[...])
    product = queries @ imitation.keys.T
    np.testing.assert_allclose(centred(product), (left[:, :3] * values[:3]) @ right[:3], atol=1e-3)


def test_a_user_that_the_imitation_never_saw_has_a_query():
    model = make_model("gmf")
    imitation = svd(model, 6, KEY, users=jnp.arange(10), num_anchors=50)
    products = imitations.queries_of(imitation, model.similarity, model.user[10:]) @ imitation.keys.T
    np.testing.assert_allclose(centred(products), centred(model.score_all(jnp.arange(10, 13))), atol=1e-3)


def test_a_distilled_dot_product_is_nearer_to_the_models_softmax_than_an_svd(monkeypatch):
    """Mean KL divergence over users, those too whose scores neither of them saw."""
    monkeypatch.setattr(distillation, "USERS", 300)
    monkeypatch.setattr(distillation, "WIDTH", 1024)
    model = make_model("mlp", num_users=400)
    model.user[...] *= 4
    model.item[...] *= 4
    fitted, both = jnp.arange(300), {}
    target = jax.nn.log_softmax(model.score_all(jnp.arange(400)) / distillation.TEMPERATURE, axis=1)
    for name, imitation in {
        "svd": svd(model, 2, KEY, users=fitted),
        "distilled": distill_ranking(model, 2, KEY, num_rounds=8, users=fitted),
    }.items():
        logits = imitations.queries_of(imitation, model.similarity, model.user[...]) @ imitation.keys.T
        logits = logits / (distillation.TEMPERATURE if name == "svd" else 1.0)
        divergence = jnp.sum(jnp.exp(target) * (target - jax.nn.log_softmax(logits, axis=1)), axis=1)
        both[name] = float(jnp.mean(divergence[:300])), float(jnp.mean(divergence[300:]))
    assert both["distilled"][0] < 0.8 * both["svd"][0] and both["distilled"][1] < 0.9 * both["svd"][1], both


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda model: svd(model, 14, KEY), "rank: expected 1 to 13, got 14"),
        (lambda model: svd(model, 0, KEY), "rank: expected 1 to 13, got 0"),
        (lambda model: svd(model, 3, KEY, num_anchors=201), "num_anchors: expected 1 to 200, got 201"),
        (lambda model: cur(model, KEY, num_anchor_users=14, num_anchors=5), "num_anchor_users: expected 1 to 13, got"),
        (lambda model: distill_ranking(model, 14, KEY), "rank: expected 1 to 13, got 14"),
    ],
)
def test_what_is_no_imitation_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(make_model("mlp"))


@pytest.mark.realdata
def test_rank_32_finds_the_saved_mlps_best_items_among_100(real_data, ml_1m):
    """.997 of its unseen top 10, of every eighth user."""
    train, users = ml_1m.train, jnp.arange(0, ml_1m.train.num_users, 8)
    path = real_data / "ncf-pretrain" / "ml-1m_MLP_64-32-16-8_1501652038.h5"
    mlp = read_keras(path, num_users=train.num_users, num_items=train.num_items)
    mlp = Recommender.from_tables(mlp.user[users], mlp.item[...], mlp.similarity)
    seen = jnp.asarray(pack_history(train))[users]
    index = two_stage.build(mlp.item[...], mlp.similarity, svd(mlp, 32, KEY))
    expected = exact.search(exact.build(mlp.item[...], mlp.similarity), mlp.user[...], 10, seen).items
    found = two_stage.search(index, mlp.user[...], 10, seen, num_candidates=100).items
    recall = np.mean([len({*a.tolist()} & {*b.tolist()}) / 10 for a, b in zip(found, expected, strict=True)])
    assert recall == pytest.approx(0.997, abs=0.002)
