"""Parsing what anybody may have written, in a process of its own that may not use more than its share.

Source is data here: it is parsed and never executed, and a parser that hangs, crashes or eats memory ends with its
process.
"""
