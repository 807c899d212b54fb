"""Repairs: what can be mended on a box, each a pure value with the script that does it."""
