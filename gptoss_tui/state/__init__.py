"""Our own files on the user's machine: where they are, and how they are read and written."""
