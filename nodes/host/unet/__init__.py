"""The video U-Net as the host's MODEL and the pose ControlNet as its CONTROL_NET."""
