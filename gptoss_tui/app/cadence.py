"""How often the app asks what no stream tells, in seconds: who shows it must know when it is old."""

from __future__ import annotations

INSTANCES_S = 4.0
BOX_S = 0.2  # how often to look whether a box is there: it comes and goes with its link
LISTED_S = 3 * INSTANCES_S  # a list of servers is old after two that did not come
LOOKED_S = 60.0  # so long a look at a whole box is as good as a new one
