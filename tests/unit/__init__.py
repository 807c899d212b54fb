"""The pure layers and our own files, one module at a time."""
