//! The cache over a kernel that records what it is asked for.

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
