"""gptoss-tui: GPT-OSS on GPU boxes, from a terminal, over one SSH connection per box."""

__version__ = "0.1.0"
