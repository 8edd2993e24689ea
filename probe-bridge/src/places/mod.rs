//! Places in a program: as somebody writes them, and as an ELF file has them.
//!
//! | module | holds |
//! |---|---|
//! | `callers` | who called, in 32-bit code |
//! | `location` | places and points as they are written on the command line |
//! | `symbols` | names, lines and addresses of an ELF file |

mod callers;
mod location;
mod symbols;

pub use callers::Registers;
pub use location::{Asked, BreakPoint, Location, WatchPoint};
pub use symbols::{Found, Place, Symbols};
