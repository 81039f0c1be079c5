"""A stand-in for GitHub on loopback: real bare repositories behind its REST API, its GraphQL and git over HTTP."""
