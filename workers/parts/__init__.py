"""What each process is made of, built from the settings: what all share, and what a kind of work needs beside it."""
