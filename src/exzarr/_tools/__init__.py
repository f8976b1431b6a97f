"""Operations on whole arrays and hierarchies: copy, convert, check, repair, checksum, virtualize."""
