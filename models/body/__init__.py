"""An articulated body of tapered capsules: skeleton, characters, motions and their z-buffer.

capsules.py   ray and capsule, nearest surface per pixel
skeleton.py   bones, forward kinematics, OpenPose joints
character.py  proportions, clothes and colours of one person
motion.py     named actions as joint angles over time
"""
