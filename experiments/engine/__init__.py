"""A study, whatever it trains, from the configurations of its jobs to the table at the end. Knows no task, no model."""
