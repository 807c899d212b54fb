"""The planner: what the engine will say after the launch, said before it. Pure functions.

Sizes are GiB (1024³ bytes) where a name ends in `_gib`, bytes where it ends in `_bytes`.
"""
