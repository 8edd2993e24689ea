//! The guest's own registers, access by access.

use super::CAPABILITIES;
use crate::el2::{Answer, OwnRegisters};
use crate::syndrome::SystemRegisterAccess;

/// The ISS of an access to `S2_<op1>_C<crn>_C<crm>_<op2>`.
fn access(register: (u32, u32, u32, u32), is_read: bool) -> SystemRegisterAccess {
    let (op1, crn, crm, op2) = register;
    let iss = 2 << 20 | op2 << 17 | op1 << 14 | crn << 10 | crm << 1;
    SystemRegisterAccess::from_bits(iss | u32::from(is_read))
}

fn read(own: &mut OwnRegisters, register: (u32, u32, u32, u32)) -> Answer {
    own.access(access(register, true), 0, &CAPABILITIES)
}

fn write(own: &mut OwnRegisters, register: (u32, u32, u32, u32), value: u64) -> Answer {
    own.access(access(register, false), value, &CAPABILITIES)
}

const MDSCR_EL1: (u32, u32, u32, u32) = (0, 0, 2, 2);
const OSLAR_EL1: (u32, u32, u32, u32) = (0, 1, 0, 4);
const OSLSR_EL1: (u32, u32, u32, u32) = (0, 1, 1, 4);
const CLAIM_SET: (u32, u32, u32, u32) = (0, 7, 8, 6);
const CLAIM_CLEAR: (u32, u32, u32, u32) = (0, 7, 9, 6);

#[test]
fn the_os_lock_is_locked_after_reset_and_opens_by_its_register() {
    let mut own = OwnRegisters::new();
    assert_eq!(read(&mut own, OSLSR_EL1), Answer::Value(0b1010));
    assert_eq!(write(&mut own, OSLAR_EL1, 0), Answer::Written);
    assert_eq!(read(&mut own, OSLSR_EL1), Answer::Value(0b1000));
    assert_eq!(write(&mut own, OSLAR_EL1, !0), Answer::Written);
    assert_eq!(read(&mut own, OSLSR_EL1), Answer::Value(0b1010));
    assert_eq!(read(&mut own, OSLAR_EL1), Answer::Undefined);
    assert_eq!(write(&mut own, OSLSR_EL1, 0), Answer::Undefined);
}

#[test]
fn what_mirrors_edscr_is_written_under_the_os_lock_only() {
    let mut own = OwnRegisters::new();
    assert_eq!(write(&mut own, MDSCR_EL1, !0), Answer::Written);
    let all = 1 | 1 << 6 | 0b1111 << 12 | 1 << 19 | 0b111 << 21 | 0b11 << 26 | 0b11 << 29;
    assert_eq!(read(&mut own, MDSCR_EL1), Answer::Value(all));
    write(&mut own, OSLAR_EL1, 0);
    write(&mut own, MDSCR_EL1, 0);
    assert_eq!(read(&mut own, MDSCR_EL1), Answer::Value(all & !(1 | 1 << 12 | 1 << 13 | 1 << 15)));
}

#[test]
fn pairs_that_the_core_has_keep_what_is_written_and_others_are_undefined() {
    let mut own = OwnRegisters::new();
    for (count, value, control) in [(6, 4, 5), (4, 6, 7)] {
        for n in 0..16 {
            let (value, control) = ((0, 0, n, value), (0, 0, n, control));
            if n < count {
                let address = 0xffff_8000_0000_1000 + u64::from(n) * 8;
                assert_eq!(write(&mut own, value, address), Answer::Written);
                assert_eq!(write(&mut own, control, 0x1e7), Answer::Written);
                assert_eq!(read(&mut own, value), Answer::Value(address));
                assert_eq!(read(&mut own, control), Answer::Value(0x1e7));
            } else {
                for register in [value, control] {
                    assert_eq!(read(&mut own, register), Answer::Undefined);
                    assert_eq!(write(&mut own, register, 0), Answer::Undefined);
                }
            }
        }
    }
}

#[test]
fn bits_that_are_res0_read_as_zero() {
    let mut own = OwnRegisters::new();
    for (register, kept) in
        [((0, 0, 0, 5), 0x00ff_e1e7), ((0, 0, 0, 7), 0x1f1f_ffff), ((0, 0, 2, 0), 0b11 << 29)]
    {
        write(&mut own, register, !0);
        assert_eq!(read(&mut own, register), Answer::Value(kept), "{register:?}");
    }
    write(&mut own, (0, 0, 0, 6), !0);
    assert_eq!(read(&mut own, (0, 0, 0, 6)), Answer::Value(!0b11));
}

#[test]
fn claim_tags_are_set_and_cleared_one_by_one() {
    let mut own = OwnRegisters::new();
    assert_eq!(read(&mut own, CLAIM_SET), Answer::Value(0xff));
    write(&mut own, CLAIM_SET, 0b101);
    write(&mut own, CLAIM_CLEAR, 0b001);
    assert_eq!(read(&mut own, CLAIM_CLEAR), Answer::Value(0b100));
}

#[test]
fn every_access_has_an_answer_and_only_op0_2_is_debug() {
    // Miri would take hours for all of them.
    let step = if cfg!(miri) { 4099 } else { 1 };
    for encoding in (0..1 << 22).step_by(step) {
        let access = SystemRegisterAccess::from_bits(encoding);
        let answer = OwnRegisters::new().access(access, !0, &CAPABILITIES);
        match answer {
            Answer::Value(_) => assert!(access.direction()),
            Answer::Written => assert!(!access.direction()),
            Answer::Undefined => {}
        }
        assert!(access.op0() == 2 || answer == Answer::Undefined, "{access}");
    }
}
