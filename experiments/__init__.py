"""Entry points: configuration, clocks, progress and files live here and nowhere below."""
