"""The character (MIMO): the picture that tells who acts, and the body that tells how."""
