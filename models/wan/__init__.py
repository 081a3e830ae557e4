"""The pair on Wan 2.2 (UnityVideo, arXiv 2512.07831): a video and one modality of it, denoised by one transformer."""
