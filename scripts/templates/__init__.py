"""Builds the templates of the page from API workflows and descriptions of their layout."""
