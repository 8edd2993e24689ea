//! Loads and stores.

use super::registers::check_fp;
use super::{Context, bit, bits, signed, sized};
use crate::armv8a::translation::{EXTERNAL, Purpose, translate};
use crate::armv8a::trap::Trap;

impl Context<'_> {
    /// Whether a watchpoint stops an access. In Debug state none does.
    pub(super) fn check_watchpoints(&self, address: u64, size: u64, write: bool) -> Result<(), Trap> {
        if self.external.comparators_halt()
            && self.external.comparators.watchpoint_matches(self.state, address, size, write)
        {
            return Err(Trap::Watchpoint { address });
        }
        Ok(())
    }

    /// The bytes at `address`, one physical address after the other where they cross a page.
    fn load_unwatched(&mut self, address: u64, size: u64) -> Result<u64, Trap> {
        if crosses_page(address, size) {
            let mut value = 0;
            for byte in 0..size {
                value |= self.load_unwatched(address.wrapping_add(byte), 1)? << (8 * byte);
            }
            return Ok(value);
        }
        let physical = translate(self.state, self.machine, address, Purpose::Read)?;
        self.machine
            .read(physical, size)
            .map_err(|_| Trap::abort(false, false, EXTERNAL, address, self.state.pstate.el()))
    }

    /// Stores the low bytes of `value`.
    pub(super) fn store_unwatched(&mut self, address: u64, size: u64, value: u64) -> Result<(), Trap> {
        if crosses_page(address, size) {
            // Both pages are there, or nothing is stored.
            translate(self.state, self.machine, address.wrapping_add(size - 1), Purpose::Write)?;
            for byte in 0..size {
                self.store_unwatched(address.wrapping_add(byte), 1, value >> (8 * byte))?;
            }
            return Ok(());
        }
        let physical = translate(self.state, self.machine, address, Purpose::Write)?;
        self.machine
            .write(physical, size, value)
            .map_err(|_| Trap::abort(false, true, EXTERNAL, address, self.state.pstate.el()))
    }

    fn load(&mut self, address: u64, size: u64) -> Result<u64, Trap> {
        self.check_watchpoints(address, size, false)?;
        self.load_unwatched(address, size)
    }

    fn store(&mut self, address: u64, size: u64, value: u64) -> Result<(), Trap> {
        self.check_watchpoints(address, size, true)?;
        self.store_unwatched(address, size, value)
    }

    fn load_vector(&mut self, address: u64, size: u64) -> Result<u128, Trap> {
        self.check_watchpoints(address, size, false)?;
        if size < 16 {
            return Ok(u128::from(self.load_unwatched(address, size)?));
        }
        let low = self.load_unwatched(address, 8)?;
        let high = self.load_unwatched(address.wrapping_add(8), 8)?;
        Ok(u128::from(high) << 64 | u128::from(low))
    }

    fn store_vector(&mut self, address: u64, size: u64, value: u128) -> Result<(), Trap> {
        self.check_watchpoints(address, size, true)?;
        self.store_unwatched(address, size.min(8), value as u64)?;
        if size == 16 {
            self.store_unwatched(address.wrapping_add(8), 8, (value >> 64) as u64)?;
        }
        Ok(())
    }
}

const fn crosses_page(address: u64, size: u64) -> bool {
    size > 1 && (address & 0xfff) + size > 0x1000
}

/// Whatever has x1x0 in bits 28 to 25.
pub(super) fn execute(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    if bit(instruction, 26) {
        check_fp(context)?;
    }
    match (bits(instruction, 27, 3), bits(instruction, 23, 3)) {
        (0b001, 0b000..=0b001) if !bit(instruction, 26) => exclusive(context, instruction),
        (0b011, 0b000 | 0b001) => literal(context, instruction),
        (0b101, _) => pair(context, instruction),
        (0b111, _) => single(context, instruction),
        _ => Err(Trap::UNDEFINED),
    }
}

