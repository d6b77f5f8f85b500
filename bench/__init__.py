"""What is fast and how right it is, and how that is measured."""
