"""What a gallery's folder holds.

`manifest` says what is there, how it was built, and with which `findings`; `arrays` are the Gaussians as files,
`shards` what an unfinished build has of them. `index.items` are in SQLite; the shortlists' files are faiss's.
"""
