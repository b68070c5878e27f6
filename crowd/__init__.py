"""Pure crowd rules without any I/O: zones, ground, smoothing, levels, incidents."""
