"""The gallery on disk, the shortlist, the rerank, and the search that joins them."""
