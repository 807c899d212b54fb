"""Readers of what tools and servers print. None of them raises on odd text."""
