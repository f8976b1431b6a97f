"""Progress bars and progress callbacks."""
