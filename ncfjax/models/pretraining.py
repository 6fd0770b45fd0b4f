"""Pretraining: a NeuMF that starts from a GMF and an MLP, each trained alone (He et al., WWW 2017, section 3.4.1).

    p = [p_g; p_m]    q = [q_g; q_m]    w = [alpha w_g; (1 - alpha) w_m]    b = alpha b_g + (1 - alpha) b_m

A score is thus alpha times GMF's plus 1 - alpha times the MLP's. The paper has alpha as a choice, arXiv:1708.05031; the
authors' code has 0.5.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.gmf import GMF
from ncfjax.models.similarities.mlp import MLP
from ncfjax.models.similarities.neumf import NeuMF


def join(gmf: Recommender, mlp: Recommender, alpha, *, regularize_weights: bool) -> Recommender:
    """The NeuMF of a GMF and an MLP of the same users and items, which share no array with it.

    One model from two: `jax.vmap` joins the members of a grid. `alpha`, from 0 (the MLP alone) to 1 (GMF alone), may be
    traced, hence is trusted here; `regularize_weights` is NeuMF's own, whatever the two were trained with.
    """
    _expect_pair(gmf, mlp)
    user = jnp.concatenate([gmf.user[...], mlp.user[...]], axis=1)
    item = jnp.concatenate([gmf.item[...], mlp.item[...]], axis=1)
    first, second = gmf.similarity.output, mlp.similarity.output
    weight = jnp.concatenate([alpha * first.weight[...], (1.0 - alpha) * second.weight[...]])
    bias = alpha * first.bias[...] + (1.0 - alpha) * second.bias[...]

    build = partial(NeuMF, user.shape[1], layers=mlp.similarity.layers, regularize_weights=regularize_weights)
    similarity = jax.eval_shape(build, key=jax.random.key(0))  # shapes alone: what would be drawn is replaced
    similarity.tower = jax.tree.map(jnp.copy, mlp.similarity.tower)
    similarity.output.weight, similarity.output.bias = nnx.Param(weight), nnx.Param(bias)
    return Recommender.from_tables(user, item, similarity)


def as_gmf(dot: Recommender, *, regularize_weights: bool) -> Recommender:
    """The GMF, of one factor more, that scores as a dot product with biases: each bias meets a one.

    p = [x; b_u; 1]    q = [y; 1; b_i]    w = 1    so that    <w, p * q> = <x, y> + b_u + b_i
    """
    user, item = dot.user[...], dot.item[...]
    ones = [jnp.ones((len(table), 1)) for table in (user, item)]
    p = jnp.concatenate([user, ones[0]], axis=1)
    q = jnp.concatenate([item[:, :-1], ones[1], item[:, -1:]], axis=1)
    build = partial(GMF, p.shape[1], regularize_weights=regularize_weights)
    similarity = jax.eval_shape(build, key=jax.random.key(0))  # shapes alone: what would be drawn is replaced
    similarity.output.weight = nnx.Param(jnp.ones(p.shape[1]))
    similarity.output.bias = nnx.Param(dot.similarity.bias[...])
    return Recommender.from_tables(p, q, similarity)


def _expect_pair(gmf: Recommender, mlp: Recommender) -> None:
    if not (isinstance(gmf.similarity, GMF) and isinstance(mlp.similarity, MLP)):
        got = f"{type(gmf.similarity).__name__} and {type(mlp.similarity).__name__}"
        raise ValueError(f"pretraining: expected GMF and MLP, got {got}")
    for side in ("user", "item"):
        expected, got = len(getattr(gmf, side)), len(getattr(mlp, side))
        if expected != got:
            raise ValueError(f"pretraining: expected an MLP of {expected} {side}s, as GMF, got {got}")
