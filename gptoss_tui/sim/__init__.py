"""A simulated GPU box that speaks SSH, Docker and vLLM."""
