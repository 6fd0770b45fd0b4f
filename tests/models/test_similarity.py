"""What all similarities have, and how one is known by its name; one that no file of the package knows is among them."""

import math
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from ncfjax.keys import Key
from ncfjax.models.imitator import Imitator
from ncfjax.models.recommender import Recommender
from ncfjax.models.registry import check_similarity, similarity_class, similarity_names, with_defaults
from ncfjax.models.similarities.dot import Dot
from ncfjax.models.similarity import Similarity, abstract_similarity, make_similarity

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("scaled")


def test_every_similarity_is_known_by_its_name_and_a_new_one_is_by_being_declared(key, scaled):
    files = (ROOT / "ncfjax" / "models" / "similarities").glob("[a-z]*.py")
    assert similarity_names() == sorted(["scaled", *(path.stem for path in files)])
    made = make_similarity("scaled", 4, key=key, temperature=2)
    assert (similarity_class("scaled"), type(made.temperature), made.temperature) == (scaled, float, 2.0)
    assert make_similarity("scaled", 4, key=key).temperature == 0.5


def test_items_that_are_prepared_give_the_scores_of_all_pairs(key):
    """To the bit: an index ranks as its model does."""
    for name, dim in (("dot", 6), ("gmf", 6), ("mlp", 6), ("neumf", 6), ("scaled", 6)):
        similarity = make_similarity(name, dim, key=key)
        p, q = (jax.random.normal(jax.random.key(n), (n, dim)) for n in (5, 30))
        prepared = similarity.all_prepared(p, similarity.prepare(q))
        np.testing.assert_array_equal(prepared, similarity.all_pairs(p, q))


def test_defaults_are_those_of_the_yaml_files():
    """conf/model/, whose files a user sees."""
    for path in sorted((ROOT / "conf" / "model").glob("*.yaml")):
        with_keys = set(yaml.safe_load(path.read_text())) - {"name", "embedding_dim"}
        assert set(similarity_class(path.stem).keys) == with_keys
    assert with_defaults("dot", 16, {}) == {"biases": True, "frozen_constants": False}
    assert with_defaults("gmf", 16, {}) == {"regularize_weights": True, "unit_weights": False}
    assert with_defaults("mlp", 16, {"layers": None}) == {"layers": (32, 16, 8), "regularize_weights": True}
    neumf = with_defaults("neumf", 24, {"regularize_weights": False})
    off = {"regularize_weights": False, "unit_weights": False, "gmf_sigmoid": False, "frozen_constants": False}
    assert neumf == {"layers": (32, 16, 8), **off}


@pytest.mark.parametrize(
    ("name", "embedding_dim", "options", "message"),
    [
        ("dott", 16, {}, "model.name=dott: no such name, did you mean dot?"),
        ("dot", 1, {}, "model.embedding_dim: expected an integer >= 2 (with biases, one is the bias), got 1"),
        ("gmf", 0, {}, "model.embedding_dim: expected an integer >= 1, got 0"),
        ("dot", 16, {"biases": 1}, "model.biases: expected true or false, got 1"),
        ("gmf", 8, {"layers": [8]}, "model.layers: expected nothing, as only model=mlp,neumf,residual"),
        ("gmf", 8, {"depth": 2}, "model.depth: expected nothing, as no model has one, got 2"),
        ("scaled", 8, {"temperature": -1.0}, "model.temperature: expected a number > 0, got -1.0"),
        ("scaled", 8, {"temperature": math.inf}, "model.temperature: expected a number > 0, got inf"),
        ("scaled", 8, {"temperature": "1"}, "model.temperature: expected a number > 0, got '1'"),
        ("mlp", 16, {"layers": 32}, "model.layers: expected a list of integers in brackets, such as [64,32,16,8]"),
        ("mlp", 16, {"layers": [32, 8.5]}, "model.layers: expected a list of integers in brackets"),
        ("mlp", 16, {"layers": [30, 8]}, "model.layers: expected [32, ...], 2 * model.embedding_dim first, then the"),
        ("neumf", 24, {"layers": [48, 16]}, "model.layers: expected an even number below 2 * model.embedding_dim = 48"),
        ("neumf", 16, {}, "model.embedding_dim: expected a multiple of 3, as model.layers are 4/3, 2/3, 1/3 times it"),
    ],
)  # fmt: skip
def test_what_a_similarity_cannot_be_is_refused(key, name, embedding_dim, options, message):
    for refuse in (check_similarity, lambda *_: make_similarity(name, embedding_dim, key=key, **options)):
        with pytest.raises(ValueError, match=re.escape(message)):
            refuse(name, embedding_dim, options)


