"""The objective by its gradient, over all ratings at once: for small tables, and to see that solutions are right.

    theta <- theta - rate * dJ/dtheta        and X, or both together

Large tables are trained in batches, by `ncfjax.training`.
"""

from functools import partial

import jax
import optax
from jaxtyping import Array, Float

from ncfjax.ratings.model import RatingModel
from ncfjax.ratings.objective import Penalty, RatedPairs, objective


@partial(jax.jit, static_argnames=("learned", "optimizer", "num_steps"))
def descend(
    start: RatingModel,
    learned: tuple[str, ...],
    pairs: RatedPairs,
    penalty: Penalty,
    *,
    optimizer: optax.GradientTransformation,
    num_steps: int,
) -> tuple[RatingModel, Float[Array, " steps"]]:
    """The model after `num_steps` on its `learned` fields, and the objective before each step."""

    def loss(fields):
        return objective(start._replace(**fields), pairs, penalty)

    def step(carry, _):
        fields, state = carry
        value, gradient = jax.value_and_grad(loss)(fields)
        updates, state = optimizer.update(gradient, state, fields, value=value, grad=gradient, value_fn=loss)
        return (optax.apply_updates(fields, updates), state), value

    optimizer = optax.with_extra_args_support(optimizer)
    fields = {name: getattr(start, name) for name in learned}
    (fields, _), losses = jax.lax.scan(step, (fields, optimizer.init(fields)), length=num_steps)
    return start._replace(**fields), losses
