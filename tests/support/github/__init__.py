"""A stand-in for GitHub on loopback: real bare repositories behind its REST API, its GraphQL and git over HTTP.

`server.github_server(folder)` starts one. What it gives (`stand_in.GitHub`) is told to clients by `api`, the REST API's
base, and `clone_url(...)`; a test makes repositories, installs apps and plays people through its methods, and lets
things go wrong by `fault`. `description.disagreements(github.exchanges)` says where callers and answers differ from
what GitHub publishes.
"""
