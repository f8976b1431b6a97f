"""Operations on whole arrays and hierarchies: copy, convert, sync, diff, check, repair, checksum, virtualize."""
