"""What a newcomer meets first: the wheel, the README's commands, the documents."""
