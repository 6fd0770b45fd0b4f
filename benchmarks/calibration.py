"""python -m benchmarks.calibration: how often the pairwise rule finds a difference between equal models, simulated.

Mean squares are drawn from their chi-squared distributions and differences from the normal one, as they are for
thousands of users. The users' part of the variance of the difference is 1; the parts of the seeds are given by it.
"""

import numpy as np

from ncfjax.evaluation.significance import RunVariance, p_of_t, standard_error

NUM_SIMULATED = 2_000_000
NUM_USERS = 6_040
LEVELS = (0.05, 0.05 / 66)  # alone; the first step of Holm's correction among 66 pairs
NUM_RUNS = ((2, 2), (4, 4), (8, 8), (4, 1), (8, 4))
SEED_SHARES = (0.0, 0.3, 1.0, 3.0)
NOISE_SHARE = 0.2  # of each model, as between a dot product and an MLP on MovieLens-1M


def false_alarms(
    num_runs: tuple[int, int], seed_share: float, noise_share: float, level: float, num_simulated: int = NUM_SIMULATED
) -> float:
    """How often equal models have p < level, by `level`.

    Args:
        seed_share: the part of the seeds of both models together.
        noise_share: the noise of single users in single runs, which is part of the users' variance and reaches the mean
            square of each model's runs as well.
    """
    rng = np.random.default_rng(0)
    several = [n for n in num_runs if n > 1]
    per_model = seed_share / len(several)
    draws = [(per_model + noise_share) * rng.chisquare(n - 1, num_simulated) / (n - 1) for n in several]
    runs = [RunVariance(draw, noise_share, n) for draw, n in zip(draws, several, strict=True)]
    error, freedom = standard_error(1.0, NUM_USERS, runs)
    difference = rng.normal(0.0, np.sqrt(1.0 + seed_share), num_simulated)
    return float(np.mean(p_of_t(difference, error, freedom) < level) / level)


def main() -> None:
    heads = [f"seeds {share:g}" for share in SEED_SHARES]
    print(f"| runs | {' | '.join(heads)} |\n| --- |{' --- |' * len(heads)}")
    for num_runs in NUM_RUNS:
        cells = []
        for share in SEED_SHARES:
            rates = [false_alarms(num_runs, share, NOISE_SHARE, level) for level in LEVELS]
            cells.append("; ".join(f"{rate:.2f}" for rate in rates))
        print(f"| {num_runs[0]} and {num_runs[1]} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
