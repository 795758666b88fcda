"""Faults put on purpose into simulators and connectors, so that every contract test is seen to fail.

One TOML file per platform: a mutant is a text of one file that is replaced by another, and the contract
tests that must fail with it. `python -m tests.connectors.mutants` tries them all, each in a private copy.
"""
