"""One search: the shortlist, or all items, then match probabilities, the cut, the items.

`contract` is all that a search knows of a gallery, wherever it lies. `retriever` joins the steps: `rerank` computes the
probabilities, `no_match` says why nothing is an answer, `uncertainty` has the σ of each item and its place among all,
`projection` draws the answers in a plane.
"""
