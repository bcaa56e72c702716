"""One lesson for each of the five pages: its claims, shown by running what is built here.

`words` has texts in both languages; `claims` the 23 claims; `pages` how each page says them;
`memory`, `vanishing`, `exploding`, `cells`, `gates`, `comparing` and `wiring` how each claim is
explained and shown; `booklet` writes the pages.
"""
