"""Expression text → a tree with positions. No types, no vocabulary."""
