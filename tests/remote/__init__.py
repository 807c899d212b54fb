"""The remote layer against simulated boxes, over real SSH."""
