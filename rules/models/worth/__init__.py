"""What segments are worth: pure functions over columns and sets of people.

They judge and propose; nothing is merged or split by itself.
"""
