"""What physics allows a run: what its model's work moves and does, what its devices can do at most, and the share of that which was reached."""
