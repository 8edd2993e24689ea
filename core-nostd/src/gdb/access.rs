//! Registers, memory and threads.

use gdbstub::common::Tid;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{MultiThreadBase, MultiThreadResumeOps};
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::breakpoints::BreakpointsOps;
use gdbstub::target::ext::monitor_cmd::MonitorCmdOps;
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::{self as gdb, TargetError as GdbError, TargetResult as GdbResult};

use crate::debugger::{AccessError, Debugger};
use crate::target::{CoreId, Register, Target, TargetError};

use super::arch::{Aarch64, CoreRegisters, RegisterNumber};
use super::description;
use super::run::{core, thread};

/// `EFAULT` of the protocol's error numbers: the address cannot be reached.
const EFAULT: u8 = 14;
/// `EINVAL`: the request cannot be served.
pub(super) const EINVAL: u8 = 22;

/// A backend's failure in gdbstub's words: a refusal is an answer to the client, a loss ends the session.
pub(super) fn gdb_error<E>(error: TargetError<E>) -> GdbError<E> {
    match error {
        TargetError::Refused(_) => GdbError::Errno(EINVAL),
        TargetError::Lost(error) => GdbError::Fatal(error),
    }
}

/// As [`gdb_error`], for memory.
fn access_error<E>(error: AccessError<E>) -> GdbError<E> {
    match error {
        AccessError::Target(TargetError::Lost(error)) => GdbError::Fatal(error),
        _ => GdbError::Errno(EFAULT),
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> gdb::Target for Debugger<T, CORES, SOFTWARE> {
    type Arch = Aarch64;
    type Error = T::Error;

    fn base_ops(&mut self) -> BaseOps<'_, Aarch64, T::Error> {
        BaseOps::MultiThread(self)
    }

    fn guard_rail_implicit_sw_breakpoints(&self) -> bool {
        true
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> TargetDescriptionXmlOverride
    for Debugger<T, CORES, SOFTWARE>
{
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> GdbResult<usize, Self> {
        match annex {
            b"target.xml" => Ok(description::read(offset, length, buffer)),
            _ => Err(GdbError::Errno(EINVAL)),
        }
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> MultiThreadBase for Debugger<T, CORES, SOFTWARE> {
    fn read_registers(&mut self, registers: &mut CoreRegisters, tid: Tid) -> GdbResult<(), Self> {
        let core = core(tid);
        let read = |debugger: &mut Self, register| debugger.read_register(core, register).map_err(gdb_error);
        for (number, x) in (0..).zip(&mut registers.x) {
            *x = read(self, Register::X(number))?;
        }
        let stack_pointer = self.stack_pointer(core).map_err(gdb_error)?;
        registers.sp = read(self, stack_pointer)?;
        registers.pc = read(self, Register::Pc)?;
        registers.cpsr = read(self, Register::Pstate)? as u32;
        Ok(())
    }

    fn write_registers(&mut self, registers: &CoreRegisters, tid: Tid) -> GdbResult<(), Self> {
        let core = core(tid);
        for (number, &x) in (0..).zip(&registers.x) {
            self.write_register(core, Register::X(number), x).map_err(gdb_error)?;
        }
        // PSTATE first: it says which stack pointer `sp` is.
        self.write_low_word(core, Register::Pstate, registers.cpsr)?;
        let stack_pointer = self.stack_pointer(core).map_err(gdb_error)?;
        self.write_register(core, stack_pointer, registers.sp).map_err(gdb_error)?;
        self.write_register(core, Register::Pc, registers.pc).map_err(gdb_error)
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], tid: Tid) -> GdbResult<usize, Self> {
        self.read_virtual(core(tid), start, data).map_err(access_error)
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], tid: Tid) -> GdbResult<(), Self> {
        self.write_virtual(core(tid), start, data).map_err(access_error)
    }

    fn list_active_threads(&mut self, each: &mut dyn FnMut(Tid)) -> Result<(), T::Error> {
        for core in self.core_ids() {
            each(thread(core));
        }
        Ok(())
    }

    fn is_thread_alive(&mut self, tid: Tid) -> Result<bool, T::Error> {
        Ok(core(tid).0 < self.core_count())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> SingleRegisterAccess<Tid>
    for Debugger<T, CORES, SOFTWARE>
{
    fn read_register(
        &mut self,
        tid: Tid,
        register: RegisterNumber,
        buffer: &mut [u8],
    ) -> GdbResult<usize, Self> {
        let core = core(tid);
        let value = match register {
            RegisterNumber::V(number) => self.target_mut().read_vector(core, number).map_err(gdb_error)?,
            _ => {
                let register = self.register_of(core, register)?;
                u128::from(self.read_register(core, register).map_err(gdb_error)?)
            }
        };
        let size = register.size();
        let bytes = value.to_le_bytes();
        let (Some(out), Some(bytes)) = (buffer.get_mut(..size), bytes.get(..size)) else {
            return Err(GdbError::Errno(EINVAL));
        };
        out.copy_from_slice(bytes);
        Ok(size)
    }

    fn write_register(&mut self, tid: Tid, register: RegisterNumber, bytes: &[u8]) -> GdbResult<(), Self> {
        let core = core(tid);
        let mut wide = [0; 16];
        match wide.get_mut(..bytes.len()) {
            Some(place) if bytes.len() == register.size() => place.copy_from_slice(bytes),
            _ => return Err(GdbError::Errno(EINVAL)),
        }
        let value = u128::from_le_bytes(wide);
        match register {
            RegisterNumber::V(number) => {
                self.target_mut().write_vector(core, number, value).map_err(gdb_error)
            }
            RegisterNumber::Cpsr => self.write_low_word(core, Register::Pstate, value as u32),
            _ => {
                let register = self.register_of(core, register)?;
                self.write_register(core, register, value as u64).map_err(gdb_error)
            }
        }
    }
}

impl<T: Target, const CORES: usize, const SOFTWARE: usize> Debugger<T, CORES, SOFTWARE> {
    /// The target's register behind one of gdb's that is at most 64 bits wide.
    fn register_of(&mut self, core: CoreId, register: RegisterNumber) -> GdbResult<Register, Self> {
        Ok(match register {
            RegisterNumber::X(number) => Register::X(number),
            RegisterNumber::Sp => self.stack_pointer(core).map_err(gdb_error)?,
            RegisterNumber::Pc => Register::Pc,
            RegisterNumber::Cpsr => Register::Pstate,
            RegisterNumber::Fpsr => Register::Fpsr,
            RegisterNumber::Fpcr => Register::Fpcr,
            RegisterNumber::V(_) => return Err(GdbError::Errno(EINVAL)),
        })
    }

    /// Writes the 32 bits of a register that gdb knows, and leaves those above as they are.
    fn write_low_word(&mut self, core: CoreId, register: Register, low: u32) -> GdbResult<(), Self> {
        let old = self.read_register(core, register).map_err(gdb_error)?;
        let value = (old & !u64::from(u32::MAX)) | u64::from(low);
        if value == old {
            return Ok(());
        }
        self.write_register(core, register, value).map_err(gdb_error)
    }
}
