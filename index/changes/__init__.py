"""What a change of a gallery is, and how it is recorded.

`change` checks what goes and what comes, `journal` keeps it on disk, `catalogue` says which items there are after it.
`lock` lets one process at a time change a gallery. `index.lifecycle.living` makes changes of all this.
"""
