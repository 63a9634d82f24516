"""The gallery on disk, the shortlist, the rerank, the search that joins them, and the changes.

- Building: `build`, by one or several `processes` → `embedding` (`loading`, `shards`) → `assembly`, which writes
  `arrays`, `items`, shortlists and the `manifest` with what was found (`findings`). `room` refuses what has no room.
  `verify` (`verify_contents`) checks what was written, `describe` says what it is, `publish` puts another in its place.
- Gaussians as they are stored: `storage`, chosen by `storage_choice`, measured by `storage_error`.
- Shortlists: the kinds in `shortlist`, each of which meets `shortlist_contract`, over `points`, among the rows that may
  answer (`allowed`). `shortlist_choice` picks a kind before work starts; `shortlist_tuning` picks space, effort and
  size, and `shortlist_loss` measures. A new kind is a class in `shortlist` and a line of `KINDS`.
- Searching: `gallery` is what is there at one moment; `retriever` takes the shortlist, or all items (`exhaustive`),
  then `rerank` and `no_match`. `ranking` has the values that all of them share.
- Exploring: `uncertainty` of an item and its place among all, `histogram`, `projection` into a plane, `more_specific`
  texts, and an `audit` of what is odd (`mismatches`, `hubs`).
- Filters: what they mean (`filters`, over `fields`), how they are written (`filter_form`), which rows they let through
  (`field_index` of what was built, `filtering` of that and what was added).
- Changes: `living` is the right to change a gallery (`lock`). A change (`changes`, made of a corpus by `additions`) is
  recorded in the `journal`, and gives a new state: one `overlay` a modality over a `shelf` of what was built, and the
  `catalogue` of items. `compaction` builds all of it anew.
- Elsewhere: `gallery_contract` is what searches and the service know of a gallery, `opening` opens one wherever it
  lies, at a `store_address` or in its folder; `milvus` has those that lie in Milvus.
"""
