//! Breakpoint instructions planted in memory.
