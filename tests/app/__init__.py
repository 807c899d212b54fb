"""The Textual app, driven by its keys and read from its screen."""
