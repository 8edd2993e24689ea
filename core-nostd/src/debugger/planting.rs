//! Break instructions into and out of the target's memory.

use crate::address::PhysicalAddress;
use crate::software::{InstructionBytes, Restore, Site, SiteState};
use crate::target::{CoreId, Target, TargetResult};

use super::Debugger;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// Brings memory to what is inserted: plants what is new and restores what is gone. At `except`
    /// stands what the guest wrote, for a step over it. All cores must be halted.
    pub(super) fn plant(&mut self, except: Option<PhysicalAddress>) -> TargetResult<(), T> {
        let mut after = None;
        while let Some(site) = self.software.next_pending(after) {
            after = Some(site.address);
            match site.state {
                SiteState::Requested if Some(site.address) != except => self.plant_site(&site)?,
                SiteState::Unwanted => self.restore_site(&site)?,
                SiteState::Requested | SiteState::Planted => {}
            }
        }
        if let Some(site) = except.and_then(|address| self.software.at(address))
            && site.state == SiteState::Planted
        {
            self.restore_site(&site)?;
        }
        Ok(())
    }

    /// Gives memory back as the guest had it; what is inserted is planted again at the next resume. All
    /// cores must be halted.
    pub(super) fn lift(&mut self) -> TargetResult<(), T> {
        loop {
            let planted = self.software.sites().find(|site| site.state != SiteState::Requested);
            match planted {
                Some(site) => self.restore_site(&site)?,
                None => return Ok(()),
            }
        }
    }

    /// The physical address of the instruction at a virtual address, as the halted `core` sees it, where
    /// it is one of ours.
    pub(super) fn planted_at(&mut self, core: CoreId, address: u64) -> Option<PhysicalAddress> {
        if self.software.is_empty() {
            return None;
        }
        let physical = self.translate_code(core, address).ok()?.physical;
        let site = self.software.at(physical)?;
        (site.state != SiteState::Requested).then_some(physical)
    }

    fn plant_site(&mut self, site: &Site) -> TargetResult<(), T> {
        let original = self.read_site(site)?;
        self.target.write_memory(site.address, site.planted.as_slice())?;
        self.target.synchronize_instructions(site.address, site.planted.len())?;
        self.software.planted(site.address, original.as_slice());
        Ok(())
    }

    /// Puts the guest's instruction back, unless the guest has written something else there meanwhile.
    pub(super) fn restore_site(&mut self, site: &Site) -> TargetResult<(), T> {
        let found = self.read_site(site)?;
        if let Restore::Write(original) = site.restore(found.as_slice()) {
            self.target.write_memory(site.address, original.as_slice())?;
            self.target.synchronize_instructions(site.address, original.len())?;
        }
        self.software.restored(site.address);
        Ok(())
    }

    /// Whether break instructions stand in memory.
    pub(super) fn any_planted(&self) -> bool {
        self.software.sites().any(|site| site.state != SiteState::Requested)
    }

    fn read_site(&mut self, site: &Site) -> TargetResult<InstructionBytes, T> {
        let mut word = [0; 4];
        let bytes = word.get_mut(..site.planted.len()).unwrap_or_default();
        self.target.read_memory(site.address, bytes)?;
        Ok(InstructionBytes::new(site.instruction, bytes))
    }
}
