"""python -m benchmarks.largest_cell: peak memory of Figure 3's largest cell, 128k users at d=128 and [1024, 512, 256].

Its pairs are drawn whole, an epoch is put in order whole, and a few hundred of its 45,000 steps are taken; then the
network is measured on all held-out and fresh pairs. What is printed is the most that the process ever held, in GB of
10^9 bytes, Python and JAX included; the exit code is 1 where that is more than BAR_GB.
"""

import sys
from functools import partial

import jax

from benchmarks.turns import peak_gb
from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.training.blocks import Block, State
from ncfjax.training.imitation import ImitationSpec, RegressionPairs, imitation_step
from ncfjax.training.imitation_problem import ImitationMember, ImitationProblem
from ncfjax.training.imitation_task import dot_source
from ncfjax.training.program import Program
from ncfjax.training.sampling import feistel_permutation

BAR_GB = 2.0
NUM_STEPS = 200
RATE = 0.001
OPTIONS = DotPairOptions(num_users=128_000, embedding_dim=128)
SPEC = ImitationSpec(embedding_dim=128, layers=(1024, 512, 256), batch_size=256, num_epochs=32)


@partial(jax.jit, donate_argnames="train_state")
def few_steps(groups: RegressionPairs, train_state, batches):
    """Some steps on the only group."""
    pairs = jax.tree.map(lambda x: x[0], groups)

    def step(train_state, batch):
        return imitation_step(pairs, RATE, train_state, batch), None

    return jax.lax.scan(step, train_state, batches)[0]


def main() -> int:
    source = dot_source(OPTIONS)
    program = Program(ImitationProblem(source, SPEC), Block([[ImitationMember(RATE, seed=0)]], 1))
    state = program.init()
    train_state = jax.tree.map(lambda x: x[0, 0], state.train_states)
    order = jax.jit(lambda key: feistel_permutation(key, source.sizes.num_train, SPEC.batch_size))(jax.random.key(0))
    train_state = few_steps(program.data.training, train_state, order[:NUM_STEPS])
    test, fresh = program.evaluate(State(jax.tree.map(lambda x: x[None, None], train_state), 1))
    steps = f"{NUM_STEPS} of {-(-source.sizes.num_train // SPEC.batch_size):,} steps"
    print(f"{steps}: test RMSE {test.model[0]:.4f}, fresh {fresh.model[0]:.4f} (dot product {fresh.teacher[0]:.4f}); "
          f"peak memory {peak_gb():.2f} GB, bar {BAR_GB:g} GB")  # fmt: skip
    return int(peak_gb() > BAR_GB)


if __name__ == "__main__":
    sys.exit(main())
