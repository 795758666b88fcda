"""Clusterings over the lake: clusters are found now and then, a person decides about them, every run says who
is in which.

What is computed is in `rules.models.clusters`; here stands whose values go in, what is kept, and what people
decided. Nothing is a fact before somebody has accepted it.
"""
