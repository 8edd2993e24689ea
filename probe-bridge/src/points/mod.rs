//! Breakpoints and watchpoints of the command line, for whichever target: `--break`, `--watch`, and what is
//! told of their hits.
//!
//! | module | holds |
//! |---|---|
//! | `options` | the options |
//! | `armed` | from the options to requests |
//! | `hit` | what there is to tell of a hit |
//! | `report` | hits and summary, as text and as JSON |

mod armed;
mod hit;
mod options;
mod report;

pub(crate) use armed::{Carried, Points};
pub(crate) use hit::Tracer;
pub(crate) use options::PointOptions;
