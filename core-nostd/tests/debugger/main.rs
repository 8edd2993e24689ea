//! The engine and the gdb server over a target that records what is done to it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod accesses;
mod conditions;
mod engine;
mod exclusives;
#[cfg(feature = "gdb")]
mod gdb_client;
#[cfg(feature = "gdb")]
mod gdb_hostile;
#[cfg(feature = "gdb")]
mod gdb_server;
mod pages;
mod ranges;
mod recorder;
mod scene;
#[cfg(feature = "quick-steps")]
mod simple_steps;
#[cfg(feature = "gdb")]
mod wire;
