"""Well-tuned simple methods: `fit_*` -> a scorer that ranking takes as it takes a model."""
