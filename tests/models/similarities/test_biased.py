"""Similarities that differ from the dot product in what two vectors' factors give, and when they are one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.models.biased import unit
from ncfjax.models.similarities.dot import Dot
from ncfjax.models.similarity import make_similarity

NAMES = ["bilinear", "cosine", "euclid", "mixture_of_logits", "residual"]
DIM = 7


@pytest.fixture
def vectors() -> tuple[jax.Array, jax.Array]:
    return tuple(jax.random.normal(jax.random.key(n), (rows, DIM)) for n, rows in ((1, 4), (2, 31)))


def make(name: str, **options):
    """With a global bias, and no own weight at zero."""
    similarity = make_similarity(name, DIM, key=jax.random.key(3), **options)
    similarity.bias[...] = jnp.float32(0.7)
    if name == "residual":
        similarity.weight[...] = jnp.linspace(-1.0, 1.0, similarity.layers[-1])
    if name == "bilinear":
        similarity.form[...] += 0.3 * jax.random.normal(jax.random.key(4), similarity.form.shape)
    if name == "mixture_of_logits":  # gates that differ
        for weights in (similarity.user_gate, similarity.item_gate, similarity.hidden, similarity.output):
            weights[...] *= 50.0
    return similarity


def of_unit_length(vectors):
    return jnp.concatenate([unit(vectors[:, :-1]), vectors[:, -1:]], axis=1)


def formula(name, similarity, x, y) -> float:
    """In numpy, of one pair's factors."""
    match name:
        case "bilinear":
            return x @ np.asarray(similarity.form[...]) @ y
        case "cosine":
            return x @ y / np.linalg.norm(x) / np.linalg.norm(y) / 0.2
        case "euclid":
            return -np.sum((x - y) ** 2)
        case "residual":
            units = np.concatenate([x, y, x * y])
            for kernel, bias in zip(similarity.tower.kernels, similarity.tower.biases, strict=True):
                units = np.maximum(units @ np.asarray(kernel[...]) + np.asarray(bias[...]), 0.0)
            return x @ y + units @ np.asarray(similarity.weight[...])
        case "mixture_of_logits":
            parts = [v.reshape(3, 2) / np.linalg.norm(v.reshape(3, 2), axis=1, keepdims=True) for v in (x, y)]
            logits = (parts[0] @ parts[1].T).reshape(9) / 0.2
            hidden = logits @ np.asarray(similarity.hidden[...]) + np.asarray(similarity.hidden_bias[...])
            gate = (hidden / (1 + np.exp(-hidden))) @ np.asarray(similarity.output[...])
            gate += (x @ np.asarray(similarity.user_gate[...])) * (y @ np.asarray(similarity.item_gate[...]))
            weights = np.exp(gate - gate.max())
            return weights / weights.sum() @ logits


@pytest.mark.parametrize("name", NAMES)
def test_a_pairs_score_is_the_formula_and_those_of_all_items_are_those_of_pairs(name, vectors, monkeypatch):
    monkeypatch.setattr(
        "ncfjax.models.tower.pairs_at_once", lambda: 3
    )  # blocks of items, the last two of which overlap
    similarity, (p, q) = make(name), vectors
    scores = similarity(p[:, None, :], q[None, :, :])
    expected = [
        [0.7 + u[-1] + i[-1] + formula(name, similarity, u[:-1], i[:-1]) for i in np.asarray(q)] for u in np.asarray(p)
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(similarity.all_pairs(p, q), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(similarity.all_prepared(p, similarity.prepare(q)), similarity.all_pairs(p, q))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name, vectors):
    similarity, (p, q) = make(name), vectors

    def mean_score(similarity, p, q):
        return jnp.mean(jnp.sin(similarity.all_pairs(p, q)))

    leaves, tree = jax.tree.flatten((similarity, p, q))
    at = [jax.random.normal(jax.random.key(n), leaf.shape) for n, leaf in enumerate(leaves)]
    slopes = jax.tree.leaves(jax.grad(mean_score, (0, 1, 2))(similarity, p, q))
    along = sum(jnp.vdot(slope, step) for slope, step in zip(slopes, at, strict=True))

    def moved(step):
        return mean_score(*jax.tree.unflatten(tree, [leaf + step * d for leaf, d in zip(leaves, at, strict=True)]))

    assert float(along) == pytest.approx(float((moved(1e-3) - moved(-1e-3)) / 2e-3), rel=0.05, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "options", "scale", "normalised"),
    [
        ("bilinear", {}, 1.0, False),
        ("residual", {}, 1.0, False),
        ("cosine", {"temperature": 0.5}, 2.0, True),
        ("mixture_of_logits", {"num_components": 1, "temperature": 0.5}, 2.0, True),
    ],
)
def test_where_it_is_the_dot_product(name, options, scale, normalised, vectors):
    """As they start; a cosine of vectors of length one, and a mixture of one logit, which is a cosine."""
    similarity, dot = make_similarity(name, DIM, key=jax.random.key(3), **options), Dot(DIM, biases=True)
    p, q = map(of_unit_length, vectors) if normalised else vectors
    expected = dot.all_pairs(jnp.concatenate([scale * p[:, :-1], p[:, -1:]], axis=1), q)
    np.testing.assert_allclose(similarity.all_pairs(p, q), expected, rtol=1e-5, atol=1e-5)


