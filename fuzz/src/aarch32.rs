//! The AArch32 view of any registers goes back to where it came from, and banked copies stay.

use arbitrary::Arbitrary;
use trapline_core::aarch32::{View, x_register};
use trapline_core::registers::{Mode, Pstate};

use crate::read;

#[derive(Arbitrary, Debug)]
struct Input {
    x: [u64; 31],
    pc: u64,
    pstate: u64,
    aarch32: bool,
    changed: u8,
    value: u32,
    mode: u8,
    number: u8,
}

/// Makes one view.
///
/// # Panics
/// Where the way back leads elsewhere.
pub fn check(data: &[u8]) {
    let Some(input) = read::<Input>(data) else { return };
    let pstate = if input.aarch32 { input.pstate & 0xffff_ffff | 0x10 } else { input.pstate };
    let pstate = Pstate::from_bits(pstate);
    let mode = Mode::from_bits(input.mode);
    assert!(x_register(mode, input.number).is_none_or(|x| x < 31 && input.number < 15));

    let Some(mut view) = View::from_aarch64(&input.x, input.pc, pstate) else { return };
    assert!(pstate.is_aarch32());
    assert_eq!(
        pstate.aarch32().map(|cpsr| cpsr.to_pstate(pstate.ss()).into_bits() & 0x1f),
        Some(pstate.into_bits() & 0x1f)
    );
    let changed = usize::from(input.changed) % 15;
    view.r[changed] = input.value;
    let mut x = input.x;
    let Some((pc, state)) = view.to_aarch64(&mut x, pstate.ss()) else { panic!("{view:?} has no way back") };
    assert_eq!(pc, input.pc & 0xffff_ffff);
    assert_eq!(View::from_aarch64(&x, pc, state), Some(view));
    let mode = view.cpsr.mode();
    for (number, (now, before)) in (0..).zip(x.iter().zip(&input.x)) {
        let seen = (0..15).find(|r| x_register(mode, *r) == Some(number));
        match seen {
            Some(r) => assert_eq!(*now, u64::from(view.r[usize::from(r)]), "X{number}"),
            None => assert_eq!(now, before, "X{number}"),
        }
    }
}
