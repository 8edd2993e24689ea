//! Breakpoints: what they match, and the registers that say so.
