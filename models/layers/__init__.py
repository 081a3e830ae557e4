"""A clip taken apart into scene, person and what passes before them, and put together again."""
