"""The pictures of every place: `python -m tests.screenshots` draws them, `--check` compares them."""
