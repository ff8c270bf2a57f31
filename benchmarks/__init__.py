"""Ours beside the best PyTorch we can write: speed, memory and loss, one objective, one network."""
