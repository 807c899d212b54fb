"""The simulated box itself."""
