"""Clusters of people who are alike: fitted on one day's people, frozen, applied until they are fitted anew.

`scaling` makes numbers that distances mean something in, `centres` finds clusters and assigns people,
`choice` finds out how many clusters hold, `identity` keeps ids over refits and people from flickering,
`naming` says what sets a cluster apart, `distilling` turns one into a rule to read. All of it comes out the
same for the same seed and people; rows stand in the order of person ids, for what is drawn goes by place.
"""
