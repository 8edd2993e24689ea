//! A vCPU's registers as far as somebody has looked at them.
//!
//! A register is read from KVM when it is first asked for, and written back before the vCPU runs on,
//! if it was changed: a stop costs what is looked at. Registers whose values KVM checks are written at
//! once, so that a refusal reaches whoever asked for it.
//!
//! A single step of an instruction whose writes are known leaves everything else known.

mod slots;
#[cfg(test)]
mod tests;

use trapline_core::registers::{Pstate, SystemRegister};
use trapline_core::stepping::{Changes, may_be_vector};

use crate::error::Errno;
use crate::register_id::{CoreRegister, RegisterId, RegisterKind, RegisterSize, SpsrBank, SveRegister};

use slots::Slots;

/// `KVM_GET_ONE_REG` and `KVM_SET_ONE_REG`.
pub trait OneRegister {
    /// Reads a register into a buffer of its size.
    ///
    /// # Errors
    /// The kernel's error number.
    fn get(&self, id: RegisterId, buffer: &mut [u8]) -> Result<(), Errno>;

    /// Writes a register from a buffer of its size.
    ///
    /// # Errors
    /// The kernel's error number.
    fn set(&self, id: RegisterId, buffer: &[u8]) -> Result<(), Errno>;
}

/// A register that KVM did not take at write-back, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteBackError {
    /// Which.
    pub id: RegisterId,
    /// The value.
    pub value: u128,
    /// Why.
    pub errno: Errno,
}

/// `PSTATE.M`, the part of `PSTATE` that KVM checks.
const PSTATE_MODE: u64 = 0x1f;

const CORE_REGISTERS: usize = 43;
const VECTORS: usize = 32;

/// The registers of one vCPU that have been read or written since it last ran.
#[derive(Clone, Debug)]
pub struct RegisterCache {
    core: Slots<u64, CORE_REGISTERS>,
    vectors: Slots<u128, VECTORS>,
    /// System registers as read; they are written through, so none of them is ever dirty.
    system: Vec<(RegisterId, u64)>,
    vector_view: VectorView,
    /// What an exception changes is still in `core` from before a step, which may have ended in one.
    unless_exception: bool,
}

/// Where KVM keeps the V registers of this vCPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum VectorView {
    /// Not asked yet.
    Unknown,
    /// Among the core registers.
    Simd,
    /// In the low 128 bits of the Z registers; the core ones are `EINVAL`.
    Sve,
}

impl Default for RegisterCache {
    fn default() -> Self {
        Self {
            core: Slots::new(0),
            vectors: Slots::new(0),
            system: Vec::new(),
            vector_view: VectorView::Unknown,
            unless_exception: false,
        }
    }
}

impl RegisterCache {
    /// Reads a register of 32 or 64 bits.
    ///
    /// # Errors
    /// The kernel's error number.
    pub fn read(&mut self, kvm: &impl OneRegister, id: RegisterId) -> Result<u64, Errno> {
        if let Some(slot) = core_slot(id) {
            self.settle(kvm, slot)?;
            if let Some(value) = self.core.get(slot) {
                return Ok(value);
            }
            let value = get_u64(kvm, id)?;
            self.core.fill(slot, value);
            return Ok(value);
        }
        if let Some((_, value)) = self.system.iter().find(|(cached, _)| *cached == id) {
            return Ok(*value);
        }
        let value = get_u64(kvm, id)?;
        self.system.push((id, value));
        Ok(value)
    }

    /// Writes a register of 32 or 64 bits, now or before the vCPU runs.
    ///
    /// # Errors
    /// The kernel's error number; the register is as it was. `EINVAL` for a value that is too wide.
    pub fn write(&mut self, kvm: &impl OneRegister, id: RegisterId, value: u64) -> Result<(), Errno> {
        let Some(slot) = core_slot(id) else {
            self.system.retain(|(cached, _)| *cached != id);
            return set_u64(kvm, id, value);
        };
        if is_narrow(id) && value > u64::from(u32::MAX) {
            return Err(Errno::new(libc::EINVAL));
        }
        self.settle(kvm, slot)?;
        let checked = id.kind() == RegisterKind::Core(CoreRegister::Pstate)
            && self.core.get(slot).is_none_or(|old| (old ^ value) & PSTATE_MODE != 0);
        if checked {
            set_u64(kvm, id, value)?;
            self.core.fill(slot, value);
        } else {
            self.core.change(slot, value);
        }
        Ok(())
    }

