"""python -m benchmarks.catalogue [METHOD]: baselines on a catalogue of more items than its square can hold.

A generated set of 3,000 users, 34,000 items and 85,000 interactions, whose items are drawn by 1 / rank and whose users
differ in how much they have (lognormal, sigma 1). Every fit has a process of its own, for its peak memory: the most
that it ever held, less what it held when all was imported and the data were drawn. EASE takes minutes.
"""

import subprocess
import sys

import jax
import numpy as np

from benchmarks.turns import Line, duration, peak_gb, seconds, show
from experiments.engine import device
from ncfjax.baselines.methods import fit_of
from ncfjax.data.interactions import Interactions, sorted_distinct

USERS, ITEMS, INTERACTIONS = 3_000, 34_000, 85_000
# What a fit is given, and the bars: seconds, GB.
FITS = {
    "item_knn": ({"num_neighbors": 50, "shrinkage": 0.0}, 10, 1),
    "user_knn": ({"num_neighbors": 50, "shrinkage": 0.0}, None, None),
    "slim": ({"l1": 1.0, "l2": 500.0, "num_sweeps": 5}, 120, 2),
    "ease": ({"regularization": 100.0}, None, 1.3 * 4e-9 * ITEMS**2),
}


def catalogue() -> Interactions:
    """The generated set."""
    rng = np.random.default_rng(0)
    of_items, of_users = 1.0 / np.arange(1, ITEMS + 1), np.exp(rng.normal(size=USERS))
    keys = np.zeros(0, np.int64)
    while len(keys) < INTERACTIONS:
        users = rng.choice(USERS, INTERACTIONS, p=of_users / of_users.sum()).astype(np.int64)
        items = rng.choice(ITEMS, INTERACTIONS, p=of_items / of_items.sum())
        keys = sorted_distinct(np.concatenate([keys, users * ITEMS + items]))
    keys = rng.permutation(keys)[:INTERACTIONS]
    return Interactions(keys // ITEMS, keys % ITEMS, USERS, ITEMS)


def fitted(name: str) -> tuple[float, float]:
    """Seconds, the first compilations included, and GB of one fit in this process."""
    device.prepare()
    train, fit = catalogue(), fit_of(name)
    jax.block_until_ready(jax.numpy.zeros(1) + 1)
    before = peak_gb()
    taken = seconds(lambda: jax.tree.leaves(fit(train, **FITS[name][0])))
    return taken, peak_gb() - before


def lines():
    for name, (given, most_seconds, most_gb) in FITS.items():
        said = subprocess.run(
            [sys.executable, "-m", "benchmarks.catalogue", name], capture_output=True, text=True, check=True
        )
        taken, held = map(float, said.stdout.split()[-2:])
        bars = ((taken, most_seconds, "s"), (held, most_gb, "GB"))
        met = [number <= most for number, most, _ in bars if most is not None]
        bar = ", ".join(f"<= {most:.3g} {unit}" for _, most, unit in bars if most is not None)
        what = f"{name} of {ITEMS:,} items, " + ", ".join(f"{key} {value:g}" for key, value in given.items())
        yield Line(what, f"{duration(taken)}, {held:.2f} GB", bar, all(met) if met else None)


def main() -> None:
    if len(sys.argv) > 1:
        print(*fitted(sys.argv[1]))
    else:
        show(lines())


if __name__ == "__main__":
    main()
