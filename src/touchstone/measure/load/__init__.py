"""Offering load to a server: the schedule, the bytes, the client that plays them."""
