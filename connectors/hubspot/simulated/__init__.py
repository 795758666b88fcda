"""What the simulated HubSpot is made of: records, the lagging search index, properties, lists, routes."""
