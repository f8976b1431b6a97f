"""Arrays larger than memory: chunk by chunk, slice by slice, batch by batch."""
