"""The benchmark: `python -m tests.bench`. What is measured, and how, is said in each file."""
