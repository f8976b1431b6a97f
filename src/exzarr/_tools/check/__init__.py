"""Check a hierarchy and repair it: `exzarr.check` and `exzarr.repair`.

`findings`     the kinds of findings, each with a code; `report` is the result of a check
`checking`     the check: nodes first, then the chunks of each array, then the relations between nodes
`entries`      a stream of all entries under a prefix, including exzarr's own files
`documents` `nodes`   metadata documents, and the nodes that they define
`chunks` `shards` `inspect`   the chunks of one array, checked concurrently
`leftovers` `consolidated` `dimensions`   temporary files, consolidated metadata, shared dimensions
`pyramids`     levels that are missing, or contradict the metadata of their pyramid
`confirm`      inspects every suspicion again before it is reported, because other processes may be writing
`stored_intents` `recovery`   write intents of processes that died, and how a repair finishes or undoes them
`plan` `repair` `quarantine` `salvage`   plan a repair, and carry it out
"""
