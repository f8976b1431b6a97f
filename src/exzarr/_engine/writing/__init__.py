"""Write arrays into stored chunks."""
