"""Data: what was observed, what is held out, and how both are read, split and drawn."""
