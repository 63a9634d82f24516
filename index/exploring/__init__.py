"""What a gallery shows beyond the answers to a query.

`histogram` has the uncertainties of its items, `more_specific` the texts that say the same less vaguely, and `audit`
what is odd: `mismatches` of images and their captions, and `hubs` that answer too many queries.
"""
