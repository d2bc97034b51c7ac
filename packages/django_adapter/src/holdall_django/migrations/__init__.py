"""How the table came to be as it is."""
