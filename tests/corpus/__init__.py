"""Every parser over every fitting file of the corpus of real outputs."""