def test_a_distance_ranks_like_the_dot_product_with_half_the_squared_length_as_a_bias(vectors):
    (p, q), euclid = vectors, make_similarity("euclid", DIM, key=jax.random.key(3))
    bias = 0.5 * (q[:, -1:] - jnp.sum(q[:, :-1] ** 2, axis=1, keepdims=True))
    with_bias = jnp.concatenate([q[:, :-1], bias], axis=1)
    products = Dot(DIM, biases=True).all_pairs(p, with_bias)
    np.testing.assert_array_equal(jnp.argsort(euclid.all_pairs(p, q), axis=1), jnp.argsort(products, axis=1))


def test_the_parts_of_a_residual_add_up_and_the_networks_is_zero_at_the_start(vectors):
    fresh, trained = make_similarity("residual", DIM, key=jax.random.key(3)), make("residual")
    assert not jnp.any(fresh.parts(*vectors).network) and jnp.std(trained.parts(*vectors).network) > 0.1
    np.testing.assert_array_equal(sum(trained.parts(*vectors)), trained.all_pairs(*vectors))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "residual",
            {"layers": (18, 0)},
            r"model.layers: expected \[18, \.\.\.\], 3 \* \(model.embedding_dim - 1\) first",
        ),
        ("residual", {"layers": (21, 6)}, r"model.layers: expected \[18, \.\.\.\]"),
        (
            "mixture_of_logits",
            {"num_components": 7},
            "num_components: expected at most model.embedding_dim - 1 = 6, got 7",
        ),
    ],
)
def test_what_does_not_fit_the_embedding_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        make(name, **options)


@pytest.mark.parametrize("name", NAMES)
def test_one_entry_is_the_bias_and_none_would_be_left(name):
    with pytest.raises(ValueError, match="embedding_dim: expected an integer >= 2"):
        make_similarity(name, 1, key=jax.random.key(0))


def test_vectors_of_no_length_have_a_score_and_a_gradient():
    for name in ("cosine", "mixture_of_logits"):
        similarity, zero = make(name), jnp.zeros((1, DIM))
        value, gradient = jax.value_and_grad(lambda p, s=similarity: jnp.sum(s(p, jnp.ones((1, DIM)))))(zero)
        assert jnp.isfinite(value) and jnp.all(jnp.isfinite(gradient))


def test_factors_that_no_part_of_a_mixture_takes_move_the_gates_alone(vectors):
    """With four parts of one factor each, the last two of six."""
    mixture, (p, q) = make("mixture_of_logits", num_components=4), vectors
    moved, scores = p.at[:, 4:6].add(1.0), mixture.all_pairs(p, q)
    np.testing.assert_allclose(scores, mixture(p[:, None, :], q[None, :, :]), rtol=1e-4, atol=1e-4)
    assert jnp.max(jnp.abs(mixture.all_pairs(moved, q) - scores)) > 1e-3
    mixture.user_gate[...] = jnp.zeros_like(mixture.user_gate[...])
    np.testing.assert_array_equal(mixture.all_pairs(moved, q), mixture.all_pairs(p, q))
