"""Write streams: parallel writing with backpressure."""
