"""Make one hierarchy equal to another by copying what differs: `exzarr.sync`.

`sync`          the nodes in order: chunks, documents, consolidated metadata, deletions
`plan`          which nodes to create, change, replace and delete; reads metadata only
`chunks`        the chunks of one array: find those that differ, and copy them
`inventory`     what the target has stored of one array, in bounded memory
`proof`         which versions of two values prove that they are equal
`documents`     the metadata documents of one node
`consolidated`  consolidated metadata of the target
`target`        the place to make equal
`report`        the result
"""
