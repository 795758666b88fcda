"""Who the people of a segment are, beside everybody: as numbers, as sentences, as a page to print.

Tells of groups alone: nothing of fewer than 30 people, and no field that names or reaches a person.
`columns` says what may be told, `figures` counts it in DuckDB, `profile` puts it together, `persona` says it
in a sentence, `charts` and `page` draw it.
"""
