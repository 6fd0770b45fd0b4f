"""What a score costs: parameters, multiplications and floating-point operations, counted in the traced program.

Nothing is allocated: `jax.make_jaxpr` traces a similarity on shapes, and every operation on floats is counted, however
the similarity is written. A product of [n, d] and [d, m] has n d m multiplications and 2 n d m operations, as XLA
counts it too; an addition, a maximum or a multiplication by a weight is one each, and so is a sigmoid. What only moves
numbers costs nothing here, and it is time that `benchmarks` measure: a count is no time.

The internship report counts 100 multiplications for its dot product and 12,651 for its NeuMF, "125 times":

    (100 + 1) * 100 + (100 + 1) * 25 + (25 + 1) * 1 = 12,651

It counts biases as multiplications (100 + 25 + 1 of them, which are additions) and leaves the GMF branch out (50
products, 50 weights, and a sigmoid). It counts the first layer anew for each rating, though its half of a user is the
same for all items and its half of an item the same for all users: 10,000 of 12,625 multiplications fall away where a
user meets a whole catalogue. One of the dot product's 100 is the item's bias, times the one that stands in its place.
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ncfjax.models.similarity import Similarity

# The internship report's size of embeddings, layers, and multiplications per rating, as it counts them.
REPORT_EMBEDDING_DIM = 100
REPORT_LAYERS = (100, 100, 25)
REPORT_MULTIPLICATIONS = {"dot": 100, "neumf": 12_651}

MULTIPLICATIONS = {"mul", "div", "square", "integer_pow"}
ADDITIONS = {"add", "add_any", "sub", "neg", "max", "min", "abs", "sign"}
FUNCTIONS = {"exp", "exp2", "log", "log1p", "expm1", "tanh", "logistic", "sqrt", "rsqrt", "erf", "pow", "acosh"}
REDUCTIONS = {"reduce_sum", "reduce_max", "reduce_min"}


class Work(NamedTuple):
    """Operations on floats; multiplications are among the `flops`."""

    multiplications: int
    flops: int


class Cost(NamedTuple):
    """Of a similarity over a catalogue of `num_items`.

    `per_query` is a user against all items, with what is linear in p or q computed once (`all_pairs`); `per_catalogue`
    is what that computes once for the items, however many users ask. `per_query_by_pairs` scores pair by pair instead,
    the whole first layer each time.
    """

    num_parameters: int  # of the similarity alone
    per_score: Work
    per_query: Work
    per_query_by_pairs: Work
    per_catalogue: Work


def cost(similarity: Similarity, embedding_dim: int, num_items: int) -> Cost:
    """Of a similarity, which may be abstract (`abstract_similarity`)."""
    per_score = _of_pair(similarity, embedding_dim)
    one, two = (_of_all_pairs(similarity, embedding_dim, num_users, num_items) for num_users in (1, 2))
    per_query = Work(*(b - a for a, b in zip(one, two, strict=True)))
    per_catalogue = Work(*(a - b for a, b in zip(one, per_query, strict=True)))
    return Cost(_size(similarity), per_score, per_query, _times(per_score, num_items), per_catalogue)


def num_parameters(similarity: Similarity, embedding_dim: int, num_users: int, num_items: int) -> int:
    """Of a recommender: two tables of vectors and the similarity."""
    return (num_users + num_items) * embedding_dim + _size(similarity)


def work(function: Callable, *arguments: Any) -> Work:
    """Of a call; the arguments may be abstract.

    Raises:
        NotImplementedError: a loop whose length is not known before it runs, or a branch.
    """
    return _of_jaxpr(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of_pair(similarity: Similarity, embedding_dim: int) -> Work:
    vector = jax.ShapeDtypeStruct((embedding_dim,), jnp.float32)
    return work(lambda similarity, p, q: similarity(p, q), similarity, vector, vector)


def _of_all_pairs(similarity: Similarity, embedding_dim: int, num_users: int, num_items: int) -> Work:
    p, q = (jax.ShapeDtypeStruct((n, embedding_dim), jnp.float32) for n in (num_users, num_items))
    return work(lambda similarity, p, q: similarity.all_pairs(p, q), similarity, p, q)


def _size(similarity: Similarity) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(similarity))


def _times(work: Work, times: int) -> Work:
    return Work(times * work.multiplications, times * work.flops)


def _of_jaxpr(jaxpr, varies: list[bool] | None = None) -> Work:
    """Of the equations that depend on what varies, the arguments of the call: constants are computed once."""
    varying = {var for var, is_in in zip(jaxpr.invars, varies or [True] * len(jaxpr.invars), strict=True) if is_in}
    total = Work(0, 0)
    for equation in jaxpr.eqns:
        inputs = [not hasattr(var, "val") and var in varying for var in equation.invars]
        if any(inputs):
            varying.update(equation.outvars)
            part = _of_equation(equation, inputs)
            total = Work(*(a + b for a, b in zip(total, part, strict=True)))
    return total


def _of_equation(equation, varies: list[bool]) -> Work:
    name, params = equation.primitive.name, equation.params
    if name == "scan":
        return _times(_of_jaxpr(params["jaxpr"].jaxpr), params["length"])
    if name in ("while", "cond"):
        raise NotImplementedError(f"cost: expected loops of known length and no branches, got {name}")
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if key in params:
            devices = params["mesh"].size if name == "shard_map" else 1  # each of which does the same for its part
            return _times(_of_jaxpr(getattr(params[key], "jaxpr", params[key]), varies), devices)
    result = equation.outvars[0].aval
    if not jnp.issubdtype(result.dtype, jnp.floating):
        return Work(0, 0)
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        products = result.size * prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        return Work(products, 2 * products)
    if name in MULTIPLICATIONS:
        return Work(result.size, result.size)
    if name in REDUCTIONS:
        return Work(0, equation.invars[0].aval.size - result.size)
    return Work(0, result.size if name in ADDITIONS | FUNCTIONS else 0)
