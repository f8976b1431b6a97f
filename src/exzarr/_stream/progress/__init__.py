"""Progress bars and callbacks."""
