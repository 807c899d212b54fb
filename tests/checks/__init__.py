"""Checks that fetch something and so are run by hand, before a release."""
