//! A walk over any tables, with any registers, ends, reads a bounded number of aligned descriptors and
//! keeps the offset inside the page.

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::address::PhysicalAddress;
use trapline_core::registers::{SctlrEl1, Tcr2El1, TcrEl1, Ttbr};
use trapline_core::translation::{Regime, TableMemory, translate};

/// The registers and the address of a walk.
#[derive(Arbitrary, Debug)]
struct Walk {
    mmu_on: bool,
    registers: [u64; 10],
    address: u64,
}

/// Descriptors from the fuzzer, whatever their address.
pub(crate) struct Descriptors<'a> {
    pub(crate) source: Unstructured<'a>,
    pub(crate) reads: u32,
}

impl TableMemory for Descriptors<'_> {
    type Error = ();

    fn read_descriptor(&mut self, address: PhysicalAddress, bytes: &mut [u8]) -> Result<(), ()> {
        assert!(matches!(bytes.len(), 4 | 8), "a descriptor of {} bytes", bytes.len());
        assert_eq!(address.0 % bytes.len() as u64, 0, "a descriptor at {address}");
        assert!(address.0 < 1 << 56, "a descriptor at {address}");
        self.reads += 1;
        self.source.fill_buffer(bytes).map_err(|_| ())
    }
}

/// Walks once.
///
/// # Panics
/// Where the walk breaks its promises.
pub fn check(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(Walk { mmu_on, registers, address }) = Walk::arbitrary(&mut source) else { return };
    let [sctlr, tcr, tcr2, ttbr0, ttbr1, pir, pire0, mmfr0, mmfr1, mmfr2] = registers;
    let regime = Regime {
        sctlr_el1: SctlrEl1::from(sctlr | u64::from(mmu_on)),
        tcr_el1: TcrEl1::from(tcr),
        tcr2_el1: Tcr2El1::from(tcr2),
        ttbr0_el1: Ttbr::from(ttbr0),
        ttbr1_el1: Ttbr::from(ttbr1),
        pir_el1: pir,
        pire0_el1: pire0,
        id_aa64mmfr0_el1: mmfr0,
        id_aa64mmfr1_el1: mmfr1,
        id_aa64mmfr2_el1: mmfr2,
    };
    let mut memory = Descriptors { source, reads: 0 };
    let result = translate(&regime, address, &mut memory);
    assert!(memory.reads <= 5, "{} descriptors", memory.reads);
    if let Ok(translation) = result {
        assert!(translation.block.is_power_of_two());
        let offset = translation.block - 1;
        assert_eq!(translation.physical.0 & offset, address & offset);
        assert!(translation.remaining(address) <= translation.block);
    }
}
