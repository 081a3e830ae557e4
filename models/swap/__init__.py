"""A character put in place of a person by any generator: its reference framed, its chunks matched and joined."""
