"""What is wrong, judged from the store, and told once per change of state. Never a name or an address."""
