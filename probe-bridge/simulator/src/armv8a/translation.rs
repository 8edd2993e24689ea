//! Stage 1 of EL1&0: granules of 4 KiB (DDI 0487, "VMSAv8-64").

use super::state::State;
use super::system_registers::{SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1};
use super::trap::Trap;
use crate::machine::Machine;

/// What an address is translated for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Fetch,
}

/// Fault status codes, without the level.
const ADDRESS_SIZE: u32 = 0b00_0000;
const TRANSLATION: u32 = 0b00_0100;
const ACCESS_FLAG: u32 = 0b00_1000;
const PERMISSION: u32 = 0b00_1100;
/// Synchronous external abort, and the same on a table walk.
pub(super) const EXTERNAL: u32 = 0b01_0000;
const EXTERNAL_ON_WALK: u32 = 0b01_0100;

const OUTPUT: u64 = 0x0000_ffff_ffff_f000;

/// The physical address behind a virtual one.
///
/// # Errors
/// The exception that an access takes.
pub(super) fn translate(
    state: &State,
    machine: &mut Machine,
    address: u64,
    purpose: Purpose,
) -> Result<u64, Trap> {
    if state.system.read(SCTLR_EL1) & 1 == 0 {
        return Ok(address);
    }
    let el = state.pstate.el();
    let fault =
        |status: u32| Trap::abort(purpose == Purpose::Fetch, purpose == Purpose::Write, status, address, el);
    let tcr = state.system.read(TCR_EL1);
    let high = address >> 55 & 1 != 0;
    let (size, table, ignored) = if high {
        (tcr >> 16 & 0x3f, state.system.read(TTBR1_EL1), tcr >> 38 & 1)
    } else {
        (tcr & 0x3f, state.system.read(TTBR0_EL1), tcr >> 37 & 1)
    };
    let bits = 64 - size.clamp(16, 39);
    let top = if ignored != 0 { (address << 8) as i64 >> 8 } else { address as i64 };
    let extension = if high { -1 } else { 0 };
    let off = if high { tcr >> 23 & 1 } else { tcr >> 7 & 1 };
    if top >> bits != extension || off != 0 {
        return Err(fault(TRANSLATION));
    }
    let mut level = 4 - (bits as u32 - 12).div_ceil(9);
    let mut table = table & OUTPUT & !1;
    let (mut no_writes, mut no_el0, mut no_fetch_el1, mut no_fetch_el0) = (false, false, false, false);
    loop {
        let shift = 39 - 9 * level;
        let width = if level == 4 - (bits as u32 - 12).div_ceil(9) { bits as u32 - shift } else { 9 };
        let index = address >> shift & ((1 << width) - 1);
        let descriptor = machine.read(table + 8 * index, 8).map_err(|_| fault(EXTERNAL_ON_WALK | level))?;
        match (descriptor & 0b11, level) {
            (0b11, 0..=2) => {
                no_writes |= descriptor >> 62 & 1 != 0;
                no_el0 |= descriptor >> 61 & 1 != 0;
                no_fetch_el0 |= descriptor >> 60 & 1 != 0;
                no_fetch_el1 |= descriptor >> 59 & 1 != 0;
                table = descriptor & OUTPUT;
                level += 1;
            }
            (0b01, 1 | 2) | (0b11, 3) => {
                if descriptor >> 10 & 1 == 0 {
                    return Err(fault(ACCESS_FLAG | level));
                }
                no_writes |= descriptor >> 7 & 1 != 0;
                no_el0 |= descriptor >> 6 & 1 == 0;
                no_fetch_el1 |= descriptor >> 53 & 1 != 0;
                no_fetch_el0 |= descriptor >> 54 & 1 != 0;
                let denied = match purpose {
                    Purpose::Read => false,
                    Purpose::Write => no_writes,
                    Purpose::Fetch if el == 0 => no_fetch_el0,
                    // What EL0 may write, EL1 may not execute.
                    Purpose::Fetch => no_fetch_el1 || (!no_el0 && !no_writes),
                };
                if denied || (el == 0 && no_el0) {
                    return Err(fault(PERMISSION | level));
                }
                let offset = (1 << shift) - 1;
                let physical = descriptor & OUTPUT & !offset | address & offset;
                return if physical >> 40 == 0 { Ok(physical) } else { Err(fault(ADDRESS_SIZE | level)) };
            }
            _ => return Err(fault(TRANSLATION | level)),
        }
    }
}
