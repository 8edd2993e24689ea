//! Arm's debug hardware, modelled exactly, and a debugger on top of it.
//!
//! Everything here is `no_std`, allocates nothing and never panics. Three storeys, and `use` points
//! down only:
//!
//! 1. **The model**, pure and mostly `const`: [`registers`] are bit layouts and nothing else; [`scope`],
//!    [`breakpoint`], [`watchpoint`] and [`syndrome`] give them meaning, [`m_profile`] is the same for
//!    Cortex-M.
//! 2. **The parts of a debugger**: [`pool`] (which comparator serves which request), [`software`]
//!    (planted instructions), [`own_pairs`] (a guest's comparators beside them), [`context`] (debug registers, saved and restored), [`injection`]
//!    (exceptions that are the guest's own), [`stepping`] (what a step must not disturb), [`load_store`] (what an
//!    instruction accesses),
//!    [`translation`] (stage 1 walks), [`stop`] (whose stop is it).
//! 3. **The debugger**: [`target`] is what a backend implements, [`debugger`] the engine over it, and
//!    `gdb` (feature `gdb`) the server over the engine.
//!
//! Register names, fields and sections are those of the Arm Architecture Reference Manual for
//! A-profile architecture, DDI 0487.

#![no_std]
// `el2` has the one module with `unsafe`; without it there is none.
#![cfg_attr(not(feature = "el2"), forbid(unsafe_code))]
#![deny(missing_docs)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

#[cfg(test)]
extern crate std;

pub mod aarch32;
pub mod address;
pub mod agent;
pub mod breakpoint;
pub mod comparator;
pub mod context;
pub mod debugger;
#[cfg(feature = "el2")]
pub mod el2;
#[cfg(feature = "gdb")]
pub mod gdb;
pub mod injection;
pub mod load_store;
pub mod m_profile;
pub mod own_pairs;
pub mod pool;
pub mod registers;
pub mod scope;
pub mod software;
pub mod stepping;
pub mod stop;
pub mod syndrome;
pub mod target;
pub mod translation;
pub mod watchpoint;
