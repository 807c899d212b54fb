"""Pictures of widgets alone. Whole places are held by `python -m tests.screenshots --check`."""
