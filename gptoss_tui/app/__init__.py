"""The Textual app: facts come down as messages, intents go up as messages."""
