"""Widgets: pure functions of their reactives."""
