"""Checking a hierarchy and repairing what can be repaired: `exzarr.check`, `exzarr.repair`.

`findings`     what can be wrong, each with a code; `report` what a check gives
`checking`     the check: nodes first, then the chunks of each array, then what they are to one another
`entries`      everything that lies under a prefix, streamed, exzarr's own files included
`documents` `nodes`   metadata documents, and the nodes that they make
`chunks` `shards` `look`   the chunks of one array, many at once
`leftovers` `consolidated` `dimensions`   temporary files, consolidated metadata, shared dimensions
`again`        every suspicion is looked at again before it is reported: others may be writing
`plan` `repair` `quarantine` `salvage`   what to do about it, and doing it
"""
