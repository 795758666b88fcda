"""A campaign of runs that ask few people, each held against asking everybody: pulls, edits, merges, time."""