    /// Reads `V<number>`, 0 to 31.
    ///
    /// # Errors
    /// The kernel's error number; `ENOENT` for a number above 31.
    pub fn read_vector(&mut self, kvm: &impl OneRegister, number: u8) -> Result<u128, Errno> {
        let (slot, core) = vector_slot(number)?;
        if let Some(value) = self.vectors.get(slot) {
            return Ok(value);
        }
        let value = match self.vector_view(kvm)? {
            VectorView::Sve => vector_of(&get_z(kvm, number)?),
            VectorView::Simd | VectorView::Unknown => {
                let mut bytes = [0; 16];
                kvm.get(core, &mut bytes)?;
                u128::from_ne_bytes(bytes)
            }
        };
        self.vectors.fill(slot, value);
        Ok(value)
    }

    /// Writes `V<number>`, 0 to 31, before the vCPU runs. Bits of the Z register above it stay.
    ///
    /// # Errors
    /// The kernel's error number; `ENOENT` for a number above 31.
    pub fn write_vector(&mut self, kvm: &impl OneRegister, number: u8, value: u128) -> Result<(), Errno> {
        let (slot, _) = vector_slot(number)?;
        self.vector_view(kvm)?;
        self.vectors.change(slot, value);
        Ok(())
    }

    /// Reads a register of the SVE group into `buffer`, as many of its bytes as that has.
    ///
    /// # Errors
    /// The kernel's error number. A V register that KVM does not take at write-back is one as well.
    pub fn read_scalable(
        &mut self,
        kvm: &impl OneRegister,
        register: SveRegister,
        buffer: &mut [u8],
    ) -> Result<(), Errno> {
        // A V register that was changed is the low part of a Z register.
        self.write_back(kvm).map_err(|refused| refused.errno)?;
        let bytes = get_scalable(kvm, register)?;
        for (place, byte) in buffer.iter_mut().zip(bytes) {
            *place = byte;
        }
        Ok(())
    }

    /// Writes the first bytes of a register of the SVE group, and leaves those behind them as they are.
    ///
    /// # Errors
    /// As [`Self::read_scalable`].
    pub fn write_scalable(
        &mut self,
        kvm: &impl OneRegister,
        register: SveRegister,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        self.write_back(kvm).map_err(|refused| refused.errno)?;
        let mut whole = get_scalable(kvm, register)?;
        for (place, byte) in whole.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.vectors.clear();
        let id = RegisterId::sve(register);
        kvm.set(id, whole.get(..size_of(id)).unwrap_or_default())
    }

    /// Writes what was changed back to KVM.
    ///
    /// # Errors
    /// The first register that KVM did not take; it and those after it stay to be written.
    pub fn write_back(&mut self, kvm: &impl OneRegister) -> Result<(), WriteBackError> {
        while let Some((slot, value)) = self.core.next_dirty() {
            let id = core_at(slot);
            set_u64(kvm, id, value).map_err(|errno| WriteBackError { id, value: value.into(), errno })?;
            self.core.clean(slot);
        }
        while let Some((slot, value)) = self.vectors.next_dirty() {
            let (number, id) = (slot as u8, vector_at(slot));
            self.set_vector(kvm, number, value).map_err(|errno| WriteBackError { id, value, errno })?;
            self.vectors.clean(slot);
        }
        Ok(())
    }

