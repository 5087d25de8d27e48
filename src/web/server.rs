//! The HTTP server: listeners, connection limits, deadlines, draining.