/// Exclusives, and loads and stores with acquire and release.
fn exclusive(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    let size = 1 << bits(instruction, 30, 2);
    let (rt, rn) = (bits(instruction, 0, 5), bits(instruction, 5, 5));
    let (rt2, rs) = (bits(instruction, 10, 5), bits(instruction, 16, 5));
    let load = bit(instruction, 22);
    let paired = bit(instruction, 21);
    let address = context.state.x_or_sp(rn);
    let total = if paired { 2 * size } else { size };
    if paired && size < 4 {
        return Err(Trap::UNDEFINED);
    }
    if !address.is_multiple_of(total) {
        // DFSC 0x21, alignment.
        return Err(Trap::abort(false, !load, 0x21, address, context.state.pstate.el()));
    }
    match (bit(instruction, 23), paired, load) {
        (true, true, _) => Err(Trap::UNDEFINED),
        (true, false, true) => {
            let value = context.load(address, size)?;
            context.state.set_x(rt, value);
            Ok(())
        }
        (true, false, false) => context.store(address, size, context.state.x(rt)),
        (false, _, true) => {
            context.check_watchpoints(address, total, false)?;
            let first = context.load_unwatched(address, size)?;
            let second = if paired { context.load_unwatched(address + size, size)? } else { 0 };
            let physical = translate(context.state, context.machine, address, Purpose::Read)?;
            context.state.exclusive = Some((physical, total));
            context.state.set_x(rt, first);
            if paired {
                context.state.set_x(rt2, second);
            }
            Ok(())
        }
        (false, _, false) => {
            let physical = translate(context.state, context.machine, address, Purpose::Write)?;
            let succeeds = context.state.exclusive == Some((physical, total));
            // An access is watched whether the reservation holds or not.
            context.check_watchpoints(address, total, true)?;
            if succeeds {
                context.store_unwatched(address, size, context.state.x(rt))?;
                if paired {
                    context.store_unwatched(address + size, size, context.state.x(rt2))?;
                }
            }
            context.state.exclusive = None;
            context.state.set_x(rs, u64::from(!succeeds));
            Ok(())
        }
    }
}

/// Loads relative to the program counter.
fn literal(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    let rt = bits(instruction, 0, 5);
    let offset = signed(bits(instruction, 5, 19), 19) << 2;
    let address = context.state.pc.wrapping_add(offset as u64);
    let opcode = bits(instruction, 30, 2);
    if context.external.is_halted() {
        return Err(Trap::UNDEFINED);
    }
    if bit(instruction, 26) {
        let size = 4 << opcode;
        if size > 16 {
            return Err(Trap::UNDEFINED);
        }
        let value = context.load_vector(address, size)?;
        context.state.set_v(rt, value);
        return Ok(());
    }
    let value = match opcode {
        0b00 => context.load(address, 4)?,
        0b01 => context.load(address, 8)?,
        0b10 => context.load(address, 4)? as u32 as i32 as u64,
        // PRFM.
        _ => return Ok(()),
    };
    context.state.set_x(rt, value);
    Ok(())
}

/// Where an access goes, and what its base register becomes.
struct Addressing {
    address: u64,
    base: Option<u64>,
}

impl Addressing {
    fn new(base: u64, offset: i64, before: bool, writes_back: bool) -> Self {
        let moved = base.wrapping_add(offset as u64);
        Self { address: if before { moved } else { base }, base: writes_back.then_some(moved) }
    }

    fn write_back(&self, context: &mut Context<'_>, rn: u32) {
        if let Some(base) = self.base {
            context.state.set_x_or_sp(rn, base);
        }
    }
}

