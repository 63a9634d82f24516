"""The gallery on disk, the shortlist, the rerank, and the search that joins them.

- Building: `build` → `embedding` (`loading`, `shards`) → `assembly`, which writes `arrays`, `items`, shortlists and the
  `manifest` with what was found (`findings`). `room` refuses what has no room.
- Gaussians as they are stored: `storage`, chosen by `storage_choice`, measured by `storage_error`.
- Shortlists: the kinds in `shortlist`, each of which meets `shortlist_contract`, over `points`. `shortlist_choice`
  picks a kind before work starts; `shortlist_tuning` picks space, effort and size, and `shortlist_loss` measures.
- Searching: `gallery` opens what was built; `retriever` takes the shortlist, or all items (`exhaustive`), then `rerank`
  and `no_match`. `ranking` has the values that all of them share.
"""
