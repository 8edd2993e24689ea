//! A vCPU's registers as far as somebody has looked at them.
//!
//! A register is read from KVM when it is first asked for, and written back before the vCPU runs on,
//! if it was changed: a stop costs what is looked at. Registers whose values KVM checks are written at
//! once, so that a refusal reaches whoever asked for it.
//!
//! A single step of an instruction whose writes are known leaves everything else known.

mod slots;

use trapline_core::registers::{Pstate, SystemRegister};
use trapline_core::stepping::Changes;

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
    /// a step has led to a vector. Vectors of AArch64 are 0x80 bytes apart.
    fn settle(&mut self, kvm: &impl OneRegister, slot: usize) -> Result<(), Errno> {
        if !self.unless_exception || !EXCEPTION_WRITES.contains(&slot) {
            return Ok(());
        }
        let pc = match self.core.get(PC) {
            Some(pc) => pc,
            None => get_u64(kvm, core_at(PC))?,
        };
        self.core.fill(PC, pc);
        self.unless_exception = false;
        if pc & 0x7f == 0 {
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use trapline_core::target::Register;

    use super::*;

    /// A vCPU's registers as the kernel has them, with a record of every ioctl.
    #[derive(Default)]
    struct Kernel {
        registers: RefCell<HashMap<RegisterId, Vec<u8>>>,
        ioctls: RefCell<Vec<(char, RegisterId)>>,
        refused: RefCell<Vec<RegisterId>>,
    }

    impl Kernel {
        fn take_ioctls(&self) -> Vec<(char, RegisterId)> {
            std::mem::take(&mut self.ioctls.borrow_mut())
        }

        fn value(&self, id: RegisterId) -> u64 {
            let bytes = &self.registers.borrow()[&id];
            bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
        }
    }

    impl OneRegister for Kernel {
        fn get(&self, id: RegisterId, buffer: &mut [u8]) -> Result<(), Errno> {
            assert_eq!(buffer.len(), id.size().unwrap().bytes(), "{id}");
            self.ioctls.borrow_mut().push(('r', id));
            if self.refused.borrow().contains(&id) {
                return Err(Errno::new(libc::EINVAL));
            }
            match self.registers.borrow().get(&id) {
                Some(bytes) => buffer.copy_from_slice(bytes),
                None => buffer.fill(0),
            }
            Ok(())
        }

        fn set(&self, id: RegisterId, buffer: &[u8]) -> Result<(), Errno> {
            assert_eq!(buffer.len(), id.size().unwrap().bytes(), "{id}");
            self.ioctls.borrow_mut().push(('w', id));
            if self.refused.borrow().contains(&id) {
                return Err(Errno::new(libc::EINVAL));
            }
            self.registers.borrow_mut().insert(id, buffer.to_vec());
            Ok(())
        }
    }

    fn id(register: Register) -> RegisterId {
        RegisterId::of(register).unwrap()
    }

    #[test]
    fn a_register_costs_one_read_and_if_changed_one_write() {
        let kernel = Kernel::default();
        let mut cache = RegisterCache::default();
        let pc = id(Register::Pc);
        for _ in 0..3 {
            assert_eq!(cache.read(&kernel, pc), Ok(0));
        }
        assert_eq!(kernel.take_ioctls(), [('r', pc)]);
        for value in [4, 8, 12] {
            cache.write(&kernel, pc, value).unwrap();
        }
        assert_eq!(cache.read(&kernel, pc), Ok(12));
        assert_eq!(kernel.take_ioctls(), []);
        assert!(!cache.is_clean());
        cache.write_back(&kernel).unwrap();
        cache.write_back(&kernel).unwrap();
        assert_eq!(kernel.take_ioctls(), [('w', pc)]);
        assert_eq!((kernel.value(pc), cache.is_clean()), (12, true));
    }

    #[test]
    fn every_core_register_reaches_the_kernel_under_its_own_identifier() {
        let kernel = Kernel::default();
        let mut cache = RegisterCache::default();
        let ids: Vec<RegisterId> = (0..CORE_REGISTERS).map(core_at).collect();
        for (slot, id) in ids.iter().enumerate() {
            assert_eq!(core_slot(*id), Some(slot), "{id}");
            cache.write(&kernel, *id, 0x100 + slot as u64).unwrap();
        }
        cache.write_back(&kernel).unwrap();
        for (slot, id) in ids.iter().enumerate() {
            assert_eq!(kernel.value(*id), 0x100 + slot as u64, "{id}");
        }
    }

    #[test]
    fn a_change_of_mode_is_refused_at_once_and_a_change_of_flags_waits() {
        let kernel = Kernel::default();
        let mut cache = RegisterCache::default();
        let pstate = id(Register::Pstate);
        kernel.registers.borrow_mut().insert(pstate, 0x3c5_u64.to_ne_bytes().to_vec());
        cache.read(&kernel, pstate).unwrap();
        kernel.take_ioctls();
        cache.write(&kernel, pstate, 0x0c5).unwrap();
        assert_eq!(kernel.take_ioctls(), []);
        kernel.refused.borrow_mut().push(pstate);
        assert!(cache.write(&kernel, pstate, 0x3c9).is_err());
        assert_eq!(cache.read(&kernel, pstate), Ok(0x0c5), "the refused value left no trace");
    }

    #[test]
    fn a_system_register_is_written_at_once_and_read_again() {
        let kernel = Kernel::default();
        let mut cache = RegisterCache::default();
        let sctlr = id(Register::System(SystemRegister::SCTLR_EL1));
        cache.read(&kernel, sctlr).unwrap();
        cache.write(&kernel, sctlr, 5).unwrap();
        assert_eq!(kernel.take_ioctls(), [('r', sctlr), ('w', sctlr)]);
        assert_eq!(cache.read(&kernel, sctlr), Ok(5));
        assert_eq!(kernel.take_ioctls(), [('r', sctlr)], "KVM may have changed what was written");
    }

    /// A cache in which everything that `ids` name has been read, after a step.
    fn stepped(kernel: &Kernel, ids: &[RegisterId], changes: &Changes) -> RegisterCache {
        let mut cache = RegisterCache::default();
        for id in ids {
            cache.read(kernel, *id).unwrap();
        }
        cache.keep_after_step(changes);
        kernel.take_ioctls();
        cache
    }

    /// Which of `ids` are read again.
    fn read_again(kernel: &Kernel, cache: &mut RegisterCache, ids: &[RegisterId]) -> Vec<RegisterId> {
        for id in ids {
            cache.read(kernel, *id).unwrap();
        }
        kernel.take_ioctls().into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn after_a_step_only_what_it_may_have_written_is_read_again() {
        let kernel = Kernel::default();
        let core: Vec<RegisterId> = (0..CORE_REGISTERS).map(core_at).collect();
        let (pc, pstate) = (id(Register::Pc), id(Register::Pstate));
        // At no vector.
        kernel.registers.borrow_mut().insert(pc, 0x1004_u64.to_ne_bytes().to_vec());
        let after = |word: u32| {
            let mut cache = stepped(&kernel, &core, &Changes::of(word).unwrap());
            read_again(&kernel, &mut cache, &core)
        };
        assert_eq!(after(0x9100_0421), [core_at(1), pc], "add x1, x1, #1");
        assert_eq!(after(0xf100_043f), [pc, pstate], "cmp x1, #1");
        assert_eq!(after(0xd100_43ff), [core_at(SP_EL0), pc, core_at(SP_EL1)], "sub sp, sp, #16");
        assert_eq!(after(0xa8c1_7bfd), [29, 30, SP_EL0, PC, SP_EL1].map(core_at), "ldp x29, x30, [sp], #16");
        assert_eq!(after(0x3cc1_0420), [core_at(1), pc, core_at(FPSR)], "ldr q0, [x1], #16");
    }

    #[test]
    fn a_step_to_what_may_be_a_vector_may_have_been_an_exception() {
        let kernel = Kernel::default();
        let core: Vec<RegisterId> = (0..CORE_REGISTERS).map(core_at).collect();
        let load = Changes::of(0xf940_0281).unwrap();
        kernel.registers.borrow_mut().insert(id(Register::Pc), 0x1200_u64.to_ne_bytes().to_vec());
        let mut cache = stepped(&kernel, &core, &load);
        let written = [1, PC, PSTATE, 35, 36, 37, 38, 39, 40].map(core_at);
        assert_eq!(read_again(&kernel, &mut cache, &core), written);
        // What comes next is of the exception's handler, and PC is known for it already.
        let mut cache = stepped(&kernel, &core, &load);
        cache.write(&kernel, id(Register::Pc), 0x1004).unwrap();
        assert_eq!(read_again(&kernel, &mut cache, &[id(Register::Pstate)]), [PC, PSTATE].map(core_at));
        assert_eq!(cache.read(&kernel, id(Register::Pc)), Ok(0x1004));
    }

    #[test]
    fn a_step_with_a_branch_type_changes_it() {
        let kernel = Kernel::default();
        let pstate = id(Register::Pstate);
        kernel.registers.borrow_mut().insert(id(Register::Pc), 0x1004_u64.to_ne_bytes().to_vec());
        for (before, kept) in [(0x3c5_u64, true), (0x7c5, false), (0x20_03c5, false), (0x10_03c5, false)] {
            kernel.registers.borrow_mut().insert(pstate, before.to_ne_bytes().to_vec());
            let mut cache = stepped(&kernel, &[pstate], &Changes::of(0x1400_0002).unwrap());
            let again = read_again(&kernel, &mut cache, &[pstate]);
            assert_eq!(again.contains(&pstate), !kept, "{before:#x}");
        }
    }

    #[test]
    fn registers_that_change_by_themselves_do_not_outlive_a_step() {
        let kernel = Kernel::default();
        let [sctlr, counter] = [SystemRegister::SCTLR_EL1, SystemRegister::CNTVCT_EL0]
            .map(|register| id(Register::System(register)));
        let mut cache = stepped(&kernel, &[sctlr, counter], &Changes::of(0x9100_0421).unwrap());
        assert_eq!(read_again(&kernel, &mut cache, &[sctlr, counter]), [counter]);
        cache.read_vector(&kernel, 3).unwrap();
        for (word, reads) in [(0xf940_0281, 0), (0x4ea1_1c20, 1)] {
            kernel.take_ioctls();
            cache.keep_after_step(&Changes::of(word).unwrap());
            cache.read_vector(&kernel, 3).unwrap();
            assert_eq!(kernel.take_ioctls().len(), reads, "{word:#x}");
        }
    }

    #[test]
    fn a_register_of_32_bits_takes_no_more() {
        let kernel = Kernel::default();
        let mut cache = RegisterCache::default();
        let fpcr = id(Register::Fpcr);
        assert_eq!(cache.write(&kernel, fpcr, 1 << 32).unwrap_err().errno(), libc::EINVAL);
        cache.write(&kernel, fpcr, 0x0300_0000).unwrap();
        cache.write_back(&kernel).unwrap();
        assert_eq!(kernel.value(fpcr), 0x0300_0000);
    }

    #[test]
    fn a_refused_write_back_names_the_register_and_keeps_the_rest() {
        let kernel = Kernel::default();
        let mut cache = RegisterCache::default();
        let (x1, x2) = (id(Register::X(1)), id(Register::X(2)));
        cache.write(&kernel, x1, 1).unwrap();
        cache.write(&kernel, x2, 2).unwrap();
        kernel.refused.borrow_mut().push(x1);
        let error = cache.write_back(&kernel).unwrap_err();
        assert_eq!((error.id, error.value), (x1, 1));
        kernel.refused.borrow_mut().clear();
        cache.write_back(&kernel).unwrap();
        assert_eq!((kernel.value(x1), kernel.value(x2)), (1, 2));
    }

    #[test]
    fn with_sve_a_vector_is_the_low_part_of_its_z_register() {
        let kernel = Kernel::default();
        let mut cache = RegisterCache::default();
        kernel.refused.borrow_mut().extend((0..VECTORS).map(vector_at));
        let mut z: Vec<u8> = (0..=255).collect();
        kernel.registers.borrow_mut().insert(z_id(3), z.clone());
        assert_eq!(cache.read_vector(&kernel, 3), Ok(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100));
        cache.write_vector(&kernel, 3, 0x55).unwrap();
        cache.write_back(&kernel).unwrap();
        z[..16].fill(0);
        z[0] = 0x55;
        assert_eq!(kernel.registers.borrow()[&z_id(3)], z, "the part above the V register stays");
    }

    #[test]
    fn without_sve_a_vector_is_a_core_register_in_the_hosts_byte_order() {
        let kernel = Kernel::default();
        let mut cache = RegisterCache::default();
        let value = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100_u128;
        cache.write_vector(&kernel, 31, value).unwrap();
        cache.write_back(&kernel).unwrap();
        assert_eq!(kernel.registers.borrow()[&vector_at(31)], value.to_ne_bytes());
        cache.invalidate();
        assert_eq!(cache.read_vector(&kernel, 31), Ok(value));
        assert_eq!(cache.read_vector(&kernel, 32).unwrap_err().errno(), libc::ENOENT);
    }
}
