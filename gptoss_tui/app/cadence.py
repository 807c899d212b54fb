"""How often the app asks what no stream tells, in seconds: who shows it must know when it is old."""

from __future__ import annotations

INSTANCES_S = 4.0
