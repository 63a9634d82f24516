"""One module for each layout of a collection on disk; `corpus.read` chooses between them."""
