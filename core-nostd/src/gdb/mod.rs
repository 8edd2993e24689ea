//! The gdb server.
