"""A model that grades the answers of others: what it is sent, what is read from its reply, and how far it agrees."""
