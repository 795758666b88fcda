"""State and rules of the simulated Klaviyo; `simulator.py` beside this folder speaks HTTP."""
