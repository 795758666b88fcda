"""Models over the lake: fitted now and then, kept as JSON, and asked for everybody's facts by every run.

What they compute is in `rules.models`; here stands which rows go in, when they are made anew, and where the
results lie. Nothing here loads NumPy when it is imported, except the models themselves.
"""
