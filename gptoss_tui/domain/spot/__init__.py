"""Boxes that their provider may take back: which clouds say so on the box, and what to do then.

`docs/lifecycle.md` tells users of it.
"""
