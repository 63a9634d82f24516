"""The gallery on disk, the shortlist, the rerank, the search that joins them, and the changes.

A folder imports only those below it, in this order; `layers` in pyproject.toml holds them to it.

- `lifecycle`: a gallery opened wherever it lies, changed while it is searched, verified, described, published.
- `building`: a corpus embedded into a gallery, or into additions to one, and a changed gallery built anew.
- `exploring`: what a gallery shows beyond answers: uncertainties, less vague texts, an audit.
- `milvus`: a gallery that lies in Milvus.
- `local`: a gallery that lies in a folder on this machine.
- `searching`: one search, and the contract by which it knows a gallery.
- `filters`: what a search may ask of metadata, and which rows that lets through.
- `files`: what a gallery's folder holds.
- `changes`: what a change is, and how it is recorded.
- `shortlists`: which items are worth a closer look. A new kind of shortlist is added there.
- `gaussians`: the Gaussians of a modality as they are stored, and all of them compared.

Used by many: `items` with their `fields`, `ranking` and `allowed` for rows; `processes`, `threads`, `room` and
`giving_up` for the machine and who waits.
"""
