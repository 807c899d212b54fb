"""Pure facts, parsers and plans: no I/O, no clock, no terminal."""
