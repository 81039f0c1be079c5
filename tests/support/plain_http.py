"""HTTP without TLS, to servers on this machine."""

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of httpx. Made once: reading certificates takes longer than a request to this machine."""
