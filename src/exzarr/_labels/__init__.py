"""From labels to positions: sorted coordinates, times in CF units, and dates that name a period. Pure functions."""
