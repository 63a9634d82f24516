"""What a search may ask of its answers' metadata.

`conditions` says what a filter means, `form` how it is written in JSON. Which rows it lets through: `field_index` knows
it of what was built, `filtering` of that and what has changed since.
"""
