//! Who called, by what a file says of each function's stack frame (DWARF 5, section 6.4 "Call Frame Information"), for code
//! of AArch32 and of the M profile: it keeps no chain of frames that is the same in A32 and in T32.

use std::sync::Arc;

use addr2line::gimli::{
    BaseAddresses, CfaRule, DebugFrame, EndianArcSlice, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindSection,
};

/// `.debug_frame` of a file of 32-bit code.
pub(super) struct Callers(DebugFrame<EndianArcSlice<LittleEndian>>);

/// R0 to R15 of a function, as far as they are known.
pub type Registers = [Option<u32>; 16];

const SP: usize = 13;
const LR: usize = 14;
/// The bytes of an address.
const WORD: u8 = 4;

impl Callers {
    pub(super) fn new(section: Arc<[u8]>) -> Self {
        let mut frames = DebugFrame::from(EndianArcSlice::new(section, LittleEndian));
        frames.set_address_size(WORD);
        Self(frames)
    }

    /// The registers of the caller, R15 the return address, where the function at `place` has those of `callee`; `None`
    /// where that is not known. `read` answers a word of memory.
    pub(super) fn caller(
        &self,
        place: u64,
        callee: &Registers,
        read: &mut dyn FnMut(u64) -> Option<u32>,
    ) -> Option<Registers> {
        let (bases, mut context) = (BaseAddresses::default(), UnwindContext::new());
        let cie = DebugFrame::cie_from_offset;
        let row = self.0.unwind_info_for_address(&bases, &mut context, place, cie).ok()?;
        let number = |register: &Register| usize::from(register.0);
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return None };
        let base = (*callee.get(number(register))?)?;
        let frame = base.wrapping_add(*offset as u32);
        // What the function does not speak of it leaves as it is (AAPCS32, "Core registers").
        let mut caller = *callee;
        caller[SP] = Some(frame);
        for (register, rule) in row.registers() {
            let value = match rule {
                RegisterRule::Offset(offset) => read(frame.wrapping_add(*offset as u32).into()),
                RegisterRule::ValOffset(offset) => Some(frame.wrapping_add(*offset as u32)),
                RegisterRule::Register(from) => callee.get(number(from)).copied().flatten(),
                RegisterRule::SameValue => continue,
                _ => None,
            };
            // Registers of floating point are none of these.
            if let Some(place) = caller.get_mut(number(register)) {
                *place = value;
            }
        }
        caller[LR + 1] = caller[LR];
        // A function that does not go anywhere from its caller is the last one.
        let moved = caller[SP] != callee[SP] || caller[LR + 1] != callee[LR + 1];
        (moved && caller[LR + 1].is_some_and(|link| link != 0)).then_some(caller)
    }
}
