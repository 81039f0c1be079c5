"""Linear, by its GraphQL interface."""
