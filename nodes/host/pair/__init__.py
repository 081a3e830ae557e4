"""The pair on the host: cut, windowed, kept in part, told."""
