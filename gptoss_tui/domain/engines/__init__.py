"""The engines, one file each behind one seam (`base.Engine`)."""
