"""What an evaluation leaves behind: its figures as JSON, a page to read, and comparisons of several."""
