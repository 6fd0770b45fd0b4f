import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.models.similarities.mlp import MLP


def test_scoring_all_items_multiplies_the_first_layer_once_per_item(key):
    """By the compiler's count: naive pairs pay 64 x 32 multiplications each, here a pair pays those of the rest."""
    mlp = MLP(32, layers=(64, 32, 4), regularize_weights=True, key=key)
    p, q = jax.random.normal(key, (4, 32)), jax.random.normal(key, (1000, 32))

    def naive(p, q):
        pairs = jnp.concatenate([jnp.repeat(p, 1000, axis=0), jnp.tile(q, (4, 1))], axis=1)
        units = jax.nn.relu(pairs @ mlp.tower.kernels[0][...])
        return jax.nn.relu(units @ mlp.tower.kernels[1][...]) @ mlp.output.weight[...]

    np.testing.assert_allclose(mlp.all_pairs(p, q).reshape(-1), naive(p, q), rtol=1e-4, atol=1e-4)
    counted = [
        jax.jit(f).lower(p, q).compile().cost_analysis()["flops"] for f in (mlp.all_pairs, mlp.tower.halves, naive)
    ]
    ours, halves, pairs = counted
    assert halves < 1.1 * 2 * (4 + 1000) * 32 * 32 and pairs > 4000 * 2 * 64 * 32
    # The compiler counts the loop over users once; the naive form would add 4000 * 2 * 64 * 32 at least once a user.
    assert ours < halves + 4000 * 2 * (32 * 4 + 4 + 2 * 32)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((12, 6), r"expected \[16, \.\.\.\], 2 \* model.embedding_dim first.*got \[12, 6\]"),
        ((16,), r"then the width of each ReLU layer, at least one, got \[16\]"),
        ((16, 0), r"got \[16, 0\]"),
        ((), r"got \[\]"),
    ],
)
def test_layers_that_do_not_fit_the_embedding_are_refused(key, layers, message):
    with pytest.raises(ValueError, match=f"model.layers: .*{message}"):
        MLP(8, layers=layers, regularize_weights=True, key=key)


def test_a_long_catalogue_is_scored_in_blocks_the_last_two_of_which_may_overlap(key, monkeypatch):
    monkeypatch.setattr("ncfjax.models.tower.pairs_at_once", lambda: 8)
    mlp = MLP(4, layers=(8, 4, 2), regularize_weights=True, key=key)
    p, q = (jax.random.normal(jax.random.key(n), (n, 4)) for n in (3, 67))
    np.testing.assert_allclose(mlp.all_pairs(p, q), mlp(p[:, None, :], q[None, :, :]), rtol=1e-5, atol=1e-6)
