"""Attention over time, between modalities and inside motion modules. One idea a file.

temporal.py     each pixel attends to itself in the other frames (IDOL; one-shot)
sparse_causal.py each frame attends to the first frame of its clip and to the one before (one-shot)
same_place.py   what lies at the same pixel of the other modality
cross_modal.py  the pixels of a video frame and of its depth attend to each other (IDOL)
shared_maps.py  a frame and its depth look at the text with the same maps (IDOL's ablation)
capture.py      what the up blocks attend to, written down for the losses while training (IDOL)
"""
