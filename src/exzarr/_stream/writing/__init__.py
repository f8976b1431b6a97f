"""Write streams: write the items of a producer in threads, with backpressure."""
