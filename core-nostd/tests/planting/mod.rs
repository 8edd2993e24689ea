//! Plain memory with break instructions planted in it, as an engine does at a resume.

use trapline_core::address::PhysicalAddress;
use trapline_core::software::{BreakInstruction, Restore, Site, SiteState, SoftwareBreakpoints};

/// Memory from physical address 0 on, and what is planted in it.
pub(crate) struct Machine<const REQUESTS: usize> {
    pub(crate) memory: Vec<u8>,
    pub(crate) table: SoftwareBreakpoints<REQUESTS>,
}

impl<const REQUESTS: usize> Machine<REQUESTS> {
    pub(crate) fn new(memory: Vec<u8>) -> Self {
        Self { memory, table: SoftwareBreakpoints::new(BreakInstruction::Brk) }
    }

    /// Plants what was asked for and puts back what nobody wants any more.
    pub(crate) fn resume(&mut self) {
        let mut after = None;
        while let Some(site) = self.table.next_pending(after) {
            assert!(after < Some(site.address), "{site:?} again");
            after = Some(site.address);
            match site.state {
                SiteState::Requested => {
                    let bytes = &mut self.memory[site.address.0 as usize..][..site.planted.len()];
                    let original = bytes.to_vec();
                    bytes.copy_from_slice(site.planted.as_slice());
                    self.table.planted(site.address, &original);
                }
                SiteState::Unwanted => self.restore(&site),
                SiteState::Planted => assert_ne!(site.state, SiteState::Planted, "nothing to do there"),
            }
        }
        assert_eq!(self.table.next_pending(None), None);
    }

    /// Puts the original of what is planted at `address` back for a while, as for a step over it.
    pub(crate) fn lift(&mut self, address: u64) {
        let site = self.table.at(PhysicalAddress(address));
        if let Some(site) = site.filter(|site| site.state == SiteState::Planted) {
            self.restore(&site);
        }
    }

    fn restore(&mut self, site: &Site) {
        let bytes = &mut self.memory[site.address.0 as usize..][..site.planted.len()];
        if let Restore::Write(original) = site.restore(bytes) {
            bytes.copy_from_slice(original.as_slice());
        }
        self.table.restored(site.address);
    }

    /// What a debugger's user reads.
    pub(crate) fn read(&self, address: usize, length: usize) -> Vec<u8> {
        let mut bytes = self.memory[address..][..length].to_vec();
        self.table.mask_read(PhysicalAddress(address as u64), &mut bytes);
        bytes
    }

    /// What a debugger's user writes.
    pub(crate) fn write(&mut self, address: usize, bytes: &[u8]) {
        while let Some(site) = self.table.first_planted(PhysicalAddress(address as u64), bytes.len()) {
            self.restore(&site);
        }
        self.memory[address..][..bytes.len()].copy_from_slice(bytes);
    }
}