    /// Forgets what a single step of an instruction that `changes` so much may have changed. Everything changed must have
    /// been written back before it.
    pub fn keep_after_step(&mut self, changes: &Changes) {
        self.core.forget(PC);
        for number in (0..31).filter(|number| changes.general() >> number & 1 != 0) {
            self.core.forget(number);
        }
        if changes.general() >> 31 != 0 {
            self.core.forget(SP_EL0);
            self.core.forget(SP_EL1);
        }
        // With one of these the step itself changes more.
        let moves = |pstate: Pstate| pstate.ss() || pstate.il() || pstate.btype().into_bits() != 0;
        if changes.pstate() || self.core.get(PSTATE).is_some_and(|pstate| moves(pstate.into())) {
            self.core.forget(PSTATE);
        }
        if changes.vectors() {
            self.core.forget(FPSR);
            self.vectors.clear();
        }
        self.system.retain(|(id, _)| id.system_register().is_some_and(only_written));
        self.unless_exception = true;
    }

    /// Before a core register is read or written: forgets what an exception has changed, where it may be about that and
    /// a step may have led to a vector.
    fn settle(&mut self, kvm: &impl OneRegister, slot: usize) -> Result<(), Errno> {
        if !self.unless_exception || !EXCEPTION_WRITES.contains(&slot) {
            return Ok(());
        }
        let pc = match self.core.get(PC) {
            Some(pc) => pc,
            None => {
                let pc = get_u64(kvm, core_at(PC))?;
                self.core.fill(PC, pc);
                pc
            }
        };
        self.unless_exception = false;
        if may_be_vector(pc) {
            for slot in EXCEPTION_WRITES.into_iter().filter(|slot| *slot != PC) {
                self.core.forget(slot);
            }
        }
        Ok(())
    }

    /// Forgets what was read. What was changed and not written back is lost.
    pub fn invalidate(&mut self) {
        self.core.clear();
        self.vectors.clear();
        self.system.clear();
        self.unless_exception = false;
    }

    /// Whether everything that was changed has been written back.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.core.is_clean() && self.vectors.is_clean()
    }

    fn set_vector(&mut self, kvm: &impl OneRegister, number: u8, value: u128) -> Result<(), Errno> {
        if self.vector_view(kvm)? != VectorView::Sve {
            return kvm.set(vector_at(usize::from(number)), &value.to_ne_bytes());
        }
        let mut z = get_z(kvm, number)?;
        z[..16].copy_from_slice(&value.to_le_bytes());
        kvm.set(z_id(number), &z)
    }

    /// Finds out by trying: a vCPU that was made by somebody else does not say whether it has SVE.
    fn vector_view(&mut self, kvm: &impl OneRegister) -> Result<VectorView, Errno> {
        if self.vector_view == VectorView::Unknown {
            self.vector_view = match kvm.get(vector_at(0), &mut [0; 16]) {
                Ok(()) => VectorView::Simd,
                Err(errno) if errno.errno() == libc::EINVAL && get_z(kvm, 0).is_ok() => VectorView::Sve,
                Err(errno) => return Err(errno),
            };
        }
        Ok(self.vector_view)
    }
}

const Z_BYTES: usize = 256;

fn z_id(number: u8) -> RegisterId {
    RegisterId::sve(SveRegister::Z { number, slice: 0 })
}

fn get_z(kvm: &impl OneRegister, number: u8) -> Result<[u8; Z_BYTES], Errno> {
    let mut bytes = [0; Z_BYTES];
    kvm.get(z_id(number), &mut bytes)?;
    Ok(bytes)
}

/// A register of the SVE group, with zeros behind it.
fn get_scalable(kvm: &impl OneRegister, register: SveRegister) -> Result<[u8; Z_BYTES], Errno> {
    let (mut bytes, id) = ([0; Z_BYTES], RegisterId::sve(register));
    kvm.get(id, bytes.get_mut(..size_of(id)).unwrap_or_default())?;
    Ok(bytes)
}

fn size_of(id: RegisterId) -> usize {
    id.size().map_or(0, RegisterSize::bytes)
}

