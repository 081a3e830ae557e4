"""Moving geometry: a clip and its distances as surfaces or points in space, and the files that other programs open.

World and files alike: metres, x right, y up, z towards the viewer, as glTF and USD have it.
"""
