//! What is claimed of KVM, on a real KVM.
//!
//! All of it is one program: where the host is emulated, each program boots one of its own.
// On any other host there is no arm64 KVM to test, and without the machine no guest.
#![cfg(all(target_arch = "aarch64", feature = "machine"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as the test does")]

mod common;

mod aarch32;
mod conditions;
mod debugger;
mod differential;
mod exact_hits;
mod exclusives;
mod faults;
mod features;
mod kept_registers;
mod load_stores;
mod load_stores_aarch32;
mod own_comparators;
mod own_exceptions;
mod page_watches;
mod save_restore;
mod seed_defects;
mod simple_instructions;
mod stepping;
mod target;
mod time;
mod truth_table;
mod vcpu;
