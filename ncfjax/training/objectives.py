"""Objectives, as gradients: logistic ones for implicit feedback, and the squared error of ratings.

Logistic loss l(s) = log(1 + exp(-s)), n_u positives of user u, each of weight c_ui (one, unless pairs have strengths),
m negatives per positive, each of weight w:

    sampled     sum over positives (u, i) of  c_ui l(s_ui) + w sum over m uniform items j of l(-s_uj)
    expected    sum over positives (u, i) of  c_ui l(s_ui) + w m / |I| sum over all items j of l(-s_uj)

A strength says how sure the positive is; it tells nothing of the items that are drawn beside it. So it does not weigh
the negatives, and n_u stays the number of positives.

`sampled` is the study's algorithm. `expected` is its mean over the negatives, without their noise, as dense products
over a block of users.
The negatives are uniform over all items, may repeat and may be positives, as in the study (Rendle et al., RecSys
2020, arXiv:2005.09683). With `reject_positives`, as in the code of NCF (He et al., WWW 2017), they are uniform over the
items that the user has not in training, which is another objective:

    expected    sum over positives (u, i) of  c_ui l(s_ui) + w m / (|I| - n_u) sum over all other items j of l(-s_uj)

Each example also pays the penalty  regularization / 2 * (|p|^2 + |q|^2 + b^2)  for what it touches, biases included,
times its weight; it is summed and not averaged. A similarity's own parameters share it unless they are not
regularised (`regularize_weights`); the biases that vectors hold, and a similarity's own parameters, may each have
another strength (`Penalty`). The gradient is simultaneous, where the authors' script lets the item see the already
updated user (a NumPy view).

A step of `expected` takes a user's whole history at once. The logistic loss bends by at most 1/4 along its score, so
that the examples of user u bend the objective along the user's bias by at most a quarter of their weights' sum

    c_u = (sum over positives of c_ui + w m n_u) / 4        without strengths (1 + w m) n_u / 4

and along the global bias by the sum of that over the block. A gradient step of size lr overshoots a minimum of
curvature c, and leaves it for good, once lr c > 2: at the study's rates from 445 positives on. `damped` divides the two
coordinates by 1 + lr c, which keeps the step below that whatever the history, and moves no minimum. It is a bound, so
they go slower than they could. Factors are not damped: at 192 dimensions that cost 0.003 of NDCG@10.

Of ratings y, each of which is one example:

    squared     sum over rated pairs (u, i) of  1/2 (s_ui - y_ui)^2

with the same penalty. Along a bias the curvature
is 1 per rating, exactly: the sum over a batch of 256 would overshoot along the global bias from a rate of 0.008 on, and
is damped likewise.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ncfjax.models.products import matrix_product
from ncfjax.models.similarity import Similarity
from ncfjax.models.tables import Layout


class Penalty(NamedTuple):
    """`regularization` of what an example touches, part by part."""

    vectors: Float[Array, ""]
    biases: Float[Array, ""]  # the entries of vectors that are biases
    weights: Float[Array, ""]  # the similarity's own parameters, unless they are not regularised

    def of_entries(self, similarity: Similarity, dim: int) -> Float[Array, "#dim"]:
        """For each entry of a vector."""
        if not similarity.holds_biases:
            return jnp.reshape(self.vectors, 1)
        return jnp.where(jnp.arange(dim) == dim - 1, self.biases, self.vectors)


class Gradient(NamedTuple):
    """Gradient with respect to the vectors of a batch and to the similarity's own parameters."""

    user: Float[Array, "batch dim"]
    item: Float[Array, "rows dim"]
    similarity: Similarity
    bias_curvature: Float[Array, " batch"] | None = None  # c_u, where a step may overshoot along biases


def sampled_gradient(
    similarity: Similarity,
    p: Float[Array, "batch dim"],
    q: Float[Array, "batch examples dim"],
    label: Bool[Array, "#batch examples"],
    valid: Bool[Array, " batch"],
    negative_weight: Float[Array, ""],
    penalty: Penalty,
    positive_weight: Float[Array, "batch 1"] | float = 1.0,
) -> Gradient:
    """Gradient of the sampled objective on some examples of each user of a batch; `label` says which are positives.

    The examples of a user that is not `valid` count nothing. The items' part is flat: batch * examples rows.
    """
    weight = jnp.where(label, positive_weight, negative_weight) * valid[:, None]
    scores, pull_back = jax.vjp(lambda similarity, p, q: similarity(p[:, None, :], q), similarity, p, q)
    weights, user, item = pull_back(weight * (jax.nn.sigmoid(scores) - label))
    of_entries = penalty.of_entries(similarity, p.shape[-1])
    user += of_entries[None, :] * jnp.sum(weight, axis=1, keepdims=True) * p
    item += of_entries[None, None, :] * weight[..., None] * q
    weights = _penalized(weights, similarity, penalty.weights * jnp.sum(weight))
    return Gradient(user, item.reshape(-1, item.shape[-1]), weights)


