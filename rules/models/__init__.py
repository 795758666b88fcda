"""Scores and values that are fitted to data: pure functions over columns, one number per person.

Nothing here reads a store, asks a clock, draws at random or depends on the order of rows. Nothing else of
segsync may import these modules when it starts: `clv` loads SciPy.
"""
