//! A halted target as the memory of a running kernel.

use trapline_core::address::PhysicalAddress;
use trapline_core::debugger::Debugger;
use trapline_core::target::{CoreId, Register, SystemRegister, Target};

use crate::linux::live::{self, Live, Memory, Unreadable};

/// A halted target.
pub(super) struct Halted<'d, T: Target, const CORES: usize, const SOFTWARE: usize> {
    pub(super) debugger: &'d mut Debugger<T, CORES, SOFTWARE>,
    /// The core that the client has selected.
    pub(super) core: CoreId,
    /// The core whose tables showed the kernel last: one that is off, or in a process, may not.
    view: CoreId,
}

impl<'d, T: Target, const CORES: usize, const SOFTWARE: usize> Halted<'d, T, CORES, SOFTWARE> {
    pub(super) fn new(debugger: &'d mut Debugger<T, CORES, SOFTWARE>, core: CoreId) -> Self {
        Self { debugger, core, view: core }
    }

    /// Where the cores' exception vectors are.
    pub(super) fn vectors(&mut self) -> Vec<u64> {
        let vectors = Register::System(SystemRegister::VBAR_EL1);
        self.debugger
            .core_ids()
            .filter_map(|core| self.debugger.read_register(core, vectors).ok())
            .filter(|&vectors| vectors != 0)
            .collect()
    }

    /// The `task_struct` of the thread that each core is at, where it is at one.
    pub(super) fn current(&mut self, live: &Live<'_>) -> Vec<Option<u64>> {
        let entry = live.kernel.per_cpu("__entry_task");
        let cores: Vec<_> = self.debugger.core_ids().collect();
        let of = |core| match entry {
            Some(entry) => self.current_of(core, entry.wrapping_add(live.slide)),
            None => self.current_by_stack(core, live),
        };
        cores.into_iter().map(of).collect()
    }

    fn current_of(&mut self, core: CoreId, entry: u64) -> Option<u64> {
        let distance = self.system_register(core, SystemRegister::TPIDR_EL1)?;
        let mut pointer = [0; 8];
        self.read(entry.wrapping_add(distance), &mut pointer).ok()?;
        Some(u64::from_le_bytes(pointer)).filter(|&task| is_kernels(task))
    }

    /// The same where a kernel does not say what is where for each CPU. In its own code it keeps this in SP_EL0; while a
    /// process runs, SP_EL1 is at the end of the stack that its thread has in the kernel.
    fn current_by_stack(&mut self, core: CoreId, live: &Live<'_>) -> Option<u64> {
        let in_kernel = self.debugger.stack_pointer(core).ok()? == Register::System(SystemRegister::SP_EL1);
        if in_kernel {
            return self.system_register(core, SystemRegister::SP_EL0).filter(|&task| is_kernels(task));
        }
        let stack = self.system_register(core, SystemRegister::SP_EL1)?;
        live::owner_of_stack(live, self, stack).ok()?
    }

    fn system_register(&mut self, core: CoreId, register: SystemRegister) -> Option<u64> {
        self.debugger.read_register(core, Register::System(register)).ok()
    }

    fn read_through(&mut self, core: CoreId, address: u64, bytes: &mut [u8]) -> bool {
        self.debugger.read_virtual(core, address, bytes).is_ok_and(|count| count == bytes.len())
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Memory for Halted<'_, T, CORES, SOFTWARE> {
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Unreadable> {
        if self.read_through(self.view, address, bytes) {
            return Ok(());
        }
        let others: Vec<_> = self.debugger.core_ids().filter(|&core| core != self.view).collect();
        match others.into_iter().find(|&core| self.read_through(core, address, bytes)) {
            Some(core) => {
                self.view = core;
                Ok(())
            }
            None => Err(Unreadable { address }),
        }
    }

    fn read_physical(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Unreadable> {
        let read = self.debugger.target_mut().read_memory(PhysicalAddress(address), bytes);
        read.map_err(|_| Unreadable { address })
    }

    fn regions(&self) -> Vec<(u64, u64)> {
        /// Where a target does not say what memory it has, it is looked for up to here.
        const ANYWHERE: (u64, u64) = (0, 64 << 30);
        let known: Vec<_> = (0..)
            .map_while(|index| self.debugger.target().region(index))
            .map(|region| (region.range.first(), region.range.len()))
            .collect();
        if known.is_empty() { vec![ANYWHERE] } else { known }
    }
}

/// Whether an address is in the kernel's half; with 52 bits it begins here.
const fn is_kernels(address: u64) -> bool {
    address >> 52 == 0xfff
}
