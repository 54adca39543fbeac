"""What is measured: a checkpoint directory, its shape, and synthetic ones with random weights."""
