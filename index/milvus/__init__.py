"""A gallery whose items lie in a collection of Milvus, so that any number of servers can answer with it.

- `connection` is the one module that imports pymilvus: every call has a time limit, is tried again where that is safe,
  and fails with `UnavailableError`.
- `record` is an item as the collection has it; `facts` is what filters find it by, and how a filter asks for that.
- `nearest` is the shortlist.
- `gallery` meets `index.searching.contract` for searches, `living` for changes.
- `upload` fills a collection with a gallery that was built as any other, and leaves the small folder that servers need.
"""
