//! The HTTP client: one deadline, and caps on all that a peer may send.
