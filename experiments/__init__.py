"""Entry points, and below them the command line, the engine, the kinds of run, analysis and figures."""
