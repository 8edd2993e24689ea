//! The board backend on simulated boards, through probe-rs.
#![cfg(feature = "probe")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod armv8a;
mod cortex_m;
mod cortex_m_faults;
mod faults;
mod glasgow;
mod probe;
mod session;
mod transfers;
