"""The parts of the simulated Mailchimp: its state, its rules, the shapes of its answers."""
