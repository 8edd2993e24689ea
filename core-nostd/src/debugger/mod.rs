//! The debug engine.
