"""Training: objectives, the loop that descends them, and the grid that runs many members of it in one program."""
