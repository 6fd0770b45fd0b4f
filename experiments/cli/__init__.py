"""A command line: its arguments parsed and checked, errors explained, jobs composed by Hydra, exit codes."""
