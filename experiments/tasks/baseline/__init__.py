"""Well-tuned simple methods: python -m experiments.baselines. The smallest task; begin a new one from it."""
