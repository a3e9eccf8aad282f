"""What is done again and again besides answering calls: by one process at a time, and how it went."""