def expected_gradient(
    similarity: Similarity,
    p: Float[Array, "batch dim"],
    q: Float[Array, "items dim"],
    positives: Bool[Array, "batch items"],
    count: Int[Array, " batch"],
    negatives_per_positive: Float[Array, ""],
    penalty: Penalty,
    reject_positives: bool = False,
    positive_weight: Float[Array, "batch items"] | None = None,
    layout: Layout | None = None,
) -> Gradient:
    """Gradient of the expected objective on a block of users with all their `positives`, and on every item.

    `count` is n_u, their number; `negatives_per_positive` is w * m. A user without positives counts nothing.
    `positive_weight` is c_ui, zero where there is no positive; None is one for all of them, which is cheaper.
    Of `layout`: how many rows of `q` are items, and where they are (tables.py); None is all of them, on one device.
    """
    num_rows = positives.shape[1]
    layout = Layout(num_rows) if layout is None else layout
    num_items = layout.num_items
    candidates = jnp.maximum(num_items - count, 1) if reject_positives else num_items
    weight = negatives_per_positive * count / candidates  # of every candidate item as a negative of u
    scores, pull_back = jax.vjp(layout.all_pairs, similarity, p, q)
    as_negative = weight[:, None] * jax.nn.sigmoid(scores)
    if num_items < num_rows:
        as_negative = jnp.where((jnp.arange(num_rows) < num_items)[None, :], as_negative, 0.0)
    as_positive = jax.nn.sigmoid(scores) - 1.0
    if positive_weight is not None:
        as_positive *= positive_weight
    weights, user, item = pull_back(
        jnp.where(positives, as_positive if reject_positives else as_negative + as_positive, as_negative)
    )
    if positive_weight is None:
        examples, item_positives = (1.0 + negatives_per_positive) * count, jnp.sum(positives, axis=0)
    else:
        examples = jnp.sum(positive_weight, axis=1) + negatives_per_positive * count
        item_positives = jnp.sum(positive_weight, axis=0)
    by_item = matrix_product(weight, (~positives).astype(weight.dtype)) if reject_positives else jnp.sum(weight)
    item_examples = item_positives + by_item
    of_entries = penalty.of_entries(similarity, p.shape[-1])
    user += of_entries[None, :] * examples[:, None] * p
    item += of_entries[None, :] * item_examples[:, None] * q
    weights = _penalized(weights, similarity, penalty.weights * jnp.sum(examples))
    return Gradient(user, item, weights, examples / 4)


def squared_gradient(
    similarity: Similarity,
    p: Float[Array, "batch dim"],
    q: Float[Array, "batch dim"],
    y: Float[Array, " batch"],
    valid: Bool[Array, " batch"],
    penalty: Penalty,
) -> Gradient:
    """Gradient of the squared error on a batch of ratings; one that is not `valid` counts nothing."""
    scores, pull_back = jax.vjp(lambda similarity, p, q: similarity(p, q), similarity, p, q)
    weights, user, item = pull_back((scores - y) * valid)
    of_entries = valid[:, None] * penalty.of_entries(similarity, p.shape[-1])[None, :]
    weights = _penalized(weights, similarity, penalty.weights * jnp.sum(valid))
    return Gradient(user + of_entries * p, item + of_entries * q, weights, valid.astype(p.dtype))


def damped(
    gradient: Gradient, learning_rate: Float[Array, ""], weights_rate: Float[Array, ""] | float = 1.0
) -> Gradient:
    """The gradient for a plain step of size `learning_rate`, its biases divided by 1 + learning_rate * curvature.

    The global bias moves by `weights_rate` times that size.
    """
    if gradient.bias_curvature is None:
        return gradient
    per_user = 1.0 + learning_rate * gradient.bias_curvature
    total = 1.0 + learning_rate * weights_rate * jnp.sum(gradient.bias_curvature)
    user, similarity = gradient.user, jax.tree.map(lambda g: g, gradient.similarity)  # a copy: modules are values here
    if similarity.holds_biases:
        is_bias = jnp.arange(user.shape[-1]) == user.shape[-1] - 1
        user /= jnp.where(is_bias, per_user[:, None], 1.0)
    if similarity.global_bias is not None:
        similarity.global_bias[...] /= total
    return gradient._replace(user=user, similarity=similarity)


def _penalized(gradient: Similarity, similarity: Similarity, strength: Float[Array, ""]) -> Similarity:
    if not similarity.regularize_weights:
        return gradient
    return jax.tree.map(lambda g, x: g + strength * x, gradient, similarity)
