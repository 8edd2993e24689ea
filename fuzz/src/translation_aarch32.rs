//! A walk of AArch32 over any tables, with any registers, ends, reads a bounded number of aligned descriptors and
//! keeps the offset inside the page.

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::registers::SctlrEl1;
use trapline_core::translation::aarch32::{Regime, translate};

use crate::translation::Descriptors;

/// The registers and the address of a walk.
#[derive(Arbitrary, Debug)]
struct Walk {
    mmu_on: bool,
    sctlr: u64,
    ttbcr: u64,
    ttbr0: u64,
    ttbr1: u64,
    dacr: u32,
    address: u32,
}

/// Walks once.
///
/// # Panics
/// Where the walk breaks its promises.
pub fn check(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(walk) = Walk::arbitrary(&mut source) else { return };
    let regime = Regime {
        sctlr: SctlrEl1::from(walk.sctlr | u64::from(walk.mmu_on)),
        ttbcr: walk.ttbcr,
        ttbr0: walk.ttbr0,
        ttbr1: walk.ttbr1,
        dacr: walk.dacr,
    };
    let address = u64::from(walk.address);
    let mut memory = Descriptors { source, reads: 0 };
    let result = translate(&regime, walk.address, &mut memory);
    assert!(memory.reads <= 3, "{} descriptors", memory.reads);
    if let Ok(translation) = result {
        assert!(translation.block.is_power_of_two());
        let offset = translation.block - 1;
        assert_eq!(translation.physical.0 & offset, address & offset);
        assert!(translation.remaining(address) <= translation.block);
    }
}
