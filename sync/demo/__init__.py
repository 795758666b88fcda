"""The demo: real purchase histories, made-up people, no account anywhere."""
