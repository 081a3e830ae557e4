"""Attention over time, between modalities and inside motion modules. One idea a file.

temporal.py     each pixel attends to itself in the other frames (IDOL; one-shot)
cross_modal.py  the pixels of a video frame and of its depth attend to each other (IDOL)
"""
