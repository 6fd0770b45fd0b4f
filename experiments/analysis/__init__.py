"""From the result tables to the numbers of each claim. Draws nothing, writes no text of the report."""
