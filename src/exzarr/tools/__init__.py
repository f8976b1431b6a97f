"""What is done with whole arrays and hierarchies: copying, rechunking, converting."""
