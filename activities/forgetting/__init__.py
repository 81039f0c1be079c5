"""Forgetting a person on request: names and words are taken out of what is on record, and the record still holds."""
