"""The Gaussians of a modality.

`storage` is how they lie on disk and come back; `storage_choice` picks the smallest that holds, by its `storage_error`.
`points` are the means as a shortlist searches them. `exhaustive` compares all of them, without a shortlist.
"""
