"""What went wrong: from an engine's log or Docker's words to a cause, its evidence and a fix."""
