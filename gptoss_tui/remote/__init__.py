"""Everything that crosses to a box: the seam, and what is behind it. Draws nothing."""