fn pair(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    let (rt, rn, rt2) = (bits(instruction, 0, 5), bits(instruction, 5, 5), bits(instruction, 10, 5));
    let (opcode, load) = (bits(instruction, 30, 2), bit(instruction, 22));
    let vector = bit(instruction, 26);
    let size: u64 = match (opcode, vector) {
        (0b00, _) | (0b01, false) => 4,
        (0b10, false) | (0b01, true) => 8,
        (0b10, true) => 16,
        _ => return Err(Trap::UNDEFINED),
    };
    let mode = bits(instruction, 23, 2);
    if opcode == 0b01 && !vector && (!load || mode == 0) {
        return Err(Trap::UNDEFINED);
    }
    let offset = signed(bits(instruction, 15, 7), 7) * size as i64;
    let base = context.state.x_or_sp(rn);
    let place = Addressing::new(base, offset, mode != 0b01, mode & 1 != 0);
    let (first, second) = (place.address, place.address.wrapping_add(size));
    match (vector, load) {
        (true, true) => {
            context.check_watchpoints(first, 2 * size, false)?;
            let values = [context.load_vector(first, size)?, context.load_vector(second, size)?];
            context.state.set_v(rt, values[0]);
            context.state.set_v(rt2, values[1]);
        }
        (true, false) => {
            context.check_watchpoints(first, 2 * size, true)?;
            translate(context.state, context.machine, second, Purpose::Write)?;
            context.store_vector(first, size, context.state.v(rt))?;
            context.store_vector(second, size, context.state.v(rt2))?;
        }
        (false, true) => {
            context.check_watchpoints(first, 2 * size, false)?;
            let mut values = [context.load_unwatched(first, size)?, context.load_unwatched(second, size)?];
            if opcode == 0b01 {
                values = values.map(|value| value as u32 as i32 as u64);
            }
            context.state.set_x(rt, values[0]);
            context.state.set_x(rt2, values[1]);
        }
        (false, false) => {
            context.check_watchpoints(first, 2 * size, true)?;
            translate(context.state, context.machine, second, Purpose::Write)?;
            context.store_unwatched(first, size, context.state.x(rt))?;
            context.store_unwatched(second, size, context.state.x(rt2))?;
        }
    }
    place.write_back(context, rn);
    Ok(())
}

/// One register, by an immediate or a register offset.
fn single(context: &mut Context<'_>, instruction: u32) -> Result<(), Trap> {
    let (rt, rn) = (bits(instruction, 0, 5), bits(instruction, 5, 5));
    let vector = bit(instruction, 26);
    let opcode = bits(instruction, 22, 2);
    let scale = match (vector, bits(instruction, 30, 2)) {
        (true, 0) if opcode & 0b10 != 0 => 4,
        (true, _) if opcode & 0b10 != 0 => return Err(Trap::UNDEFINED),
        (_, scale) => scale,
    };
    let base = context.state.x_or_sp(rn);
    let unscaled = signed(bits(instruction, 12, 9), 9);
    let place = match (bits(instruction, 24, 2), bit(instruction, 21), bits(instruction, 10, 2)) {
        (0b01, _, _) => Addressing::new(base, i64::from(bits(instruction, 10, 12)) << scale, true, false),
        // Unscaled, and unprivileged, which EL1 here does as itself.
        (0b00, false, 0b00) => Addressing::new(base, unscaled, true, false),
        (0b00, false, 0b10) if !vector => Addressing::new(base, unscaled, true, false),
        (0b00, false, 0b01) => Addressing::new(base, unscaled, false, true),
        (0b00, false, 0b11) => Addressing::new(base, unscaled, true, true),
        (0b00, true, 0b10) if bit(instruction, 14) => {
            let option = bits(instruction, 13, 3);
            let index = super::data::extended(context.state.x(bits(instruction, 16, 5)), option);
            let shift = if bit(instruction, 12) { scale } else { 0 };
            Addressing::new(base, (index << shift) as i64, true, false)
        }
        _ => return Err(Trap::UNDEFINED),
    };
    let size = 1 << scale;
    if vector {
        if opcode & 1 != 0 {
            let value = context.load_vector(place.address, size)?;
            context.state.set_v(rt, value);
        } else {
            context.store_vector(place.address, size, context.state.v(rt))?;
        }
    } else {
        match (opcode, scale) {
            (0b00, _) => context.store(place.address, size, context.state.x(rt))?,
            (0b01, _) => {
                let value = context.load(place.address, size)?;
                context.state.set_x(rt, value);
            }
            // PRFM.
            (0b10, 3) => {}
            (0b10, _) | (0b11, 0 | 1) => {
                let shift = 64 - 8 * size;
                let value = ((context.load(place.address, size)? << shift) as i64 >> shift) as u64;
                context.state.set_x(rt, sized(value, opcode == 0b10));
            }
            _ => return Err(Trap::UNDEFINED),
        }
    }
    place.write_back(context, rn);
    Ok(())
}
