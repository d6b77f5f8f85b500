"""What a sample of JSON probably means: a mapping for it, for a person to correct. Pure; guesses, each with its why."""
