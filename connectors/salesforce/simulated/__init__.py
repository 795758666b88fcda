"""The simulated org: its objects, records, rules, queries and bulk jobs. No HTTP here."""
