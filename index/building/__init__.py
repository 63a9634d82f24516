"""How a gallery comes to be.

`build` embeds a corpus, by one or several processes: `embedding` (with pictures from `loading`) gives shards, and
`assembly` puts them together into the gallery's files. `additions` embeds a corpus into a change of a gallery instead.
`compaction` assembles a changed gallery anew; nothing is embedded.
"""
