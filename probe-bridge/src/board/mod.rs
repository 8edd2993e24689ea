//! Boards behind a debug probe.
//!
//! probe-rs has the probes, the chips and the way to a chip's buses; what is done on them is here.
//!
//! | module | holds |
//! |---|---|
//! | `link` | the way to a board's buses |
//! | `session_link` | that by a probe-rs session |
//! | `access_port` | words behind an access port, in few transfers |
//! | `armv8a` | Armv8-A cores as a target of the engine |
//! | `cortex_m` | Cortex-M cores as a target of the engine |
//! | `cores` | cores and the way to them, for targets of either profile |
//! | `target` | what both have beside what the engine needs |
//! | `chip` | what a chip's description says of its cores and its memory |
//! | `memory_map` | a chip's memory as gdb is told of it |
//! | `attach` | from a probe and a chip's name to a target |
//! | `explain` | why that has failed |
//! | `busy` | for how long the probe has been asked for something |
//! | `serve` | a gdb client and the board's stops in one loop |
//! | `error` | why a board is lost |

mod access_port;
pub mod armv8a;
mod attach;
mod busy;
pub mod chip;
mod cores;
pub mod cortex_m;
mod error;
#[cfg(test)]
mod expected;
mod explain;
pub mod link;
pub mod memory_map;
mod serve;
mod session_link;
mod target;

pub use attach::{AttachOptions, Board, MemoryPath, attach};
pub use busy::Busy;
pub use error::{BoardError, Result};
pub use explain::explain;
pub use serve::{Ended, Found, Observer, Unobserved, run_until_stopped, serve, watch};
pub use target::BoardTarget;
