"""The kinds of run: what is different about each. The engine (experiments/engine) does what they share."""
