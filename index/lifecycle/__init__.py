"""A gallery as a whole, after it was built.

`opening` opens one wherever it lies. `living` is the right to change one in a folder while it is searched. `verify`
(`verify_contents`) finds what is damaged, `describe` says what a person wants to know, `publish` puts one in the place
of another.
"""