def test_similarities_that_share_a_key_agree_on_its_kind_and_none_share_a_name():
    with pytest.raises(ValueError, match="similarity other: layers: expected tuple, as mlp has it, got int"):
        type("Other", (Similarity,), {"name": "other", "keys": {"layers": Key(int, bool, "an integer", 0)}})
    with pytest.raises(ValueError, match="similarity dot: expected one class of this name"):
        type("Other", (Similarity,), {"name": "dot"})
    assert similarity_class("dot") is Dot and "other" not in similarity_names()


def test_work_and_memory_follow_from_the_layers():
    options = (("layers", (64, 32, 16)),)
    for name, dim in (("mlp", 32), ("neumf", 40)):
        tower = abstract_similarity(name, dim, options)
        assert (tower.hidden_widths, tower.multiplications_per_pair) == ((32, 16), 64 * 32 + 32 * 16)
    dot = abstract_similarity("dot", 16)
    assert (dot.hidden_widths, dot.multiplications_per_pair) == ((), 0)
    arguments = {"layers": (6, 3), "activation": "relu", "product": True, "bilinear": True, "key": jax.random.key(0)}
    network = Imitator(4, **arguments)
    assert (network.hidden_widths, network.multiplications_per_pair) == ((6, 3), 12 * 6 + 6 * 3 + 3 + 4 * 4)


@pytest.mark.parametrize(
    ("name", "options"),
    [("dot", {"biases": True}), ("dot", {"biases": False}), ("dot", {"frozen_constants": True}), ("gmf", {})],
)
def test_what_ranks_as_an_inner_product_says_which(key, name, options):
    """Scores are the same but for a constant of the user, hence is the ranking of all items."""
    similarity = make_similarity(name, 5, key=key, **options)
    if similarity.global_bias is not None:
        similarity.global_bias[...] = jnp.asarray(0.7)
    p, q = jax.random.normal(key, (4, 5)), jax.random.normal(jax.random.key(1), (30, 5))
    form, scores = similarity.as_dot(), similarity.all_pairs(p, q)
    products = jnp.inner(form.query(p), form.key(q))
    np.testing.assert_allclose(products + form.offset(p)[:, None], scores, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(np.argsort(products, axis=1), np.argsort(scores, axis=1))
    assert np.std(form.offset(p)) > 0.1 or name == "gmf" or not similarity.holds_biases


@pytest.mark.parametrize("name", ["mlp", "neumf", "scaled"])
def test_other_similarities_rank_as_no_inner_product_as_far_as_is_known(key, name):
    assert make_similarity(name, 6, key=key).as_dot() is None


@pytest.mark.parametrize("name", ["gmf", "mlp", "neumf"])
def test_learned_similarities_score_all_items_as_they_score_pairs(key, name):
    model = Recommender(7, 11, 6, make_similarity(name, 6, key=key), stddev=1.0, key=key)
    pairs = model.score(jnp.arange(7)[:, None], jnp.arange(11)[None, :])
    np.testing.assert_allclose(model.score_all(jnp.arange(7)), pairs, rtol=1e-5, atol=1e-6)
    assert np.std(pairs) > 0.1
