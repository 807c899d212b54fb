"""The headless commands and the entry point."""
