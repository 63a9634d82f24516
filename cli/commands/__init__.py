"""What each command of `penumbra` takes, and its help.

Whatever is asked, these modules are imported, so they import nothing that takes time. What does the work is a module of
`cli` of its own, with torch, faiss and all that it needs; the function of a command imports it when it is called.
"""
