"""A gallery that lies in a folder on this machine.

`gallery` is what is there at one moment, and meets `index.searching.contract`. Each modality is an `overlay` of changes
over a `shelf` of what was built. `index.lifecycle.living` changes it.
"""
