"""GitHub as others understand it: the emulator of Vercel Labs from npm, paired with real git.

It is not ours, so that what our own stand-in and our own client both took the wrong way shows here.
"""
