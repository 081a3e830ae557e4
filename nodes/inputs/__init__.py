"""Checks and forms of inputs that nodes of several topics share."""