/// The V register in a Z register, whose bytes KVM keeps in little-endian order on any host (KVM API,
/// section 4.68, "arm64 SVE registers").
fn vector_of(z: &[u8; Z_BYTES]) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&z[..16]);
    u128::from_le_bytes(bytes)
}

fn get_u64(kvm: &impl OneRegister, id: RegisterId) -> Result<u64, Errno> {
    if is_narrow(id) {
        let mut bytes = [0; 4];
        kvm.get(id, &mut bytes)?;
        return Ok(u32::from_ne_bytes(bytes).into());
    }
    let mut bytes = [0; 8];
    kvm.get(id, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn set_u64(kvm: &impl OneRegister, id: RegisterId, value: u64) -> Result<(), Errno> {
    if is_narrow(id) {
        let value = u32::try_from(value).map_err(|_| Errno::new(libc::EINVAL))?;
        return kvm.set(id, &value.to_ne_bytes());
    }
    kvm.set(id, &value.to_ne_bytes())
}

fn is_narrow(id: RegisterId) -> bool {
    id.size().is_some_and(|size| size.bytes() == 4)
}

// Where the cache keeps some core registers.
const SP_EL0: usize = 31;
const PC: usize = 32;
const PSTATE: usize = 33;
const SP_EL1: usize = 34;
const FPSR: usize = 41;
/// Those that an exception writes, as slots.
const EXCEPTION_WRITES: [usize; 8] = [PC, PSTATE, 35, 36, 37, 38, 39, 40];

/// Whether a system register has its value from the instruction that wrote it last, and from nothing else: of those that
/// the engine asks for at every step.
fn only_written(register: SystemRegister) -> bool {
    matches!(
        register,
        SystemRegister::SCTLR_EL1
            | SystemRegister::TCR_EL1
            | SystemRegister::TCR2_EL1
            | SystemRegister::TTBR0_EL1
            | SystemRegister::TTBR1_EL1
            | SystemRegister::PIR_EL1
            | SystemRegister::PIRE0_EL1
            | SystemRegister::VBAR_EL1
            | SystemRegister::MDSCR_EL1
    )
}

/// Where the cache keeps a core register.
fn core_slot(id: RegisterId) -> Option<usize> {
    let RegisterKind::Core(register) = id.kind() else { return None };
    Some(match register {
        CoreRegister::X(number) => usize::from(number),
        CoreRegister::SpEl0 => SP_EL0,
        CoreRegister::Pc => PC,
        CoreRegister::Pstate => PSTATE,
        CoreRegister::SpEl1 => SP_EL1,
        CoreRegister::ElrEl1 => 35,
        CoreRegister::Spsr(bank) => 36 + bank as usize,
        CoreRegister::Fpsr => FPSR,
        CoreRegister::Fpcr => 42,
        CoreRegister::V(_) => return None,
    })
}

fn core_at(slot: usize) -> RegisterId {
    let register = match slot {
        0..=30 => CoreRegister::X(slot as u8),
        SP_EL0 => CoreRegister::SpEl0,
        PC => CoreRegister::Pc,
        PSTATE => CoreRegister::Pstate,
        SP_EL1 => CoreRegister::SpEl1,
        35 => CoreRegister::ElrEl1,
        36..=40 => CoreRegister::Spsr(SpsrBank::ALL[slot - 36]),
        FPSR => CoreRegister::Fpsr,
        _ => CoreRegister::Fpcr,
    };
    identifier(register)
}

fn vector_slot(number: u8) -> Result<(usize, RegisterId), Errno> {
    let id = RegisterId::core(CoreRegister::V(number)).ok_or_else(|| Errno::new(libc::ENOENT))?;
    Ok((usize::from(number), id))
}

fn vector_at(slot: usize) -> RegisterId {
    identifier(CoreRegister::V(slot as u8 % VECTORS as u8))
}

/// The identifier of a register whose number is known to be in range.
fn identifier(register: CoreRegister) -> RegisterId {
    RegisterId::core(register).unwrap_or(RegisterId::from_raw(0))
}
