"""Everything that crosses to a box: the seam, and what is behind it. Draws nothing."""

import sys

# httpx loads its own command line with itself wherever click happens to be installed, and with it
# pygments: half of its start. Told that there is none, it does without, as it does without click.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
